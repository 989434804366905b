"""CSV without bad rows: cells, line ends and delimiters that are easy to get wrong."""

from tests.torture.case import predicted
from tests.torture.runs import LENIENT

BOM = b"\xef\xbb\xbf"
HEADER = b"id,x,y\n"
ANSWERS = b"id,prediction\n"
MANY = 25_001  # rows: two whole batches and a row

# Cells that must leave as the same bytes if their column is kept.
_VERBATIM = {
    "leading-zeros": b"007",
    "twenty-digits": b"12345678901234567890",
    "na": b"NA",
    "null": b"null",
    "exponent": b"1e5",
    "trailing-zero": b"1.10",
    "spaces-around": b"  a  ",
    "tab-inside": b"a\tb",
    "nothing": b"",
    "quoted-nothing": b'""',
    "quoted-comma": b'"a,b"',
    "quoted-quotes": b'"say ""a"""',
    "quoted-newline": b'"two\nlines"',
    "quoted-crlf": b'"two\r\nlines"',
    "quoted-cr": b'"two\rlines"',
    "truth": b"True",
    "date": b"2024-02-30",
    "nul-byte": b"a\0b",
    "escape-byte": b"a\x1bb",
    "formula": b"=1+1",
    "backslash": b"a\\",
    "composed": "é".encode(),
    "decomposed": "e\u0301".encode(),
    "emoji": "👩\u200d🚀".encode(),
    "right-to-left": "שלום \u202eabc".encode(),
    "line-separator": "a\u2028b\x85c\x0bd\x0ce".encode(),
    "bom-inside": "a\ufeff".encode(),
    "mebibyte": b"a" * 2**20,
}

# Other ways to write the rows a,1,2 and b,3,4.
_SAME_ROWS = {
    "plain": b"id,x,y\na,1,2\nb,3,4\n",
    "no-final-newline": b"id,x,y\na,1,2\nb,3,4",
    "crlf": b"id,x,y\r\na,1,2\r\nb,3,4\r\n",
    "crlf-no-final-newline": b"id,x,y\r\na,1,2\r\nb,3,4",
    "lone-cr": b"id,x,y\ra,1,2\rb,3,4\r",
    "mixed-line-ends": b"id,x,y\r\na,1,2\rb,3,4\n",
    "bom": BOM + b"id,x,y\na,1,2\nb,3,4\n",
    "bom-crlf": BOM + b"id,x,y\r\na,1,2\r\nb,3,4\r\n",
    "bom-before-quotes": BOM + b'"id","x","y"\n"a","1","2"\n"b","3","4"\n',
    "blank-lines": b"\n\nid,x,y\n\na,1,2\n\r\n\nb,3,4\n\n",
    "all-quoted": b'"id","x","y"\n"a","1","2"\n"b","3","4"\n',
    "columns-shuffled-after-the-first": b"id,y,x\na,2,1\nb,4,3\n",
    "extra-columns": b"id,note,x,more,y\na,hm,1,,2\nb,,3,hm,4\n",
    "extra-column-of-rubbish": b'id,note,x,y\na,"1,,;|",1,2\nb,\0\x01,3,4\n',
    "trailing-comma-everywhere": b"id,x,y,\na,1,2,\nb,3,4,\n",
    "trailing-comma-in-the-header-alone": b"id,x,y,\na,1,2\nb,3,4\n",
    "trailing-commas-everywhere": b"id,x,y,,\na,1,2,,\nb,3,4,,\n",
    "a-name-twice-that-nobody-reads": b"id,n,x,n,y\na,,1,,2\nb,5,3,6,4\n",
    "other-spellings-of-numbers": b"id,x,y\na, 1 ,+2\nb,.3e1,4.\n",
    "numbers-of-many-digits": b"id,x,y\na,1.0000000000000000,2\nb,3,400000000000000000e-17\n",
}

