"""Cells for a model that says what it was trained on: codes of four types, in each format."""

import pyarrow as pa

from tests.torture.case import Case, predicted
from tests.torture.parquet_writing import written
from tests.torture.runs import CODES

_BATCH = 10_000
_HEADER = b"id,n,t,b,f\n"
_GOOD = b"k,1,a,True,0.5\n"
_ANSWERS = b"id,prediction\n"
_GOOD_ANSWER = b"k,1111.0\n"
_REASONS = b"line,reason,row\n"


def _odd_cell(name: str, row: str, reason: str) -> list[Case]:
    """Return the row first, between others, and behind the first batch: it is rejected alone."""
    places = {"first": (0, 2), "between": (1, 1), "behind-a-batch": (_BATCH, 1)}
    return [
        predicted(
            f"{name}-{place}.csv",
            _HEADER + _GOOD * before + f"{row}\n".encode() + _GOOD * after,
            _ANSWERS + _GOOD_ANSWER * (before + after),
            rejects=_REASONS + f'{before + 2},"{reason}","{row}"\n'.encode(),
            run=CODES,
        )
        for place, (before, after) in places.items()
    ]


def _alone(name: str, row: bytes, answer: bytes) -> Case:
    """Return a file of one row, in which the row's luck could be taken for the column's type."""
    body, output = _HEADER + row + b"\n", _ANSWERS + answer + b"\n"
    return predicted(f"{name}.csv", body, output, run=CODES)


_WHOLE = "not a whole number of 64 bits"
_CSV = [
    predicted(
        "codes.csv",
        _HEADER + _GOOD + b"l,2,007,False,1.5\nm,3,NA,True,0.5\n",
        _ANSWERS + _GOOD_ANSWER + b"l,2022.0\nm,1133.0\n",
        run=CODES,
    ),
    *_odd_cell("question-mark-for-int", "o,?,a,True,0.5", f"column 'n' is '?', {_WHOLE}"),
    *_odd_cell("blank-for-int", "o, ,a,True,0.5", f"column 'n' is ' ', {_WHOLE}"),
    *_odd_cell("half-for-int", "o,1.5,a,True,0.5", f"column 'n' is '1.5', {_WHOLE}"),
    *_odd_cell("t-for-bool", "o,1,a,t,0.5", "column 'b' is 't', neither true nor false"),
    *_odd_cell("n-for-bool", "o,1,a,N,0.5", "column 'b' is 'N', neither true nor false"),
    *_odd_cell("word-for-float", "o,1,a,True,x", "column 'f' is 'x', not a number"),
    _alone("whole-number-with-a-point-for-int", b"o,1.0,a,True,0.5", b"o,1111.0"),
    _alone("one-for-bool", b"o,1,a,1,0.5", b"o,1111.0"),
    _alone("digits-alone-for-text", b"o,1,007,True,0.5", b"o,1121.0"),
    _alone("truth-alone-for-text", b"o,1,True,True,0.5", b"o,1101.0"),
    _alone("nothing-alone-for-text", b"o,1,,True,0.5", b"o,1101.0"),
    _alone("word-of-the-vocabulary-that-pandas-reads-as-missing", b"o,1,NA,True,0.5", b"o,1131.0"),
    _alone("nothing-alone-for-int", b"o,,a,True,0.5", b"o,1110.0"),
    _alone("code-that-training-never-saw", b"o,9,a,True,0.5", b"o,1110.0"),
]


def _json(name: str, rows: list[bytes], answers: list[bytes], rejects: bytes | None = None) -> Case:
    body = b"".join(b"{%s}\n" % row for row in rows)
    output = b"".join(b'{"id": "k", "prediction": %s}\n' % answer for answer in answers)
    reasons = None if rejects is None else _REASONS + rejects
    return predicted(f"{name}.jsonl", body, output, rejects=reasons, run=CODES)


