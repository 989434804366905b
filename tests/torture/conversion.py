"""Output in another format than the input: text stays verbatim."""

from tests.torture.case import predicted
from tests.torture.runs import AS_CSV

CASES = [
    predicted(
        "json-lines.jsonl",
        b'{"id": "007", "x": 1, "y": 2.0, "note": "a,\\"b\\"", "deep": {"a": [1.50]}}\n'
        b'{"id": 12345678901234567890, "x": 3, "y": 4, "note": null}\n'
        b'{"id": true, "x": 5, "y": 6, "note": ""}\n',
        b"id,x,y,note,deep,prediction\n"
        b'007,1,2.0,"a,""b""","{""a"": [1.50]}",21.0\n'
        b"12345678901234567890,3,4,,,43.0\n"
        b'true,5,6,"",,65.0\n',
        suffix=".csv",
        run=AS_CSV,
    ),
]
