"""CSV files that fail as a whole, each with words that its report must contain."""

from tests.torture.case import refused
from tests.torture.csv_cells import BOM, HEADER
from tests.torture.runs import BY_PLACE, STRICT

_BATCH = 10_000
_NOT_CLOSED = "a quote opens that is never closed"

CASES = [
    refused("empty.csv", b"", "Unparsable", "the file is empty"),
    refused("whitespace-only.csv", b" \n\t\r\n  \n\n", "Unparsable", "the file is empty"),
    refused("bom-only.csv", BOM, "Unparsable", "the file is empty"),
    refused(
        "quote-open-at-the-end.csv",
        b'id,x,y\na,1,2\n"b\n\n,3,4\nc,5,6\n',
        "TooManyRejected",
        f"line 3: {_NOT_CLOSED}",
    ),
    refused(
        "quote-open-in-the-last-cell.csv",
        b'id,x,y\na,1,"2',
        "TooManyRejected",
        f"line 2: {_NOT_CLOSED}",
    ),
    refused(
        "quote-open-after-batches.csv",
        HEADER + b'"a\nb",1,2\n' * _BATCH + b'"c,1,2\nd,1,2\n',
        "TooManyRejected",
        "1 of 10002 rows are bad",
        f"line 20002: {_NOT_CLOSED}",
    ),
    refused(
        "quote-open-in-the-header.csv",
        b'id,"x,y\na,1,2\n',
        "Unparsable",
        "a quote in the header is never closed",
    ),
    refused(
        "row-beyond-16-mib.csv",
        HEADER + b"a,1,2\n" + b"b" * (20 * 2**20) + b",1,2\n",
        "Unparsable",
        "line 3: the row is longer than 16 MiB",
    ),
    refused("nul-bytes-in-the-header.csv", b"id,x\0,y\na,1,2\n", "Unparsable", "NUL bytes"),
    refused(
        "without-a-header.csv",
        b"1,5.1,3.5\n2,4.9,3.0\n",
        "Unparsable",
        "(1, 5.1, 3.5) looks like data, not like a header",
        run=BY_PLACE,
    ),
    refused(
        "without-a-header-text-first.csv",
        b"a,5.1,3.5\nb,4.9,3.0\n",
        "Unparsable",
        "looks like data, not like a header",
        run=BY_PLACE,
    ),
    refused(
        "without-a-header-a-value-missing.csv",
        b"1,5.1,\n2,4.9,3.0\n",
        "Unparsable",
        "looks like data, not like a header",
        run=BY_PLACE,
    ),
    refused(
        "without-a-header-a-value-not-available.csv",
        b"a,NA,3.5\nb,4.9,3.0\n",
        "Unparsable",
        "looks like data, not like a header",
        run=BY_PLACE,
    ),
    refused(
        "duplicate-columns.csv",
        b"id,x,y,x\na,1,2,3\n",
        "SchemaMismatch",
        "column names must differ",
        "'x'",
    ),
    refused(
        "a-column-without-a-name.csv",
        b"id,x,,y\na,1,hm,2\n",
        "Unparsable",
        "line 1 (id, x, , y) has no name for column 3",
        "WORKER_HEADER=absent",
    ),
    refused(
        "title-before-the-header.csv",
        b"Sales of May\nid,x,y\na,1,2\n",
        "SchemaMismatch",
        "the first line (Sales of May) is probably a title",
        "remove the lines before line 2",
    ),
    refused(
        "title-with-delimiters-before-the-header.csv",
        b"Sales of May,,\n,,\nid,x,y\na,1,2\n",
        "Unparsable",
        "line 1 (Sales of May, , ) has no name for column 2",
    ),
    refused(
        "title-before-the-header-by-place.csv",
        b"Sales of May\nid,x,y\na,1,2\n",
        "SchemaMismatch",
        "the first line (Sales of May) is probably a title",
        "remove the lines before line 2",
        run=BY_PLACE,
    ),
    refused(
        "without-a-header-a-date-in-it.csv",
        b"red,28/01/2018,x\nblue,29/01/2018,y\n",
        "Unparsable",
        "line 1 (red, 28/01/2018, x) looks like data, not like a header",
        "WORKER_HEADER=absent",
        run=BY_PLACE,
    ),
    refused(
        "quote-open-in-the-header-and-closed-below.csv",
        b'id,"x,y\na,1,"2"\n',
        "Unparsable",
        "line 1: a quote in the header is never closed, or not at the end of its name",
    ),
    refused(
        "missing-column.csv",
        b"id,x\na,1\n",
        "SchemaMismatch",
        "1 of the 2 model's columns are not in the file",
        "'y'",
    ),
    refused(
        "missing-both.csv",
        b"id\na\n",
        "SchemaMismatch",
        "2 of the 2 model's columns are not in the file",
        "'x', 'y'",
    ),
    refused(
        "name-with-a-space.csv",
        b"id, x,y\na,1,2\n",
        "SchemaMismatch",
        "'x' (nearest: ' x')",
    ),
    refused(
        "name-in-capitals.csv",
        b"id,X,Y\na,1,2\n",
        "SchemaMismatch",
        "'x' (nearest: 'X')",
        "'y' (nearest: 'Y')",
    ),
    refused(
        "by-place-a-column-too-many.csv",
        b"id,x,y,z\na,1,2,3\n",
        "SchemaMismatch",
        "the model takes 2 columns by position, and the file has 3 after the first",
        run=BY_PLACE,
    ),
    refused(
        "by-place-a-column-too-few.csv",
        b"id,x\na,1\n",
        "SchemaMismatch",
        "the model takes 2 columns by position, and the file has 1 after the first: 'x'",
        run=BY_PLACE,
    ),
    refused(
        "kept-column-named-prediction.csv",
        b"prediction,x,y\na,1,2\n",
        "SchemaMismatch",
        "'prediction' is both a kept column and a prediction column",
    ),
    refused(
        "header-of-the-wrong-table.csv",
        b"<html>\n<body>Not found</body>\n",
        "SchemaMismatch",
        "'x', 'y'",
        run=STRICT,
    ),
]
