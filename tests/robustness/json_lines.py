"""JSON Lines in the manner of JSONTestSuite: what must be read, what must not, and what may be.

A value, or a whole line, stands between two good rows, and at each end of the file. An accepted row
must be what Python's parser makes of the line, numbers digit by digit.
"""

import json
from collections.abc import Iterator, Mapping

from tests.robustness.verdict import Polluted, Row, Truth

_GOOD = '{"id": 1, "x": 10, "s": "a"}'
_ALSO_GOOD = '{"id": 2, "x": 20, "s": "b"}'
_VALID = (
    "0",
    "-0",
    "-1",
    "1.0",
    "1E5",
    "1e-2",
    "1.5e+300",
    "0.1",
    "123456789012345678901234567890",
    "9007199254740993",
    "true",
    "null",
    '""',
    '"1"',
    '" 1 "',
    '"null"',
    '"\\u00e9\\n\\"\\\\\\/"',
    '"\\ud83d\\ude00"',
    '"\u2028\u2029\x7f\ufeff"',
    '"{}"',
    "[]",
    "[1, 2.50, null]",
    "{}",
    '{"a": {"b": [1e2]}}',
    '"NaN"',
    '"a,b\\r\\n"',
)
_INVALID = (
    "",
    "012",
    "+1",
    ".5",
    "1.",
    "1.e1",
    "-",
    "--1",
    "0x1F",
    "1_000",
    "1,5",
    "1 2",
    "1e",
    "\uff11",  # a digit, but not an ASCII one
    "True",
    "None",
    "nul",
    "undefined",
    "'a'",
    '"a',
    'a"',
    '"a\tb"',
    '"a\x00b"',
    '"\\x41"',
    '"\\u12"',
    '"\\U0001F600"',
    "[1,]",
    "[1",
    "1]",
    "{1: 2}",
    "{a: 2}",
    '{"a" 2}',
    '{"a": 1,}',
    "1 // a comment",
    "/* a comment */ 1",
    "# 1",
)
_EITHER = {  # may be read as Python reads it, or rejected
    "a constant that JSON has not": ("NaN", "Infinity", "-Infinity"),
    "a number beyond doubles": ("1e400", "-1e400", "1e-400"),
    "half of a character": ('"\\ud800"', '"\\udc00a"'),
    "nested deeply": ("[" * 100 + "]" * 100, "[" * 100_000 + "]" * 100_000),
}
_INVALID_LINES = (
    "1",
    '"a"',
    "null",
    "[1, 2, 3]",
    "x",
    '{"id": 3, "x": 30, "s": "c"',
    '"id": 3, "x": 30, "s": "c"}',
    '{"id": 3, "x": 30, "s": "c"},',
    '{"id": 3, "x": 30, "s": "c"}}',
    '{"id": 3, "x": 30, "s": "c"} {"id": 4, "x": 40, "s": "d"}',
    '[{"id": 3, "x": 30, "s": "c"}]',
    '{"id": 3, "x": 30, "x": 31, "s": "c"}',
    '{"id": 3; "x": 30; "s": "c"}',
    "{'id': 3, 'x': 30, 's': 'c'}",
    '{"id": 3, "x": 30 "s": "c"}',
    '{"id": 3,, "x": 30, "s": "c"}',
    '{"id": 3, "x": 30, "s": "c"} # a comment',
    '{"id": 3, "x"\ufeff: 30, "s": "c"}',
    "id,x,s",
    "3,30,c",
)
_OTHER_LINES = (  # objects with the same keys in another form, or with other keys
    '{"s": "c", "id": 3, "x": 30}',
    '{"\\u0069d": 3, "x": 30, "s": "c"}',
    '  {"id":3,"x":30,"s":"c"}\t\r',
    '{"id": 3, "x": 30}',
    '{"id": 3, "x": 30, "s": "c", "t": 5}',
    '{"ID": 3, "x": 30, "s": "c"}',
    '{"id": 3, "x ": 30, "s": "c"}',
    '{"id": 3, "": 30, "s": "c"}',
    "{}",
)


