"""CSV with bad rows: which rows are rejected, for which reason, and when there are too many."""

from tests.torture.case import predicted, refused
from tests.torture.csv_cells import HEADER
from tests.torture.runs import LENIENT, SHOP

_BATCH = 10_000
_REASONS = b"line,reason,row\n"
_ALL = b"id,x,y,prediction\n"


def _batch_of(row: bytes, times: int = _BATCH) -> bytes:
    return row * times


CASES = [
    refused(
        "ragged.csv",
        b"id,x,y\na,1,2\nb,3\nc,5,6,7\n",
        "TooManyRejected",
        "2 of 3 rows are bad",
        "WORKER_MAX_REJECTED=0",
        "line 3: 2 cells where the header has 3",
        "line 4: 4 cells where the header has 3",
    ),
    refused(
        "trailing-comma-in-rows-alone.csv",
        b"id,x,y\na,1,2,\n",
        "TooManyRejected",
        "line 2: 4 cells where the header has 3",
    ),
    refused(
        "missing-for-a-model-that-takes-none.csv",
        b"id,x,y\na,1,2\nb,,4\n",
        "TooManyRejected",
        "line 3: column 'x' is missing, which the model does not take",
    ),
    refused(
        "decimal-commas.csv",
        b"id;x;y\na;1,5;2\n",
        "TooManyRejected",
        "line 2: column 'x' is '1,5', not a number",
    ),
    refused(
        "eleven-bad-rows.csv",
        HEADER + b"a,1\n" * 12,
        "TooManyRejected",
        "12 of 12 rows are bad",
        "line 11: 2 cells",
        "; and 2 more",
    ),
    refused(
        "surprise-in-row-10001.csv",
        HEADER + _batch_of(b"a,1,2\n") + b"b,one,2\n",
        "TooManyRejected",
        "1 of 10001 rows are bad",
        "line 10002: column 'x' is 'one', not a number",
    ),
    refused(
        "more-than-half.csv",
        b"id,x,y\na,1,2\nb,3\nc\n",
        "TooManyRejected",
        "2 of 3 rows are bad",
        "WORKER_MAX_REJECTED=0.5",
        run=LENIENT,
    ),
    predicted(
        "half.csv",
        b"id,x,y\na,1,2\nb,3\nc,5,6,7\nd,7,8\n",
        _ALL + b"a,1,2,21.0\nd,7,8,87.0\n",
        rejects=_REASONS
        + b'3,2 cells where the header has 3,"b,3"\n'
        + b'4,4 cells where the header has 3,"c,5,6,7"\n',
        run=LENIENT,
    ),
    predicted(
        "lines-behind-quoted-newlines.csv",
        b'id,x,y\r\n"a\r\nb\nc\rd",1,2\r\n\r\nb,3\r\n"e\r\nf",,2\r\ng,1,2\r\n',
        _ALL + b'"a\r\nb\nc\rd",1,2,21.0\ng,1,2,21.0\n',
        rejects=_REASONS
        + b'7,2 cells where the header has 3,"b,3"\n'
        + b'8,"column \'x\' is missing, which the model does not take","""e\r\nf"",,2"\n',
        run=LENIENT,
    ),
    predicted(
        "surprises-after-row-10000.csv",
        HEADER + _batch_of(b"a,1,2\n") + b"b,one,2\n" + b"c,3,4\n" + b"d,TRUE,2\n",
        # A model of numbers takes a boolean as 1 or 0, wherever it stands.
        _ALL + _batch_of(b"a,1,2,21.0\n") + b"c,3,4,43.0\nd,TRUE,2,21.0\n",
        rejects=_REASONS + b"10002,\"column 'x' is 'one', not a number\",\"b,one,2\"\n",
        run=LENIENT,
    ),
    predicted(
        "what-no-number-is.csv",
        HEADER
        + "a,1_0,2\nb,0x1,2\nc,1e,2\nd,\u0661,2\ne,\u00a01,2\nf,1\0,2\ng,--1,2\nh,1 0,2\n".encode()
        + b"ok,1,2\n" * 8,
        _ALL + b"ok,1,2,21.0\n" * 8,
        rejects=_REASONS
        + b"2,\"column 'x' is '1_0', not a number\",\"a,1_0,2\"\n"
        + b"3,\"column 'x' is '0x1', not a number\",\"b,0x1,2\"\n"
        + b"4,\"column 'x' is '1e', not a number\",\"c,1e,2\"\n"
        + "5,\"column 'x' is '\u0661', not a number\",\"d,\u0661,2\"\n".encode()
        + "6,\"column 'x' is '\\xa01', not a number\",\"e,\u00a01,2\"\n".encode()
        + b"7,\"column 'x' is '1\\x00', not a number\",\"f,1\0,2\"\n"
        + b"8,\"column 'x' is '--1', not a number\",\"g,--1,2\"\n"
        + b"9,\"column 'x' is '1 0', not a number\",\"h,1 0,2\"\n",
        run=LENIENT,
    ),
    predicted(
        "every-way-to-say-nothing.csv",
        b'id,x,y\na,,2\nb,"",2\nc,NA,2\nd,null,2\ne,NaN,2\n' + b"ok,1,2\n" * 5,
        _ALL + b"ok,1,2,21.0\n" * 5,
        rejects=_REASONS
        + b"".join(
            b'%d,"column \'x\' is missing, which the model does not take","%s"\n' % (line, row)
            for line, row in enumerate(
                [b"a,,2", b'b,"""",2', b"c,NA,2", b"d,null,2", b"e,NaN,2"], start=2
            )
        ),
        run=LENIENT,
    ),
    predicted(
        "line-of-spaces.csv",
        b"id,x,y\na,1,2\n  \n",
        _ALL + b"a,1,2,21.0\n",
        rejects=_REASONS + b"3,1 cells where the header has 3,  \n",
        run=LENIENT,
    ),
    predicted(
        "all-rows-but-one.csv",
        b"id,x,y\na,1\nb,1,2\n",
        _ALL + b"b,1,2,21.0\n",
        rejects=_REASONS + b'2,2 cells where the header has 3,"a,1"\n',
        run=LENIENT,
    ),
    *(
        refused(
            f"stray-quote-{name}.csv",
            b"id,x,y\na,1,2\n" + rows + b"z,3,4\n",
            "TooManyRejected",
            f"{bad} of {total} rows are bad",
            f"line 3: {reason}",
            *([f"line 4: {reason}"] if bad > 1 else []),
        )
        for name, rows, bad, total, reason in [
            ("after-a-backslash", b'1,2,"5\\" pipe"\n', 1, 3, "a backslash stands before a quote"),
            ("doubled-at-the-start", b'1,2,""a"\n', 1, 3, "a quote opens that is never closed"),
            ("in-two-rows", b'1,a,"b\n2,c,"d\n', 2, 4, "a quote opens that is never closed"),
            ("behind-the-cell", b'1,2,"a"b\n', 1, 3, "a quote opens that is never closed"),
            ("around-a-delimiter", b'1,x "a,b" y\n', 1, 3, "a quote stands inside a cell that has"),
            ("behind-a-space", b'1, "2",3\n', 1, 3, "a quote stands inside a cell that has no"),
        ]
    ),
    predicted(
        "rows-that-are-no-data.csv",
        b'id,x,y\na,1,2\n,,\nid,x,y\nb,3,4\n"","",""\nc,5,6\nd,7,8\n"e,1,2\nf,1,2\n',
        _ALL + b"a,1,2,21.0\nb,3,4,43.0\nc,5,6,65.0\nd,7,8,87.0\nf,1,2,21.0\n",
        rejects=_REASONS
        + b'3,all cells are empty,",,"\n'
        + b'4,the header once more,"id,x,y"\n'
        + b'6,all cells are empty,""""","""","""""\n'
        + b"9,\"a quote opens that is never closed, or not at the end of its cell (cell 1, 'id'): "
        + b'double the quotes inside a quoted cell","""e,1,2"\n',
        run=LENIENT,
    ),
    predicted(
        "missing-for-a-model-that-takes-it.csv",
        b"id,colour,size\na,red,1\nb,red,\nc,,1\nd,NA,NaN\n",
        b"id,prediction\na,1.0\nb,11.0\nc,3.0\nd,13.0\n",
        run=SHOP,
    ),
    predicted(
        "strings-never-seen.csv",
        b"id,size,colour\na,1,mauve\nb,1,Red\nc,1, red\nd,1,green\n",
        b"id,prediction\na,3.0\nb,3.0\nc,3.0\nd,2.0\n",
        run=SHOP,
    ),
]
