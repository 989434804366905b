"""Text in other encodings, with and without the setting WORKER_ENCODING."""

from tests.torture.case import predicted, refused
from tests.torture.gzip_files import gzipped
from tests.torture.runs import LATIN, LENIENT, UTF_16

_FRENCH = "prénom,x,y\nZoë,1,2\n"
_TABBED = "prénom\tx\ty\nZoë 🚀,\t1\t2\n"
_TABBED_ANSWERS = "prénom\tprediction\nZoë 🚀,\t21.0\n"
_HIGH = bytes(range(0x80, 0x100))
_MANY = "Zoë\t1\t2\n" * 20_000

CASES = [
    refused(
        "latin-1-not-said.csv",
        _FRENCH.encode("latin-1"),
        "Unparsable",
        "byte 2 (0xe9) is not utf-8",
        "set WORKER_ENCODING",
    ),
    refused(
        "latin-1-far-in.csv",
        b"id,x,y\n" + b"a,1,2\n" * 20_000 + b"\xe9,1,2\n",
        "Unparsable",
        "byte 120007 (0xe9) is not utf-8",
        run=LENIENT,
    ),
    refused(
        "latin-1-not-said.jsonl",
        '{"id":"Zoë","x":1,"y":2}\n'.encode("latin-1"),
        "Unparsable",
        "byte 9 (0xeb) is not utf-8",
    ),
    refused(
        "latin-1-not-said.csv.gz",
        gzipped(_FRENCH.encode("latin-1")),
        "Unparsable",
        "byte 2 (0xe9) is not utf-8",
    ),
    refused(
        "character-cut-off.csv",
        "id,x,y\nZo\u00eb".encode()[:-1],
        "Unparsable",
        "byte 9 (0xc3) is not utf-8",
    ),
    refused(
        "utf-16-not-said.csv",
        _FRENCH.encode("utf-16"),
        "Unparsable",
        "byte 0 (0xff) is not utf-8 (it looks like utf-16)",
        "set WORKER_ENCODING",
    ),
    refused(
        "utf-16-not-said-no-bom.csv",
        "id,x,y\na,1,2\n".encode("utf-16-le"),
        "Unparsable",
        "NUL bytes",
        "set WORKER_ENCODING (utf-16, say)",
    ),
    predicted(
        "latin-1.csv",
        _FRENCH.encode("latin-1"),
        "prénom,prediction\nZoë,21.0\n".encode("latin-1"),
        run=LATIN,
    ),
    predicted(
        "latin-1.csv.gz",
        gzipped(_FRENCH.encode("latin-1")),
        gzipped("prénom,prediction\nZoë,21.0\n".encode("latin-1")),
        run=LATIN,
    ),
    predicted(
        "latin-1-every-byte-above-127.csv",
        b"id,x,y\n" + _HIGH + b",1,2\n",
        b"id,prediction\n" + _HIGH + b",21.0\n",
        run=LATIN,
    ),
    predicted("utf-16.csv", _TABBED.encode("utf-16"), _TABBED_ANSWERS.encode("utf-16"), run=UTF_16),
    predicted(
        "utf-16-big-endian.csv",
        b"\xfe\xff" + _TABBED.encode("utf-16-be"),
        _TABBED_ANSWERS.encode("utf-16"),
        run=UTF_16,
    ),
    predicted(
        "utf-16-many-rows.csv",
        ("id\tx\ty\n" + _MANY).encode("utf-16"),
        ("id\tprediction\n" + _MANY.replace("1\t2", "21.0")).encode("utf-16"),
        run=UTF_16,
    ),
    refused(
        "utf-16-without-bom.csv",
        _TABBED.encode("utf-16-le"),
        "Unparsable",
        "the text is not utf-16 (WORKER_ENCODING)",
        run=UTF_16,
    ),
    refused(
        "utf-16-cut-off.csv",
        "id\tx\ty\na\t1\t2\n".encode("utf-16")[:-1],
        "Unparsable",
        "byte 26 (0x0a) is not utf-16",
        run=UTF_16,
    ),
    refused(
        "utf-8-where-utf-16-is-said.csv",
        b"id\tx\ty\na\t1\t2\n",
        "Unparsable",
        "the text is not utf-16 (WORKER_ENCODING)",
        run=UTF_16,
    ),
]
