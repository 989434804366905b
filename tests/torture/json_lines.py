"""JSON Lines: values that must stay verbatim, and lines that are not rows."""

from tests.torture.case import predicted, refused
from tests.torture.runs import LENIENT, SHOP

_BOM = b"\xef\xbb\xbf"
_BATCH = 10_000
_REASONS = b"line,reason,row\n"

# JSON text that must leave as the same text if its key is kept.
_VERBATIM = {
    "twenty-digits": b"12345678901234567890",
    "beyond-doubles": b"1E400",
    "trailing-zero": b"1.10",
    "minus-zero": b"-0",
    "leading-zeros": b'"007"',
    "empty-text": b'""',
    "null": b"null",
    "truth": b"true",
    "text-that-says-null": b'"null"',
    "quotes": b'"say \\"a\\""',
    "newline": b'"two\\nlines"',
    "nested": b'{"a": [1, {"b": null}], "c": {}}',
    "list": b'[1.50, [], "a"]',
    "emoji": '"👩\u200d🚀"'.encode(),
    "right-to-left": '"שלום"'.encode(),
    "decomposed": '"e\u0301"'.encode(),
    "line-separator": '"a\u2028b\x85c"'.encode(),
}

# Other ways to write the rows a, 1, 2 and b, 3, 4.
_SAME_ROWS = {
    "plain": b'{"id": "a", "x": 1, "y": 2}\n{"id": "b", "x": 3, "y": 4}\n',
    "no-final-newline": b'{"id":"a","x":1,"y":2}\n{"id":"b","x":3,"y":4}',
    "crlf": b'{"id":"a","x":1,"y":2}\r\n{"id":"b","x":3,"y":4}\r\n',
    "bom": _BOM + b'{"id":"a","x":1,"y":2}\n{"id":"b","x":3,"y":4}\n',
    "blank-lines": b'\n \n{"id":"a","x":1,"y":2}\n\n\t\n{"id":"b","x":3,"y":4}\n\n',
    "keys-in-another-order": b'{"id":"a","x":1,"y":2}\n{"y":4,"x":3,"id":"b"}\n',
    "more-keys": b'{"id":"a","x":1,"y":2,"z":[{}]}\n{"id":"b","x":3,"y":4,"u":null}\n',
    "spaces": b' { "id" : "a" , "x" : 1 , "y" : 2 } \n{"id":"b",  "x":3,\t"y":4}\n',
    "escaped-keys": b'{"\\u0069d":"a","\\u0078":1,"y":2}\n{"id":"b","x":3,"y":4}\n',
    "numbers-as-strings": b'{"id":"a","x":"1","y":"2.0"}\n{"id":"b","x":"3e0","y":4}\n',
    "numbers-in-other-spellings": b'{"id":"a","x":1.0,"y":0.2e1}\n{"id":"b","x":3E0,"y":4.00}\n',
}

_ANSWERS = b'{"id": "a", "prediction": 21.0}\n{"id": "b", "prediction": 43.0}\n'


def _twice(*lines: bytes) -> bytes:
    return b"".join(line + b"\n" for line in lines)


