"""One character too many or too few in a row spoils that row, and never its neighbours."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from tests.robustness.readers import product
from tests.robustness.verdict import Loaded, Polluted, Row, Truth
from tests.support.strategies import examples

HEADER = ("id", "name", "text", "number")
CELLS = st.sampled_from(
    ["", "x", "a b", "a,b", 'say "hi"', '5" pipe', "it's", ";", "1.5", "Ü", ",", "two\nlines", "\n"]
)
TABLES = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=3, max_size=12)
TOO_MANY = st.sampled_from(['"', '""', "'", "\\", '\\"', ",", ";", " ", '",', ',"'])


def written(cells: Row, *, all_quoted: bool) -> str:
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator="\n", quoting=quoting).writerow(cells)
    return text.getvalue().removesuffix("\n")


@st.composite
def edited_files(draw: st.DrawFn) -> tuple[bytes, list[Row], int]:
    """Return a file, its true rows, and the number of the row with one edit."""
    rows = [(f"k{number}", *cells) for number, cells in enumerate(draw(TABLES))]
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


@examples(2)
@given(edited_files())
def test_one_wrong_character_spoils_no_other_row(file: tuple[bytes, list[Row], int]) -> None:
    body, rows, edited = file
    others = [row for number, row in enumerate(rows) if number != edited]
    loaded = read(body)
    accepted = list(loaded.rows)

    assert loaded.header == HEADER
    assert [row for row in accepted if row in others] == others
    assert len(accepted) + loaded.rejected == len(rows)


def read(body: bytes) -> Loaded:
    return product(Polluted("edited", body, Truth.of(HEADER, [])))
