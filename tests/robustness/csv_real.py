"""Small files in the manner of real ones: open data, spreadsheets, instruments, databases.

Each stands beside the table that a person sees in it. Where only the meaning of a row tells that it
is no record (a total, a row of units), it may be accepted or not.
"""

from collections.abc import Iterator

from tests.robustness.verdict import Polluted, Row, Truth
from worker.interfaces import ScoreOptions

_BOM = "\ufeff"


def _real(
    name: str,
    text: str | bytes,
    table: str,
    *,
    optional: str = "",
    other_headers: str = "",
    ambiguous: str = "",
    **settings: object,
) -> Polluted:
    """Return a file; `table` is what a person sees: rows on lines, cells between `|`."""
    body = text if isinstance(text, bytes) else text.encode()
    header, *rows = _table(table)
    headers = (header, *_table(other_headers))
    truth = Truth(headers, tuple((row,) for row in rows), frozenset(_table(optional)))
    options = ScoreOptions(**settings)  # type: ignore[arg-type] # as ScoreOptions has them
    return Polluted(name, body, truth, ambiguous, options)


def _table(text: str) -> list[Row]:
    lines = text.split("\n") if text else []
    return [tuple(cell.replace("⏎", "\n") for cell in line.split("|")) for line in lines]


def real_files() -> Iterator[Polluted]:
    """Return all files."""
    yield from _TITLES
    yield from _HEADERS
    yield from _ROWS
    yield from _CELLS
    yield from _DIALECTS
    yield from _BYTES
    yield from _WITH_SETTINGS


_SPEND = "Supplier|Date|Amount\nAcme|01/02/2018|100\nBolt|02/02/2018|250"

_TITLES = [
    _real(
        "a title line and a blank line above the header",
        "Spend over £25,000\n\nSupplier,Date,Amount\nAcme,01/02/2018,100\nBolt,02/02/2018,250\n",
        _SPEND,
    ),
    _real(
        "a title line filled up with delimiters",
        "Spend over £25000,,\nSupplier,Date,Amount\nAcme,01/02/2018,100\nBolt,02/02/2018,250\n",
        _SPEND,
    ),
    _real(
        "a title line with as many cells as the table",
        "Created as New Dataset,Sample 022\ncm-1,%T\n4000.00,98.78\n3999.00,98.79\n",
        "cm-1|%T\n4000.00|98.78\n3999.00|98.79",
    ),
    _real(
        "an instrument's settings above the table, two cells a line",
        "Instrument,X100\nOperator,Smith\n\nTime,Volt\n0.1,5.0\n0.2,5.1\n0.3,5.2\n",
        "Time|Volt\n0.1|5.0\n0.2|5.1\n0.3|5.2",
    ),
    _real(
        "comment lines above the header, as of the USGS",
        "# retrieved 2018-01-01\n# by station, and parameter\nsite,flow\n1,2\n3,4\n",
        "site|flow\n1|2\n3|4",
    ),
    _real(
        "the date of the report above the header",
        "2018-01-31,,\nSupplier,Date,Amount\nAcme,01/02/2018,100\nBolt,02/02/2018,250\n",
        _SPEND,
    ),
    _real(
        "the name of the section without delimiters, as of a simulator",
        "$$vehicles\nindex;length\n1;4.0\n2;15.0\n",
        "index|length\n1|4.0\n2|15.0",
    ),
]