_JSON_GOOD = b'"id":"k","n":1,"t":"a","b":true,"f":0.5'
_JSON = [
    _json(
        "codes",
        [
            _JSON_GOOD,
            b'"id":"k","n":2,"t":"007","b":false,"f":1.5',
            b'"id":"k","n":3,"t":"NA","b":true,"f":0.5',
        ],
        [b"1111.0", b"2022.0", b"1133.0"],
    ),
    _json(
        "numbers-in-quotes-as-bigquery-writes-them",
        [_JSON_GOOD, b'"id":"k","n":"1","t":"a","b":true,"f":"0.5"'],
        [b"1111.0", b"1111.0"],
    ),
    _json(
        "float-for-int",
        [b'"id":"k","n":1.0,"t":"a","b":true,"f":0.5', b'"id":"k","n":1.5,"t":"a","b":true,"f":1'],
        [b"1111.0"],
        f"2,\"column 'n' is 1.5, {_WHOLE}\",".encode()
        + b'"{""id"":""k"",""n"":1.5,""t"":""a"",""b"":true,""f"":1}"\n',
    ),
    _json(
        "values-that-are-no-text",
        [
            _JSON_GOOD,
            b'"id":"k","n":1,"t":7.5,"b":true,"f":0.5',
            b'"id":"k","n":1,"t":["a"],"b":true,"f":0.5',
        ],
        [b"1111.0"],
        b"2,\"column 't' is 7.5, not a text\","
        b'"{""id"":""k"",""n"":1,""t"":7.5,""b"":true,""f"":0.5}"\n'
        b'3,"column \'t\' is [""a""], not a text",'
        b'"{""id"":""k"",""n"":1,""t"":[""a""],""b"":true,""f"":0.5}"\n',
    ),
    _json(
        "null",
        [
            b'"id":"k","n":null,"t":"a","b":true,"f":0.5',
            b'"id":"k","n":1,"t":null,"b":true,"f":0.5',
        ],
        [b"1110.0", b"1101.0"],
    ),
]


def _parquet(
    name: str, columns: dict[str, object], answers: list[float], rejects: bytes = b""
) -> Case:
    ids = ["k", "l", "m"][: len(columns["n"])]  # type: ignore[arg-type] # a list or an array
    good = ids if not rejects else ids[:1]
    return predicted(
        f"{name}.parquet",
        written(pa.table({"id": ids} | columns)),
        written(pa.table({"id": good, "prediction": answers})),
        rejects=_REASONS + rejects if rejects else None,
        run=CODES,
    )


_PARQUET = [
    _parquet(
        "codes",
        {"n": [1, 2, 3], "t": ["a", "007", "NA"], "b": [True, False, True], "f": [0.5, 1.5, 0.5]},
        [1111.0, 2022.0, 1133.0],
    ),
    _parquet(
        "codes-in-other-types",
        {
            "n": pa.array([1, 2], pa.int8()),
            "t": pa.array(["a", "007"]).dictionary_encode(),
            "b": [1, 0],
            "f": pa.array([0.5, 1.5], pa.float32()),
        },
        [1111.0, 2022.0],
    ),
    _parquet(
        "codes-as-text",
        {"n": ["1", "?"], "t": ["a", "a"], "b": ["true", "true"], "f": ["0.5", "0.5"]},
        [1111.0],
        f"2,\"column 'n' is '?', {_WHOLE}\",".encode()
        + b'"{""id"": ""l"", ""n"": ""?"", ""t"": ""a"", ""b"": ""true"", ""f"": ""0.5""}"\n',
    ),
    _parquet(
        "text-as-bytes-of-impala-and-hive",
        {"n": [b"1", b"2"], "t": [b"a", b"007"], "b": [True, False], "f": [0.5, 1.5]},
        [1111.0, 2022.0],
    ),
    _parquet(
        "int-with-a-null",
        {"n": [1.0, None], "t": ["a", "a"], "b": [True, True], "f": [0.5, 0.5]},
        [1111.0, 1110.0],
    ),
    _parquet(
        "columns-of-the-type-null",
        {"n": pa.array([None]), "t": pa.array([None]), "b": [True], "f": [0.5]},
        [1100.0],
    ),
]

CASES = [*_CSV, *_JSON, *_PARQUET]
