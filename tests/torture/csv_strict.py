"""CSV that lenient readers read wrongly without a word: quotes, headers, and rows that are none."""

from tests.torture.case import predicted, refused
from tests.torture.runs import LENIENT, MIRROR, STRICT

_REASONS = b"line,reason,row\n"
_ALL = b"id,x,y,prediction\n"
_WITH_NOTE = b"id,x,y,note,prediction\n"


def _open(cell: int, name: str) -> bytes:
    reason = (
        f"a quote opens that is never closed, or not at the end of its cell (cell {cell}, "
        f"'{name}'): double the quotes inside a quoted cell"
    )
    return f'"{reason}"'.encode()


_QUOTES = [
    predicted(
        "quote-behind-a-backslash.csv",
        b'id,x,y\n"5\\" pipe",1,2\nb,3,4\n',
        _ALL + b"b,3,4,43.0\n",
        rejects=_REASONS
        + b"2,\"a backslash stands before a quote (cell 1, 'id'): Spark writes quotes so, and "
        + b'WORKER_ESCAPE=\\ reads them","""5\\"" pipe"",1,2"\n',
        run=LENIENT,
    ),
    predicted(
        "two-quotes-before-text.csv",
        b'id,x,y\n""a",1,2\nb,3,4\n',
        _ALL + b"b,3,4,43.0\n",
        rejects=_REASONS + b"2," + _open(1, "id") + b',"""""a"",1,2"\n',
        run=LENIENT,
    ),
    predicted(
        "text-behind-a-closing-quote.csv",
        b'id,x,y\n"a" b,1,2\nc,3,4\n',
        _ALL + b"c,3,4,43.0\n",
        rejects=_REASONS + b"2," + _open(1, "id") + b',"""a"" b,1,2"\n',
        run=LENIENT,
    ),
    predicted(
        "two-halves-of-a-quote-in-two-rows.csv",
        b'id,x,y,note\na,1,2,"b\nc,3,4,"d\ne,5,6,f\ng,7,8,h\n',
        _WITH_NOTE + b"e,5,6,f,65.0\ng,7,8,h,87.0\n",
        rejects=_REASONS
        + b"2,"
        + _open(4, "note")
        + b',"a,1,2,""b"\n3,'
        + _open(4, "note")
        + b',"c,3,4,""d"\n',
        run=LENIENT,
    ),
    predicted(
        "quote-that-the-next-row-seems-to-close.csv",
        b'id,x,y,note\na,1,2,"so I said\nb,3,4,"well"\nc,5,6,d\n',
        _WITH_NOTE + b"b,3,4,well,43.0\nc,5,6,d,65.0\n",
        rejects=_REASONS + b"2," + _open(4, "note") + b',"a,1,2,""so I said"\n',
        run=LENIENT,
    ),
    predicted(
        "quote-that-nothing-closes.csv",
        b'id,x,y,note\na,1,2,"b\nc,3,4,d\n',
        _WITH_NOTE + b"c,3,4,d,43.0\n",
        rejects=_REASONS + b"2," + _open(4, "note") + b',"a,1,2,""b"\n',
        run=LENIENT,
    ),
    predicted(
        "quote-inside-an-unquoted-cell-around-a-delimiter.csv",
        b'id,x,y\na "b,1" c,2\nd,3,4\n',
        _ALL + b"d,3,4,43.0\n",
        rejects=_REASONS
        + b"2,\"a quote stands inside a cell that has no quote at its start (cell 1, 'id'), and "
        + b"what follows can be read in two ways: quote the whole cell, or set WORKER_QUOTE=none "
        + b'if quotes are plain text","a ""b,1"" c,2"\n',
        run=LENIENT,
    ),
    predicted(
        "inches-without-quotes.csv",
        b'id,x,y\n5" pipe,1,2\n6",3,4\n',
        _ALL + b'"5"" pipe",1,2,21.0\n"6""",3,4,43.0\n',
        run=LENIENT,
    ),
    predicted(
        "stray-quotes-before-a-quoted-newline.csv",
        b'id,x,y,note\na,1,2,b"c"d"\ne,3,4,"f\ng"\n',
        _WITH_NOTE + b'a,1,2,"b""c""d""",21.0\ne,3,4,"f\ng",43.0\n',
        run=LENIENT,
    ),
]
_ROWS = [
    predicted(
        "blank-rows.csv",
        b'id,x,y\na,1,2\n,,\n"","",""\nb,3,4\n',
        _ALL + b"a,1,2,21.0\nb,3,4,43.0\n",
        rejects=_REASONS + b'3,all cells are empty,",,"\n4,all cells are empty,""""","""","""""\n',
        run=LENIENT,
    ),
    predicted(
        "header-again.csv",
        b"id,x,y\na,1,2\nid,x,y\nb,3,4\n",
        _ALL + b"a,1,2,21.0\nb,3,4,43.0\n",
        rejects=_REASONS + b'3,the header once more,"id,x,y"\n',
        run=LENIENT,
    ),
    predicted(
        "header-again-behind-a-byte-order-mark.csv",
        b"id,x,y\na,1,2\n\xef\xbb\xbfid,x,y\nb,3,4\n",
        _ALL + b"a,1,2,21.0\nb,3,4,43.0\n",
        rejects=_REASONS + b'3,the header once more,"\xef\xbb\xbfid,x,y"\n',
        run=LENIENT,
    ),
    predicted(
        "trailing-delimiter-on-every-line.csv",
        b"id,x,y,\na,1,2,\nb,3,4,\n",
        _ALL + b"a,1,2,21.0\nb,3,4,43.0\n",
        run=LENIENT,
    ),
    predicted(
        "trailing-delimiter-on-the-header-alone.csv",
        b"id,x,y,\na,1,2\nb,3,4\n",
        _ALL + b"a,1,2,21.0\nb,3,4,43.0\n",
        run=LENIENT,
    ),
]
_HEADERS = [
    predicted(
        "sep-line-in-quotes.csv",
        b'"sep=,"\r\nid,x,y\r\na,1,2\r\n',
        b"id,prediction\na,21.0\n",
    ),
    refused(
        "kept-name-stands-twice.csv",
        b"id,x,y,z,z\na,1,2,3,4\n",
        "SchemaMismatch",
        "column names must differ",
        "'z'",
        run=LENIENT,
    ),
    refused(
        "first-line-with-a-time.csv",
        b"a,00:15,x\nb,00:30,y\n",
        "Unparsable",
        "'00:15' stands above '00:30'",
        run=MIRROR,
    ),
    refused(
        "first-line-with-one-number-among-text.csv",
        b"a,x,3\nb,y,4\n",
        "Unparsable",
        "'3' stands above '4'",
        run=MIRROR,
    ),
    refused(
        "names-shown-with-the-delimiter.csv",
        b"id|x|z\na|1|2\n",
        "SchemaMismatch",
        "'y'",
        "'z'",
        "'|'",
        "WORKER_DELIMITER",
        run=STRICT,
    ),
]
CASES = [*_QUOTES, *_ROWS, *_HEADERS]