_HEADERS = [
    _real(
        "two header rows, groups above names",
        ",2018,,2019,\nRegion,Q1,Q2,Q1,Q2\nNorth,1,2,3,4\nSouth,5,6,7,8\n",
        "Region|Q1|Q2|Q1|Q2\nNorth|1|2|3|4\nSouth|5|6|7|8",
    ),
    _real(
        "a row of units under the header",
        "time,flow\ns,m3/s\n1,2.5\n2,3.5\n",
        "time|flow\n1|2.5\n2|3.5",
        optional="s|m3/s",
        ambiguous="only its meaning tells that a row holds units",
    ),
    _real(
        "no header, numbers and a class, as the iris data of UCI",
        "5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n7.0,3.2,4.7,1.4,Iris-virginica\n",
        "0|1|2|3|4\n5.1|3.5|1.4|0.2|Iris-setosa\n4.9|3.0|1.4|0.2|Iris-setosa\n"
        "7.0|3.2|4.7|1.4|Iris-virginica",
    ),
    _real(
        "no header, text first and a blank after each comma, as the adult data of UCI",
        "39, State-gov, 77516, Male\n50, Self-emp, 83311, Male\n",
        "0|1|2|3\n39| State-gov| 77516| Male\n50| Self-emp| 83311| Male",
    ),
    _real(
        "no header, text first, as weather stations",
        "USW00094728,20180101,TMAX,-50,,,W,0700\nUSW00094728,20180102,TMAX,-40,,,W,0700\n",
        "0|1|2|3|4|5|6|7\nUSW00094728|20180101|TMAX|-50|||W|0700\n"
        "USW00094728|20180102|TMAX|-40|||W|0700",
    ),
    _real(
        "no header, identifiers and dates",
        "a1,2018-01-01,north\na2,2018-01-02,south\na3,2018-01-03,south\n",
        "0|1|2\na1|2018-01-01|north\na2|2018-01-02|south\na3|2018-01-03|south",
    ),
    _real(
        "the index of a pandas frame",
        ",a,b\n0,1.5,x\n1,2.5,y\n",
        "|a|b\n0|1.5|x\n1|2.5|y",
    ),
    _real(
        "the row names of an R frame, with a header that is one shorter",
        '"x","y"\n"1",1.5,"p"\n"2",2.5,"q"\n',
        "|x|y\n1|1.5|p\n2|2.5|q",
    ),
    _real(
        "a name that stands twice",
        "id,value,value\n1,2,3\n4,5,6\n",
        "id|value|value\n1|2|3\n4|5|6",
    ),
    _real(
        "names with blanks around them",
        "id , name\n1,a\n2,b\n",
        "id | name\n1|a\n2|b",
    ),
    _real(
        "names in quotes with line ends",
        'id,"flow\n(m3/s)"\n1,2.5\n2,3.5\n',
        "id|flow⏎(m3/s)\n1|2.5\n2|3.5",
    ),
    _real(
        "years as names",
        "country,2016,2017\nChad,1.5,2.5\nMali,3.5,4.5\n",
        "country|2016|2017\nChad|1.5|2.5\nMali|3.5|4.5",
    ),
]

_ROWS = [
    _real(
        "trailing delimiters on every line",
        "id,name,,\n1,a,,\n2,b,,\n",
        "id|name||\n1|a||\n2|b||",
        optional="1|a\n2|b\n1|a|\n2|b|",
        other_headers="id|name\nid|name|",
        ambiguous="columns without a name and without a value may be there or not",
    ),
    _real(
        "one trailing delimiter on every line",
        "id,name,\n1,a,\n2,b,\n",
        "id|name\n1|a\n2|b",
    ),
    _real(
        "a trailing delimiter on the header alone",
        "id,name,\n1,a\n2,b\n",
        "id|name\n1|a\n2|b",
    ),
    _real(
        "a trailing delimiter on every row, but not on the header",
        "id,name\n1,a,\n2,b,\n",
        "id|name\n1|a\n2|b",
    ),
    _real(
        "a row of totals",
        "region,count\nNorth,1\nSouth,2\nTotal,3\n",
        "region|count\nNorth|1\nSouth|2",
        optional="Total|3",
        ambiguous="only its meaning tells that a row holds totals",
    ),
    _real(
        "footnotes",
        "region,count\nNorth,1\nSouth,2*\n\nSource: the ministry\n* provisional\n",
        "region|count\nNorth|1\nSouth|2*",
    ),
    _real(
        "the count of rows, as of a database's client",
        "id,name\n1,a\n2,b\n\n(2 rows affected)\n",
        "id|name\n1|a\n2|b",
    ),
    _real(
        "a rule under the header, as of a database's client",
        "id,name\n--,----\n1,a\n2,b\n",
        "id|name\n1|a\n2|b",
        optional="--|----",
        ambiguous="only its meaning tells that a row of dashes is a rule",
    ),
    _real(
        "the header again on each page",
        "id,name\n1,a\n2,b\nid,name\n3,c\n4,d\n",
        "id|name\n1|a\n2|b\n3|c\n4|d",
    ),
    _real(
        "two files joined, the second with its byte order mark",
        f"{_BOM}id,name\n1,a\n{_BOM}id,name\n2,b\n",
        "id|name\n1|a\n2|b",
    ),
    _real(
        "two tables, one below the other",
        "id,name,age\n1,a,5\n2,b,6\n\ncity,size\nX,7\nY,8\n",
        "id|name|age\n1|a|5\n2|b|6",
    ),
    _real(
        "rows of empty cells below the table, as a spreadsheet leaves them",
        "id,name,age\n1,a,5\n2,b,6\n,,\n,,\n,,\n",
        "id|name|age\n1|a|5\n2|b|6",
    ),
    _real(
        "a blank line after each line",
        "id,name\r\r\n1,a\r\r\n2,b\r\r\n",
        "id|name\n1|a\n2|b",
    ),
    _real(
        "the end mark of DOS",
        "id,name\r\n1,a\r\n2,b\r\n\x1a",
        "id|name\n1|a\n2|b",
    ),
    _real(
        "a row cut in two by a line end in its text",
        "id,text,age\n1,good,5\n2,two\nlines,6\n3,fine,7\n",
        "id|text|age\n1|good|5\n3|fine|7",
    ),
]

