"""One character too many or too few in a row of a CSV spoils that row, and never its neighbours."""

import csv
import io
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from tests.robustness.readers import TakesText
from tests.support.strategies import examples
from tests.support.whole_file import score
from worker.interfaces import ScoreOptions

Row = tuple[str, ...]

HEADER = ("id", "name", "text", "number")
CELLS = st.sampled_from(
    ["", "x", "a b", "a,b", 'say "hi"', '5" pipe', "it's", ";", "1.5", "Ü", "two\nlines"]
)
# The quote that opens such a cell could as well end another one. With a line end in place of the
# delimiter, nobody could tell which.
BEGIN_WITH_A_DELIMITER = st.sampled_from([",", ",b", ',"'])
TOO_MANY = st.sampled_from(['"', '""', "'", "\\", '\\"', ",", ";", " ", '",', ',"'])
OPTIONS = ScoreOptions(keep_columns=("*",), max_rejected=1.0, delimiter=",")


def written(cells: Row, *, all_quoted: bool) -> str:
    text = io.StringIO(newline="")
    quoting: Literal[0, 1] = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator="\n", quoting=quoting).writerow(cells)
    return text.getvalue().removesuffix("\n")


@st.composite
def edited_files(
    draw: st.DrawFn, cells: st.SearchStrategy[str] = CELLS
) -> tuple[bytes, list[Row], int]:
    """Return a file, its true rows, and the number of the row with one edit."""
    table = draw(st.lists(st.tuples(cells, cells, cells), min_size=3, max_size=12))
    rows: list[Row] = [(f"k-{chr(97 + number)}", *row) for number, row in enumerate(table)]
    all_quoted = draw(st.booleans())
    edited = draw(st.integers(0, len(rows) - 1))
    # A row of two lines that is spoilt may leave a line that looks like a row.
    rows[edited] = tuple(cell.replace("\n", " ") for cell in rows[edited])
    lines = [written(row, all_quoted=all_quoted) for row in rows]
    place = draw(st.integers(0, len(lines[edited])))
    before, after = lines[edited][:place], lines[edited][place:]
    lines[edited] = before + draw(TOO_MANY) + after if draw(st.booleans()) else before + after[1:]
    header = written(HEADER, all_quoted=all_quoted)
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return end.join([header, *lines, ""]).encode(), rows, edited


def read(body: bytes) -> tuple[list[Row], str]:
    """Return the accepted rows, and the text of the rejected ones."""
    scored = score(body, TakesText(), OPTIONS)
    rows = list(csv.reader(io.StringIO(scored.output.decode(), newline="")))
    assert tuple(rows[0][:-1]) == HEADER
    rejects = csv.DictReader(io.StringIO((scored.rejects or b"").decode(), newline=""))
    return [tuple(row[:-1]) for row in rows[1:]], "\n".join(row["row"] for row in rejects)


@examples(2)
@given(edited_files())
def test_one_wrong_character_spoils_no_other_row(file: tuple[bytes, list[Row], int]) -> None:
    body, rows, edited = file
    others = [row for number, row in enumerate(rows) if number != edited]

    accepted, _ = read(body)

    assert [row for row in accepted if row in others] == others
    assert len(accepted) <= len(rows)


@examples(2)
@given(edited_files(CELLS | BEGIN_WITH_A_DELIMITER))
def test_a_row_that_one_wrong_character_spoils_is_rejected_with_its_text(
    file: tuple[bytes, list[Row], int],
) -> None:
    body, rows, edited = file
    others = [row for number, row in enumerate(rows) if number != edited]

    accepted, rejected = read(body)

    assert len([row for row in accepted if row not in others]) <= 1
    lost = [row for row in others if row not in accepted]
    assert [row[0] for row in lost if row[0] not in rejected] == []