def json_files() -> Iterator[Polluted]:
    """Return all files."""
    yield from _whole_files()
    for value in _VALID:
        yield from _placed(f"y {value}", _line(value), must_reject=False)
    for value in _INVALID:
        yield from _placed(f"n {value}", _line(value), must_reject=True)
    for why, values in _EITHER.items():
        for value in values:
            yield from _placed(f"i {value[:20]}", _line(value), must_reject=False, ambiguous=why)
    for line in _INVALID_LINES:
        yield from _placed(f"n line {line}", line, must_reject=True)
    for line in _OTHER_LINES:
        yield from _placed(f"i line {line}", line, must_reject=False)


def _line(value: str) -> str:
    return f'{{"id": 3, "x": {value}, "s": "c"}}'


def _placed(name: str, line: str, *, must_reject: bool, ambiguous: str = "") -> Iterator[Polluted]:
    forms = () if must_reject else (as_row(parsed(line)),)
    good, also_good = ((as_row(parsed(text)),) for text in (_GOOD, _ALSO_GOOD))
    for place, lines, rows in (
        ("first", (line, _GOOD, _ALSO_GOOD), (forms, good, also_good)),
        ("between", (_GOOD, line, _ALSO_GOOD), (good, forms, also_good)),
        ("last", (_GOOD, _ALSO_GOOD, line), (good, also_good, forms)),
    ):
        body = "\n".join(lines).encode()
        yield Polluted(f"{name} ({place})", body, Truth(((),), rows), ambiguous)


def _whole_files() -> Iterator[Polluted]:
    lines = [_GOOD, _ALSO_GOOD]
    plain = "\n".join(lines)
    rows = [as_row(parsed(line)) for line in lines]
    right = Truth.of((), rows)
    bodies = {
        "no line end at the end": plain.encode(),
        "a line end at the end": f"{plain}\n".encode(),
        "CR LF": f"{_GOOD}\r\n{_ALSO_GOOD}\r\n".encode(),
        "CR": f"{_GOOD}\r{_ALSO_GOOD}\r".encode(),
        "blank lines": f"\n{_GOOD}\n\n  \n{_ALSO_GOOD}\n\n".encode(),
        "a byte order mark": f"\ufeff{plain}\n".encode(),
        "UTF-16": plain.encode("utf-16"),
        "an array of objects": f"[{_GOOD}, {_ALSO_GOOD}]".encode(),
        "an array over several lines": f"[\n{_GOOD},\n{_ALSO_GOOD}\n]\n".encode(),
        "pretty printed": "\n".join(json.dumps(json.loads(t), indent=2) for t in lines).encode(),
        "without line ends": f"{_GOOD}{_ALSO_GOOD}".encode(),
        "record separators": f"\x1e{_GOOD}\n\x1e{_ALSO_GOOD}\n".encode(),
        "a header": f'["id", "x", "s"]\n{plain}\n'.encode(),
        "invalid UTF-8": _GOOD.encode() + b'\n{"id": 2, "x": 20, "s": "\xe9"}\n',
        "overlong UTF-8": _GOOD.encode() + b'\n{"id": 2, "x": 20, "s": "\xc0\xaf"}\n',
        "a half of a character in UTF-8": _GOOD.encode() + b'\n{"id": 2, "s": "\xed\xa0\x80"}\n',
        "NUL bytes at the end": f"{plain}\n".encode() + bytes(9),
    }
    for name, body in bodies.items():
        partly = name in {"invalid UTF-8", "overlong UTF-8", "a half of a character in UTF-8"}
        truth = Truth(((),), ((rows[0],), ())) if partly else right
        yield Polluted(name, body, truth)
    for end in range(len(_GOOD) + 2, len(plain)):
        truth = Truth(((),), ((rows[0],), ()))
        yield Polluted(f"cut short at {end}", plain[:end].encode(), truth)


def parsed(line: str) -> Mapping[str, object]:
    """Return the object on a line, numbers as their text; {} if Python's parser fails too."""
    try:
        value = json.loads(line, parse_int=_digits, parse_float=_digits, parse_constant=_digits)
    except RecursionError:
        return {}
    assert isinstance(value, dict)
    return value


def _digits(text: str) -> tuple[str]:
    return (text,)  # not equal to the same text as a string


def as_row(value: Mapping[str, object]) -> Row:
    """Return an object as a row that compares equal to another one of the same values."""
    return tuple(sorted(f"{key!r}: {item!r}" for key, item in value.items()))


__all__ = ["as_row", "json_files", "parsed"]