_CELLS = [
    _real(
        "thousands within quotes",
        'region,count\nNorth,"1,234"\nSouth,"5,678"\n',
        "region|count\nNorth|1,234\nSouth|5,678",
    ),
    _real(
        "thousands without quotes",
        "region,count\nNorth,1,234\nSouth,567\n",
        "region|count\nSouth|567",
    ),
    _real(
        "decimal commas between commas",
        "a,b,c\n1,5,2,5,3,5\n1,2,3\n",
        "a|b|c\n1|2|3",
    ),
    _real(
        "inches without quotes",
        'id,part\n1,5" pipe\n2,rod\n',
        'id|part\n1|5" pipe\n2|rod',
    ),
    _real(
        "inches in quotes, written well",
        'id,part\n1,"5"" pipe, long"\n2,rod\n',
        'id|part\n1|5" pipe, long\n2|rod',
    ),
    _real(
        "inches in quotes, written badly",
        'id,part\n1,"5" pipe, long"\n2,rod\n',
        "id|part\n2|rod",
    ),
    _real(
        "a quote in a tweet that is never closed",
        'id,text,likes\n1,"so I said,5\n2,hello,6\n3,fine,7\n',
        "id|text|likes\n2|hello|6\n3|fine|7",
    ),
    _real(
        "a quote in a tweet that the next one closes",
        'id,text,likes\n1,"so I said,5\n2,"well",6\n3,fine,7\n',
        "id|text|likes\n2|well|6\n3|fine|7",
    ),
    _real(
        "two halves of a quote in two rows",
        '1a,b,c\n1,a,"b\n2,c,"d\n3,e,f\n',
        "1a|b|c\n3|e|f",
    ),
    _real(
        "comments of several lines",
        'id,comment\n1,"first\nsecond, and third"\n2,none\n',
        "id|comment\n1|first⏎second, and third\n2|none",
    ),
    _real(
        "formulas that keep zeros, as of a spreadsheet",
        'id,code\n1,="00123"\n2,="00456"\n',
        'id|code\n1|="00123"\n2|="00456"',
    ),
    _real(
        "codes with zeros, and long ones",
        "id,code\n007,00123\n008,12345678901234567890\n",
        "id|code\n007|00123\n008|12345678901234567890",
    ),
    _real(
        "missing values in several words",
        "id,a,b\n1,NA,\\N\n2,null,?\n3,None,-\n",
        "id|a|b\n1|NA|\\N\n2|null|?\n3|None|-",
    ),
    _real(
        "quotes of a word processor",
        "id,text\n1,\u201ca and b\u201d\n2,\u2018c\u2019\n",
        "id|text\n1|\u201ca and b\u201d\n2|\u2018c\u2019",
    ),
    _real(
        "markup with attributes in quotes",
        'id,html\n1,<a href="x">y</a>\n2,<b>z</b>\n',
        'id|html\n1|<a href="x">y</a>\n2|<b>z</b>',
    ),
    _real(
        "JSON in cells without quotes around it",
        'id,json\n1,{"a": 1}\n2,{"a": 2}\n',
        'id|json\n1|{"a": 1}\n2|{"a": 2}',
    ),
    _real(
        "JSON with a comma in cells without quotes around it",
        'id,json\n1,{"a": 1, "b": 2}\n2,{"a": 2}\n',
        'id|json\n2|{"a": 2}',
    ),
    _real(
        "apostrophes as quotes, as of SQL",
        "'id','text'\n'1','a, b'\n'2','c'\n",
        "id|text\n1|a, b\n2|c",
    ),
    _real(
        "each whole line within quotes",
        '"id,name"\n"1,""a, b"""\n"2,c"\n',
        "id|name\n1|a, b\n2|c",
    ),
    _real(
        "a blank after each comma, and quotes after it",
        'id, name\n1, "a, b"\n2, "c"\n',
        "id| name\n2| c",
        optional='2| "c"',
        ambiguous="blanks beside a quote may belong to the cell, as in RFC 4180, or not",
    ),
]