_DELIMITERS = {"comma": b",", "semicolon": b";", "tab": b"\t", "bar": b"|"}


def _with_delimiter(template: bytes, delimiter: bytes) -> bytes:
    return template.replace(b"~", delimiter)


CASES = [
    *(
        predicted(
            f"verbatim-{name}.csv",
            b"id,x,y,note\na,1,2," + cell + b"\n",
            b"id,x,y,note,prediction\na,1,2," + cell + b",21.0\n",
            run=LENIENT,
        )
        for name, cell in _VERBATIM.items()
    ),
    *(
        predicted(f"{name}.csv", body, ANSWERS + b"a,21.0\nb,43.0\n")
        for name, body in _SAME_ROWS.items()
    ),
    *(
        predicted(
            f"delimiter-{name}.csv",
            _with_delimiter(b'id~x~y\n"a~b"~1~2\n,;|~1~2\n'.replace(delimiter, b""), delimiter),
            _with_delimiter(
                b'id~prediction\n"a~b"~21.0\n,;|~21.0\n'.replace(delimiter, b""), delimiter
            ),
        )
        for name, delimiter in _DELIMITERS.items()
    ),
    predicted(
        "delimiters-in-quoted-names.csv",
        b'"a;b;c;d",x,y\n1,1,2\n',
        b"a;b;c;d,prediction\n1,21.0\n",
    ),
    predicted("needless-quotes.csv", b'id,x,y\n"a","1","2"\n', ANSWERS + b"a,21.0\n"),
    predicted("quote-inside-a-cell.csv", b'id,x,y\n5" disk,1,2\n', ANSWERS + b'"5"" disk",21.0\n'),
    predicted("sep-line.csv", b"sep=;\r\nid;x;y\r\na,b;1;2\r\n", b"id;prediction\na,b;21.0\n"),
    predicted("first-column-without-a-name.csv", b",x,y\n0,1,2\n", b",prediction\n0,21.0\n"),
    predicted("feature-first.csv", b"x,y\n1,2\n007,4\n", b"x,prediction\n1,21.0\n007,47.0\n"),
    predicted(
        "names-in-any-script.csv",
        "名前 👩\u200d🚀,x,y,שם\na,1,2,\n".encode(),
        "名前 👩\u200d🚀,prediction\na,21.0\n".encode(),
    ),
    predicted(
        "same-names-composed-and-decomposed.csv",
        "\u00e9,e\u0301,x,y\na,b,1,2\n".encode(),
        "\u00e9,e\u0301,x,y,prediction\na,b,1,2,21.0\n".encode(),
        run=LENIENT,
    ),
    predicted(
        "many-rows.csv",
        HEADER + b"".join(b"%06d,%d,1\n" % (row, row) for row in range(MANY)),
        ANSWERS + b"".join(b"%06d,%d.0\n" % (row, row + 10) for row in range(MANY)),
    ),
    predicted(
        "quoted-newlines-across-batches.csv",
        HEADER + b"".join(b'"%d\n\n",%d,1\n' % (row, row) for row in range(MANY)),
        ANSWERS + b"".join(b'"%d\n\n",%d.0\n' % (row, row + 10) for row in range(MANY)),
    ),
    predicted(
        "thousand-columns.csv",
        b"id,"
        + b",".join(b"c%d" % n for n in range(1000))
        + b",x,y\n"
        + b"a"
        + b"," * 1001
        + b"1,2\n",
        ANSWERS + b"a,21.0\n",
    ),
    predicted("header-only.csv", HEADER, ANSWERS),
    predicted("header-only-no-newline.csv", b"id,x,y", ANSWERS),
    predicted("header-only-bom-crlf.csv", BOM + b"id,x,y\r\n", ANSWERS),
    predicted("header-and-blank-lines.csv", b"id,x,y\n\n\r\n\n", ANSWERS),
    predicted("header-only-all-columns.csv", HEADER, b"id,x,y,prediction\n", run=LENIENT),
]