CASES = [
    *(
        predicted(
            f"verbatim-{name}.jsonl",
            b'{"id": ' + value + b', "x": 1, "y": 2}\n',
            b'{"id": ' + value + b', "prediction": 21.0}\n',
        )
        for name, value in _VERBATIM.items()
    ),
    *(predicted(f"{name}.jsonl", body, _ANSWERS) for name, body in _SAME_ROWS.items()),
    predicted(
        "absent-keys-and-nulls-apart.jsonl",
        b'{"id": "a", "x": 1, "y": 2, "note": null}\n{"id": "b", "x": 1, "y": 2}\n',
        b'{"id": "a", "x": 1, "y": 2, "note": null, "prediction": 21.0}\n'
        b'{"id": "b", "x": 1, "y": 2, "prediction": 21.0}\n',
        run=LENIENT,
    ),
    predicted(
        "numbers-beside-nothing.jsonl",
        b'{"id":1,"colour":"red","size":1}\n{"id":2,"colour":null,"size":null}\n{"id":3}\n',
        b'{"id": 1, "prediction": 1.0}\n{"id": 2, "prediction": 13.0}\n'
        b'{"id": 3, "prediction": 13.0}\n',
        run=SHOP,
    ),
    refused("empty.jsonl", b"", "Unparsable", "the file is empty"),
    refused(
        "array.jsonl",
        b'[{"id":"a","x":1,"y":2},\n{"id":"b","x":3,"y":4}]\n',
        "Unparsable",
        "a JSON array: write one object a line",
    ),
    refused(
        "object-over-lines.jsonl",
        b'{\n  "id": "a",\n  "x": 1,\n  "y": 2\n}\n',
        "Unparsable",
        "no line is a JSON object",
        "line 1",
    ),
    refused(
        "broken-line-in-the-middle.jsonl",
        b'{"id":"a","x":1,"y":2}\n\n{"id":"b","x":3,\n{"id":"c","x":5,"y":6}\n',
        "TooManyRejected",
        "1 of 3 rows are bad",
        "line 3: not JSON",
        "column 17",
    ),
    refused(
        "cut-off.jsonl",
        b'{"id":"a","x":1,"y":2}\n{"id":"b","x":3,"y',
        "TooManyRejected",
        "line 2: not JSON",
    ),
    refused(
        "missing-key.jsonl",
        b'{"id":"a","x":1}\n{"id":"b","x":3}\n',
        "SchemaMismatch",
        "1 of the 2 model's columns are not in the file: 'y'",
    ),
    refused(
        "key-missing-once.jsonl",
        b'{"id":"a","x":1,"y":2}\n{"id":"b","x":3}\n',
        "TooManyRejected",
        "line 2: column 'y' is missing",
    ),
    refused(
        "text-where-numbers-go.jsonl",
        b'{"id":"a","x":"one","y":2}\n',
        "TooManyRejected",
        "line 1: column 'x' is \"one\", not a number",
    ),
    refused(
        "line-beyond-16-mib.jsonl",
        b'{"id":"a","x":1,"y":2}\n{"id":"' + b"b" * (16 * 2**20) + b'","x":3,"y":4}\n',
        "Unparsable",
        "line 2 is longer than 16 MiB",
    ),
    predicted(
        "every-way-to-be-no-row.jsonl",
        b'{"id":"ok","x":1,"y":2}\n'
        b'{"id":"a","id":"b","x":1,"y":2}\n'
        b'["c",1,2]\n'
        b'{"id":"d","x":1,"y":2}{"id":"e"}\n'
        b'{"id":"f","x":{"value":1},"y":2}\n'
        b'{"id":"g","x":true,"y":2}\n'
        b'{"id":"\\ud800","x":1,"y":2}\n' + b'{"id":"ok","x":1,"y":2}\n' * 6,
        b'{"id": "ok", "x": 1, "y": 2, "prediction": 21.0}\n'
        # A model of numbers takes a boolean as 1 or 0.
        b'{"id": "g", "x": true, "y": 2, "prediction": 21.0}\n'
        + b'{"id": "ok", "x": 1, "y": 2, "prediction": 21.0}\n'
        * 6,
        rejects=_REASONS
        + b"2,the key 'id' stands more than once,"
        + b'"{""id"":""a"",""id"":""b"",""x"":1,""y"":2}"\n'
        + b'3,not a JSON object,"[""c"",1,2]"\n'
        + b"4,not JSON: Extra data at column 23,"
        + b'"{""id"":""d"",""x"":1,""y"":2}{""id"":""e""}"\n'
        + b'5,"column \'x\' is {""value"": 1}, not a number",'
        + b'"{""id"":""f"",""x"":{""value"":1},""y"":2}"\n'
        + b'7,"an escape (\\ud800, say) stands for half a character",'
        + b'"{""id"":""\\ud800"",""x"":1,""y"":2}"\n',
        run=LENIENT,
    ),
    predicted(
        "surprise-after-row-10000.jsonl",
        b'{"id":"a","x":1,"y":2}\n' * _BATCH
        + b'{"id":"b","x":null,"y":2}\n'
        + b'{"id":"c","x":1,"y":2,"late":1}\n'
        + b'{"id":"d","x":3,"y":4}\n',
        b'{"id": "a", "x": 1, "y": 2, "prediction": 21.0}\n' * _BATCH
        + b'{"id": "d", "x": 3, "y": 4, "prediction": 43.0}\n',
        rejects=_REASONS
        + b"10001,\"column 'x' is missing, which the model does not take\","
        + b'"{""id"":""b"",""x"":null,""y"":2}"\n'
        + b"10002,\"the key 'late' comes up after the first 10,000 rows, whose keys are the "
        + b'columns: WORKER_KEEP_COLUMNS=* cannot keep it",'
        + b'"{""id"":""c"",""x"":1,""y"":2,""late"":1}"\n',
        run=LENIENT,
    ),
]