_DIALECTS = [
    _real(
        "sep=; above the header, as of a spreadsheet",
        "sep=;\nid;name\n1;a,b\n2;c\n",
        "id|name\n1|a,b\n2|c",
    ),
    _real(
        "sep=, in quotes above the header",
        '"sep=,"\nid,name\n1,a\n2,b\n',
        "id|name\n1|a\n2|b",
    ),
    _real(
        "semicolons and decimal commas",
        f"{_BOM}id;price\r\n1;2,50\r\n2;3,75\r\n",
        "id|price\n1|2,50\n2|3,75",
    ),
    _real(
        "semicolons, and a header in quotes, as the wine data",
        '"fixed acidity";"pH"\n7.4;3.51\n7.8;3.2\n',
        "fixed acidity|pH\n7.4|3.51\n7.8|3.2",
    ),
    _real(
        "semicolons, and text with many commas",
        "id;text\n1;a, b, c, d\n2;e, f, g\n",
        "id|text\n1|a, b, c, d\n2|e, f, g",
    ),
    _real(
        "tabs, and text with commas and quotes",
        'id\ttext\n1\ta, "b", c\n2\td\n',
        'id|text\n1|a, "b", c\n2|d',
    ),
    _real(
        "bars, also at the beginning and end of each line, as of a console",
        "|id|name|\n|1|a|\n|2|b|\n",
        "id|name\n1|a\n2|b",
        optional="|1|a\n|2|b",
        other_headers="|id|name",
        ambiguous="an empty column may be there or not",
    ),
    _real(
        "bars with blanks and a rule, as of psql",
        " id | name\n----+------\n  1 | a\n  2 | b\n(2 rows)\n",
        "id|name\n1|a\n2|b",
        optional="  1 | a\n  2 | b",
        other_headers=" id | name",
        ambiguous="blanks may belong to the cells or not",
    ),
    _real(
        "two bars",
        "id||name\n1||a\n2||b\n",
        "id|name\n1|a\n2|b",
        optional="1||a\n2||b",
        other_headers="id||name",
        ambiguous="an empty column may be there or not",
    ),
    _real(
        "Hive's own delimiter",
        "id\x01name\n1\x01a\n2\x01b\n",
        "id|name\n1|a\n2|b",
    ),
    _real(
        "columns of a fixed width",
        "id   name\n1    a\n2    b\n",
        "id|name\n1|a\n2|b",
    ),
    _real(
        "line ends of the old Mac",
        "id,name\r1,a\r2,b\r",
        "id|name\n1|a\n2|b",
    ),
    _real(
        "line ends of two kinds",
        "id,name\r\n1,a\n2,b\r\n",
        "id|name\n1|a\n2|b",
    ),
]

_BYTES = [
    _real("a byte order mark", f"{_BOM}id,name\n1,a\n", "id|name\n1|a"),
    _real("UTF-16 with tabs", "id\tname\r\n1\tä\r\n".encode("utf-16"), "id|name\n1|ä"),
    _real("Latin-1", "id,name\n1,Zürich\n".encode("latin-1"), "id|name\n1|Zürich"),
    _real(
        "NUL bytes at the end, as after a crash",
        b"id,name\n1,a\n2,b\n" + bytes(12),
        "id|name\n1|a\n2|b",
    ),
    _real(
        "a web page instead of data",
        "<!DOCTYPE html>\n<html>\n<body>Not, found</body>\n</html>\n",
        "id|name\n1|a",
    ),
]

_WITH_SETTINGS = [
    _real(
        "Latin-1 with its encoding set",
        "id,name\n1,Zürich\n".encode("latin-1"),
        "id|name\n1|Zürich",
        encoding="latin-1",
    ),
    _real(
        "Spark's escapes without the setting",
        'id,text\n1,"say \\"hi\\", then"\n2,fine\n',
        "id|text\n2|fine",
    ),
    _real(
        "Spark's escapes with WORKER_ESCAPE",
        'id,text\n1,"say \\"hi\\", then"\n2,fine\n3,"a\\\\"\n',
        'id|text\n1|say "hi", then\n2|fine\n3|a\\',
        escape="\\",
    ),
    _real(
        "quotes that are text with WORKER_QUOTE=none",
        'id\ttext\n1\t"so I said\n2\t"well" he\n',
        'id|text\n1|"so I said\n2|"well" he',
        quote=None,
        delimiter="\t",
    ),
    _real(
        "apostrophes as quotes with WORKER_QUOTE",
        "'id','text'\n'1','a, b'\n'2','it''s'\n",
        "id|text\n1|a, b\n2|it's",
        quote="'",
    ),
    _real(
        "no header with WORKER_HEADER=absent, as SageMaker's files",
        "5.1,3.5\n4.9,3.0\n",
        "0|1\n5.1|3.5\n4.9|3.0",
        has_header=False,
    ),
]
