"""CSV in another dialect than the usual one; the output is written in the same."""

from tests.torture.case import predicted, refused
from tests.torture.runs import HEADERLESS, SPARK, UNQUOTED

CASES = [
    predicted(
        "spark.csv",
        b'id,x,y\n"5\\" pipe",1,2\n"a, \\"b\\" \\\\",3,4\nC:\\dir,5,6\n',
        b'id,x,y,prediction\n"5\\" pipe",1,2,21.0\n"a, \\"b\\" \\\\",3,4,43.0\n'
        b'"C:\\\\dir",5,6,65.0\n',
        run=SPARK,
    ),
    refused(
        "spark-with-doubled-quotes.csv",
        b'id,x,y\n"5"" pipe",1,2\n',
        "TooManyRejected",
        "line 2: a quote opens that is never closed, or not at the end of its cell (cell 1, 'id')",
        run=SPARK,
    ),
    predicted(
        "unquoted.tsv",
        b'id\tx\ty\n"a\t1\t2\nb"c "d"\t3\t4\n',
        b'id\tx\ty\tprediction\n"a\t1\t2\t21.0\nb"c "d"\t3\t4\t43.0\n',
        run=UNQUOTED,
    ),
    predicted("headerless.csv", b"a,1,2\nb,3,4\n", b"a,21.0\nb,43.0\n", run=HEADERLESS),
    refused(
        "headerless-a-column-too-few.csv",
        b"1,2\n3,4\n",
        "SchemaMismatch",
        "the model takes 2 columns by position, and the file has 1 after the first: '1'",
        run=HEADERLESS,
    ),
]
