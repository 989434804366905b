"""Keys that break if a program quotes, splits or normalises them."""

from tests.torture.case import Case, predicted, refused
from tests.torture.runs import STRICT

_KEYS = (
    "a b+c%2Bd%20e.csv",
    "a&b=c?d#e;f.csv",
    "{key} {0} {etag} %s $HOME.csv",
    'it\'s "quoted" <b> `x`.csv',
    "back\\slash.csv",
    "caf\u00e9.csv",
    "cafe\u0301.csv",
    "👩\u200d🚀 שלום.csv",
    "/leading.csv",
    "two//slashes.csv",
    "trailing space .csv ",
    "no-suffix",
    ".csv",
    "dots/./here.csv",
    "dots/../there.csv",
    "line\nend\ttab.csv",
    "control\x01.csv",
    "_failed/mine.csv",
    "x.csv.rejected.csv",
    "date=2024-01-01/hour=00/part-0000.csv",
    "k" * 1018 + ".csv",
)
_TOO_LONG = "l" * 1020 + ".csv"


def _row(number: int) -> Case:
    # Each file has its own id, so that an output under the wrong key is noticed.
    return predicted(
        _KEYS[number],
        b"id,x,y\nfile-%d,1,2\n" % number,
        b"id,prediction\nfile-%d,21.0\n" % number,
    )


CASES = [
    *map(_row, range(len(_KEYS))),
    refused(
        _TOO_LONG,
        b"id,x,y\na,1,2\n",
        "OutputRefused",
        "the output key has more than 1024 bytes",
        run=STRICT,
    ),
]
