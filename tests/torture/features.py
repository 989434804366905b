"""The values that a plug-in predictor gets, and its wrong answers, which are refused."""

from tests.torture.case import predicted, refused
from tests.torture.runs import MIRROR

_BATCH = 10_000

CASES = [
    predicted(
        "numbers-truths-and-text.csv",
        b"id,n,t,s,m\na,1,True,x,1\nb,2.5,FALSE,NA,z\nc,,true,007,True\n",
        b"id,seen\n"
        b"a,n=1.0 t=True s='x' m='1'\n"
        b"b,n=2.5 t=False s=nothing m='z'\n"
        b"c,n=nothing t=True s='007' m='True'\n",
        run=MIRROR,
    ),
    predicted(
        "numbers-that-look-odd.csv",
        b"id,n\na,007\nb,1e5\nc,-0\nd,.5\ne, 6 \nf,12345678901234567890\ng,inf\nh,-Infinity\n",
        b"id,seen\na,n=7.0\nb,n=100000.0\nc,n=-0.0\nd,n=0.5\ne,n=6.0\n"
        b"f,n=1.2345678901234567e+19\ng,n=inf\nh,n=-inf\n",
        run=MIRROR,
    ),
    predicted(
        "text-is-left-alone.csv",
        b'id,s\na," x "\nb,1e5\nc,"two\nlines"\nd,2024-01-01T00:00:00Z\ne,\nf,""\n',
        b"id,seen\na,s=' x '\nb,s='1e5'\nc,s='two\\nlines'\nd,s='2024-01-01T00:00:00Z'\n"
        b"e,s=nothing\nf,s=nothing\n",
        run=MIRROR,
    ),
    predicted(
        "a-number-late-in-text.csv",
        b"id,s\na,x\n" + b"b,1\n" * _BATCH,
        b"id,seen\na,s='x'\n" + b"b,s='1'\n" * _BATCH,
        run=MIRROR,
    ),
    predicted(
        "json-values.jsonl",
        b'{"id":1,"n":1,"t":true,"s":"x","d":{"a":[1.50]}}\n'
        b'{"id":2,"n":null,"t":false,"s":null,"d":"y"}\n',
        b'{"id": 1, "seen": "n=1.0 t=True s=\'x\' d={\'a\': [1.5]}"}\n'
        b'{"id": 2, "seen": "n=nothing t=False s=nothing d=\'y\'"}\n',
        run=MIRROR,
    ),
    predicted("header-only-for-a-predictor-of-ones-own.csv", b"id,n\n", b"id,seen\n", run=MIRROR),
    predicted(  # as pandas types the whole file, since the predictor says nothing of the column
        "text-late-among-numbers.csv",
        b"id,n\n" + b"a,1\n" * _BATCH + b"b,x\n",
        b"id,seen\n" + b"a,n='1'\n" * _BATCH + b"b,n='x'\n",
        run=MIRROR,
    ),
    refused(
        "one-column.csv",
        b"id\na\n",
        "SchemaMismatch",
        "no column but 'id': nothing to predict on",
        run=MIRROR,
    ),
    *(
        refused(
            f"answers-{wish.replace(' ', '-')}.csv",
            f"id,please\na,{wish}\nb,{wish}\nc,{wish}\n".encode(),
            error,
            *words,
            run=MIRROR,
        )
        for wish, (error, *words) in {
            "a row too few": ["PredictionFailed", "2 rows for 3"],
            "a row too many": ["PredictionFailed", "4 rows for 3"],
            "a hole": ["PredictionFailed", "missing values (NaN) in 'seen'"],
            "another order": ["PredictionFailed", "index"],
            "an error": ["ModelRaised", "the model raised LookupError: no such shelf"],
            "an exit": ["ModelRaised", "the model raised SystemExit: 3"],
        }.items()
    ),
]
