"""The file of rejected rows."""

import csv
import io

import pytest

from worker.scoring.rejected_rows import RejectedRowsWriter, other_cells


def test_rejected_rows_are_a_csv_of_line_reason_and_row() -> None:
    writer = RejectedRowsWriter()
    assert writer.write([(7, other_cells("column 'x' is bad", '1,"a\nb"'))]) == (
        b'line,reason,row\n7,column \'x\' is bad,"1,""a\nb"""\n'
    )
    assert writer.write([(2, other_cells("y", "2"))], first_line=7) == b"9,y,2\n"


@pytest.mark.parametrize("row", ["", "a", 'a"b', "a,b", "a\r", "a\nb", "é\U0001f600", '""'])
def test_the_text_of_a_rejected_row_is_read_back_as_it_stands(row: str) -> None:
    text = RejectedRowsWriter().write([(1, other_cells("why", row))]).decode()
    assert list(csv.reader(io.StringIO(text, newline="")))[1:] == [["1", "why", row]]
