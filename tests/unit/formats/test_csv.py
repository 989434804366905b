import csv
import io
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import examples
from worker.errors import PredictionFailed, SchemaMismatch, Unparsable
from worker.formats.base import RejectedRow
from worker.formats.csv.reader import BLOCK_BYTES, CsvReader
from worker.formats.csv.writer import CsvWriter
from worker.formats.memory import InputMemory
from worker.formats.text import to_utf8
from worker.interfaces import ScoreOptions

MIB = 2**20


def never_asked(size: int) -> None:
    pytest.fail(f"{size} bytes were asked for")


NEVER_ASKS = InputMemory(never_asked, ScoreOptions(reserved_bytes=16 * MIB)).hold


def streamed(
    text: Iterator[bytes],
    delimiter: str | None = None,
    encoding: str = "utf-8",
    *,
    hold: Callable[[int], None] = NEVER_ASKS,
    may_reject: bool = True,
    block_bytes: int = BLOCK_BYTES,
    quote: str | None = '"',
    escape: str | None = None,
    has_header: bool = True,
) -> CsvReader:
    return CsvReader.open(
        text,
        delimiter=delimiter,
        encoding=encoding,
        hold=hold,
        may_reject=may_reject,
        block_bytes=block_bytes,
        quote=quote,
        escape=escape,
        has_header=has_header,
    )


def reader_of(body: bytes, delimiter: str | None = None, encoding: str = "utf-8") -> CsvReader:
    return streamed(to_utf8(iter([body]), encoding), delimiter, encoding)


def read(body: bytes, delimiter: str | None = None) -> list[list[str | None]]:
    reader = reader_of(body, delimiter)
    table = pa.concat_tables(reader.batches(reader.names, 1000))
    return [list(row.values()) for row in table.to_pylist()]


def write(*tables: pa.Table, delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    writer = CsvWriter(delimiter=delimiter, encoding=encoding)
    return b"".join([*map(writer.write, tables), writer.finish()])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_sniffed_from_the_header(delimiter: str) -> None:
    assert reader_of(delimiter.join("abc").encode()).names == ("a", "b", "c")


def test_a_delimiter_in_a_quoted_name_is_not_counted() -> None:
    reader = reader_of(b'"a,b,c,d";e\n')
    assert (reader.names, reader.delimiter) == (("a,b,c,d", "e"), ";")


def test_between_candidates_as_frequent_the_one_that_is_rarer_in_names_is_taken() -> None:
    assert reader_of(b"name, first\tage\n").names == ("name, first", "age")


def test_a_set_delimiter_is_not_sniffed() -> None:
    assert reader_of(b"a,b;c\n", ";").names == ("a,b", "c")


def test_a_header_without_a_delimiter_is_one_column() -> None:
    reader = reader_of(b"id\n1\n")
    assert (reader.names, reader.delimiter) == (("id",), ",")


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert reader_of(b"\xef\xbb\xbfid,x\n").names == ("id", "x")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_kind_of_line_end_ends_a_row(end: bytes) -> None:
    assert read(end.join([b"a,b", b"1,2", b"3,4", b""])) == [["1", "2"], ["3", "4"]]


def test_the_last_line_needs_no_end() -> None:
    assert read(b"a,b\n1,2") == [["1", "2"]]


def test_quoted_commas_quotes_and_newlines_are_part_of_a_cell() -> None:
    assert read(b'a,b\n"x,y","say ""hi""\r\nthere"\n') == [["x,y", 'say "hi"\r\nthere']]


def test_a_quote_inside_a_cell_is_just_a_quote() -> None:
    assert read(b'a,b\n5" pipe,1\n6" pipe,2\n7",3\n') == [
        ['5" pipe', "1"],
        ['6" pipe', "2"],
        ['7"', "3"],
    ]


def test_an_empty_cell_is_null_and_empty_text_is_not() -> None:
    assert read(b'a,b\n,""\n"",\n"x",') == [[None, ""], ["", None], ["x", None]]


def test_a_byte_order_mark_inside_a_file_is_part_of_its_cell() -> None:
    body = "a,b\n1,2\n\ufeff3,4\n".encode()
    reader = streamed(iter([body]), block_bytes=8)
    assert [table["a"].to_pylist() for table in reader.batches(("a",), 10)] == [["1", "\ufeff3"]]


def test_blank_lines_are_no_rows() -> None:
    assert read(b"\n\na,b\n\n1,2\n\n\n3,4\n\n") == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize("body", [b"", b"\n\n\r\n", b"  \n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(body: bytes) -> None:
    with pytest.raises(Unparsable, match="the file is empty"):
        reader_of(body)


@pytest.mark.parametrize("body", [b"a,b", b"a,b\n", b"a,b\r\n\r\n"])
def test_a_header_alone_is_a_table_without_rows(body: bytes) -> None:
    reader = reader_of(body)
    (table,) = reader.batches(reader.names, 10)
    assert (table.column_names, table.num_rows) == (["a", "b"], 0)


def test_nul_bytes_in_the_header_are_refused() -> None:
    with pytest.raises(Unparsable, match="NUL bytes"):
        reader_of("a,b\n1,2\n".encode("utf-16-le"))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_another_encoding_is_read_as_set(encoding: str) -> None:
    reader = reader_of("é,b\nü,1\n".encode(encoding), encoding=encoding)
    (table,) = reader.batches(reader.names, 10)
    assert table.to_pylist() == [{"é": "ü", "b": "1"}]


def rejects_of(body: bytes) -> list[tuple[int, str]]:
    """Return the line and the text of each malformed row."""
    reader = streamed(iter([body]))
    found = []
    for _ in reader.batches(reader.names, 1000):
        found += [(reject.line, reject.row) for reject in reader.rejected_rows({})]
    return found


def reasons_of(body: bytes) -> str:
    """Return the reasons of all malformed rows as one text."""
    reader = streamed(iter([body]))
    list(reader.batches(reader.names, 1000))
    return "; ".join(reject.reason for reject in reader.rejected_rows({}))


@pytest.mark.parametrize(
    ("body", "line", "row", "good"),
    [
        (b'a,b\n1,"2\n3,4\n5,6\n', 2, '1,"2', 2),
        (b'a,b\n1,2\n3,"4', 3, '3,"4', 1),
        (b'a,b\n"2,3\n4,5\n', 2, '"2,3', 1),
        (b'a,b\n"1\n1","\n', 2, '"1\n1","', 0),
        (b'\r\na,b\r\n1,2\r\n\r\n"', 5, '"', 1),
        (b'a,b\n5" pipe,1\n"x,2\n3,4\n', 3, '"x,2', 2),
    ],
)
def test_a_quote_that_never_closes_makes_its_row_bad_and_the_next_line_is_a_row_of_its_own(
    body: bytes, line: int, row: str, good: int
) -> None:
    assert rejects_of(body) == [(line, row)]
    assert "a quote opens that is never closed" in reasons_of(body)
    assert len(read(body)) == good


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('1,"5\\" pipe"\n', ['1,"5\\" pipe"']),
        ('1,""a"\n', ['1,""a"']),
        ('1,"b\n2,"d\n', ['1,"b', '2,"d']),
        ('1,"a"b\n', ['1,"a"b']),
        ('1,"a" \n', ['1,"a" ']),
        ('"1" ,a\n', ['"1" ,a']),
        ('1,x "a,b" y\n', ['1,x "a,b" y']),
        ('5" pipe,6" pipe\n', ['5" pipe,6" pipe']),
        ('1, "a"\n', ['1, "a"']),
        ('"1\n1","b"c\n', ['"1\n1","b"c']),
        ('1,"a\r2,"b"\r', ['1,"a']),
        ('1,"a\r\n2,"b"\r\n', ['1,"a']),
    ],
)
def test_a_stray_quote_makes_its_row_bad_and_never_swallows_the_next(
    text: str, rows: list[str]
) -> None:
    body = f"a,b\n0,0\n{text}9,9\n".encode()
    assert [row for _, row in rejects_of(body)] == rows
    assert (read(body)[0], read(body)[-1]) == (["0", "0"], ["9", "9"])


@pytest.mark.parametrize(
    ("text", "escape"),
    [
        ('1,",\n2,,\n3,",b"\n', None),
        ('1,"a\nb",5" pipe\n', None),
        ('1,"a\r\nb",say "hi"\r\n', None),
        ('1,"a\\\nb",5" pipe\n', "\\"),
    ],
)
def test_behind_a_cell_of_several_lines_a_stray_quote_makes_its_row_bad(
    text: str, escape: str | None
) -> None:
    body = f'a,b,c\n0,"0\n0","1""\n"\n{text}9,"9\n",\n'.encode()
    for size in (1, 3, len(body)):
        pieces = (body[start : start + size] for start in range(0, len(body), size))
        reader = streamed(pieces, escape=escape)
        (table,) = reader.batches(("a",), 1000)
        assert table["a"].to_pylist()[-1] == "9"
        rejected = [reject.row for reject in reader.rejected_rows({})]
        assert text.rstrip("\r\n") in rejected


@pytest.mark.parametrize("cell", ['5" pipe', 'say "hi" twice', '5""', "'a'", '5"'])
def test_quotes_inside_an_unquoted_cell_without_a_delimiter_between_them_stay(cell: str) -> None:
    assert read(f"a,b\n1,{cell}\n{cell},2\n".encode()) == [["1", cell], [cell, "2"]]


def test_the_reason_for_a_backslash_before_a_quote_names_spark_and_the_setting() -> None:
    reasons = reasons_of(b'a,b\n1,"5\\" pipe"\n')
    assert "Spark" in reasons
    assert "WORKER_ESCAPE=\\" in reasons
    assert "cell 2, 'b'" in reasons


def test_with_an_escape_a_quote_stands_inside_quotes_and_a_backslash_outside_is_text() -> None:
    body = b'a,b\n1,"5\\" ""pipe"\n2,"5\\", a\\\\b\\c"\n3,C:\\dir\n'
    reader = streamed(iter([body]), escape="\\")
    (table,) = reader.batches(("a", "b"), 10)
    assert table["b"].to_pylist() == ['5", a\\b\\c', "C:\\dir"]
    assert [reject.line for reject in reader.rejected_rows({})] == [2]


@pytest.mark.parametrize("quote", ["'", "|", "^"])
def test_another_quote_is_read_and_written_as_set(quote: str) -> None:
    body = f'a,b\n1,{quote}x,{quote * 2}y{quote}\n2,"z\n'.encode()
    reader = streamed(iter([body]), quote=quote)
    (table,) = reader.batches(("a", "b"), 10)
    assert table["b"].to_pylist() == [f"x,{quote}y", '"z']
    assert reader.writer().write(table) == body


def test_without_quotes_every_quote_is_text() -> None:
    body = b'a\tb\n1\t"x\n2\t"y" z\n3\t\n'
    reader = streamed(iter([body]), quote=None)
    (table,) = reader.batches(("a", "b"), 10)
    assert table["b"].to_pylist() == ['"x', '"y" z', None]
    assert reader.writer().write(table) == body


def test_without_quotes_a_label_that_needs_them_is_a_clear_error() -> None:
    with pytest.raises(PredictionFailed, match=r"'x,y' holds a delimiter.*WORKER_QUOTE=none"):
        CsvWriter(quote=None).write(pa.table({"a": ["x,y"]}))


@examples(1)
@given(st.lists(st.tuples(st.text("a,\"\\\n'"), st.text("a,\"\\\n'"))))
@pytest.mark.parametrize("escape", [None, "\\"])
def test_what_is_written_in_a_dialect_reads_back_the_same(
    escape: str | None, cells: list[tuple[str, str]]
) -> None:
    columns = {
        name: pa.array([row[at] for row in cells], pa.string()) for at, name in enumerate("ab")
    }
    # The last column says that the row is not blank.
    table = pa.table(columns | {"c": ["x"] * len(cells)})
    written = CsvWriter(escape=escape).write(table)
    reader = streamed(iter([written]), escape=escape)
    (read_back,) = reader.batches(reader.names, 1000)
    assert read_back.to_pylist() == table.to_pylist()


def test_a_file_without_a_header_has_columns_by_number_and_leaves_without_one() -> None:
    reader = streamed(iter([b"1,2\n3,4\n"]), has_header=False)
    (table,) = reader.batches(("0", "1"), 10)
    assert table.to_pylist() == [{"0": "1", "1": "2"}, {"0": "3", "1": "4"}]
    assert reader.writer().write(table) == b"1,2\n3,4\n"


def test_lines_of_a_file_without_a_header_count_from_the_first_row() -> None:
    reader = streamed(iter([b"1,2\n3\n"]), has_header=False)
    list(reader.batches(("0",), 10))
    (reject,) = reader.rejected_rows({})
    assert reject == RejectedRow(2, "1 cells where the first row has 2", "3")


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "sep=;\r"])
def test_sep_as_the_first_line_is_honoured(first: str) -> None:
    reader = reader_of(f"{first}\na,b;c\n1,5;2\n3\n".encode())
    (table,) = reader.batches(reader.names, 10)
    assert (reader.names, reader.delimiter) == (("a,b", "c"), ";")
    assert table.to_pylist() == [{"a,b": "1,5", "c": "2"}]
    assert [reject.line for reject in reader.rejected_rows({})] == [4]


@pytest.mark.parametrize("row", [",,", '"","",""'])
def test_blank_rows_are_bad_rows(row: str) -> None:
    body = f"a,b,c\n1,2,3\n{row}\n4,5,6\n{row}".encode()
    assert rejects_of(body) == [(3, row), (5, row)]
    assert "all cells are empty" in reasons_of(body)
    assert len(read(body)) == 2


def test_a_row_with_one_cell_is_not_blank() -> None:
    assert read(b"a,b,c\n,,1\n,2,\n") == [[None, None, "1"], [None, "2", None]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("again", ["a,b", '"a","b"', "\ufeffa,b", '\ufeff"a","b"'])
def test_a_row_equal_to_the_header_is_a_bad_row(end: str, again: str) -> None:
    body = end.join(["a,b", "1,2", again, "3,4", ""]).encode()
    assert rejects_of(body) == [(3, again)]
    assert "the header once more" in reasons_of(body)
    assert read(body) == [["1", "2"], ["3", "4"]]


def test_the_header_inside_a_quoted_cell_is_no_row() -> None:
    body = b'a,b\n1,"x\na,b\n,\ny"\na,b\n'
    assert read(body) == [["1", "x\na,b\n,\ny"]]
    assert rejects_of(body) == [(6, "a,b")]


@pytest.mark.parametrize("rows", ["1,2,\n3,4,\n", "1,2\n3,4\n", ""])
def test_a_trailing_delimiter_on_every_row_or_on_the_header_alone_is_no_column(rows: str) -> None:
    body = f"a,b,\n{rows}".encode()
    assert reader_of(body).names == ("a", "b")
    assert read(body) == ([["1", "2"], ["3", "4"]] if rows else [])


def test_data_behind_the_last_name_makes_a_bad_row() -> None:
    body = b"a,b,\n" + b"1,2,\n" * 10 + b'3,4,""\n5,6,7\n8\n9,10,\n'
    assert rejects_of(body) == [(13, "5,6,7"), (14, "8")]
    assert "behind the last column that has a name" in reasons_of(body)
    assert read(body)[-2:] == [["3", "4"], ["9", "10"]]


@pytest.mark.parametrize("body", [b"a,\n1,2\n", b"a,,b\n1,2,3\n", b"Title,,\na,b,c\n1,2,3\n"])
def test_an_empty_name_under_data_is_noticed(body: bytes) -> None:
    unnamed = reader_of(body).header.unnamed
    assert unnamed is not None
    assert re.match(r"line 1 \((a|Title), .*no name for column 2.*HEADER=absent", unnamed)


@pytest.mark.parametrize("body", [b",b\n1,2\n", b"a,,b\n1,,2\n", b"a,,\n1,,\n"])
def test_a_column_without_data_needs_no_name_and_neither_does_the_first(body: bytes) -> None:
    assert reader_of(body).header.unnamed is None


def test_the_first_column_needs_no_name() -> None:
    assert read(b",b\n1,2\n") == [["1", "2"]]


@pytest.mark.parametrize(
    "body",
    [
        b"a,5.1,red\nb,4.9,blue\n",
        b"28/01/2018,x\n29/01/2018,y\n",
        b"a,2018-01-28 10:00\nb,2018-01-29 11:30:01Z\n",
        b"a,NaN,red\nb,1.5,blue\n",
        b"a,1.5,red\nb,NA,blue\n",
        b"a,1\nb,\nc,2\n",
        b"0,1\n1,0\n",
    ],
)
def test_a_first_line_with_a_value_above_its_like_is_in_doubt(body: bytes) -> None:
    doubt = reader_of(body).header.doubt
    assert doubt is not None
    assert "line 1" in doubt
    assert "WORKER_HEADER=absent" in doubt


@pytest.mark.parametrize(
    "body",
    [
        b"id,2023,2024\na,red,blue\n",
        b"0,1,2\n5,6,7\n",
        b",0,1\n5,6,7\n",
        b"id,2018-01-28\na,5\n",
        b"id,Nancy\n1,2\n",
        b"id,x\n1,2\n",
        b"id,1\n",
    ],
)
def test_a_first_line_of_names_is_not_in_doubt(body: bytes) -> None:
    assert reader_of(body).header.doubt is None


@pytest.mark.parametrize("block_bytes", [1, 7, 10_000])
def test_what_is_said_of_a_header_does_not_depend_on_the_cuts(block_bytes: int) -> None:
    body = b'"2023",,5\r\n"a\r\n,1",7,6\r\n1,1,1\r\n'
    reader = streamed(iter([body]), block_bytes=block_bytes)
    assert reader.header.doubt is not None
    assert "'5' stands above '6'" in reader.header.doubt
    assert reader.header.unnamed is not None
    (table,) = reader.batches(("2023", "5"), 10)
    assert table.to_pylist() == [{"2023": "a\r\n,1", "5": "6"}, {"2023": "1", "5": "1"}]


def test_a_cell_longer_than_a_name_may_be_is_no_reason_to_refuse_a_header() -> None:
    assert len(read(b"id,2023\na," + b"x" * 200_000 + b"\n")) == 1


def test_a_name_may_stand_twice_if_nobody_reads_it() -> None:
    reader = reader_of(b"a,x,x,b\n1,2,3,4\n")
    (table,) = reader.batches(("b", "a"), 10)
    assert table.to_pylist() == [{"b": "4", "a": "1"}]


@pytest.mark.parametrize("body", [b'a,"b\n1,2\n', b'"a,b\n1,2\n'])
def test_an_unclosed_quote_in_the_header_is_refused(body: bytes) -> None:
    with pytest.raises(Unparsable, match="quote in the header"):
        reader_of(body)


def test_a_row_beyond_16_mib_is_refused_with_its_line() -> None:
    with pytest.raises(Unparsable, match="line 3: the row is longer than 16 MiB"):
        read(b"a,b\n1,2\n1," + b"x" * 33 * 2**20 + b"\n1,2\n")


def test_a_quote_that_does_not_close_for_16_mib_makes_its_row_bad() -> None:
    def text() -> Iterator[bytes]:
        yield b'a,b\n1,"2\n3\n",4\n5,"'
        for _ in range(20):
            yield b"x,\n" * 2**18 + b"y" * 2**18

    held: list[int] = []
    reader = streamed(text(), hold=held.append)
    rejects, rows = [], 0
    for table in reader.batches(("a",), 10_000):
        rejects += list(reader.rejected_rows({}))
        rows += table.num_rows
    assert (rejects[1].line, rejects[1].row) == (5, '5,"x,')
    assert max(held) <= 4 * MIB
    assert rows > 19 * 2**18


def test_a_header_that_does_not_end_for_16_mib_is_refused_before_the_end() -> None:
    def text() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x," * 2**19
        pytest.fail("read on to the end")

    with pytest.raises(Unparsable, match="the header is longer than 16 MiB"):
        streamed(text())


def test_rows_are_cut_into_tables_of_the_size_asked_for() -> None:
    reader = reader_of(b"a\n" + b"".join(b"%d\n" % n for n in range(25)))
    assert [table.num_rows for table in reader.batches(("a",), 10)] == [10, 10, 5]


def test_columns_come_in_the_order_asked_for() -> None:
    (table,) = reader_of(b"a,b,c\n1,2,3\n").batches(("c", "a"), 10)
    assert table.to_pylist() == [{"c": "3", "a": "1"}]


def test_rows_of_many_columns_are_read_like_others() -> None:
    names = [f"c{n}" for n in range(1000)]
    rows = [[f"{n}.{row}" for n in range(1000)] for row in range(30)]
    body = "\n".join(map(",".join, [names, *rows])).encode()
    reader = streamed(iter([body]), block_bytes=100)
    (table,) = reader.batches(names, 100)
    assert [list(row.values()) for row in table.to_pylist()] == rows


def test_rows_with_the_wrong_number_of_cells_are_rejected_with_their_line() -> None:
    reader = reader_of(b'a,b\n1,2\n\n3\n"x\ny",4\n5,6,7\n8,9\n')
    assert sum(table.num_rows for table in reader.batches(("a",), 10)) == 3
    assert reader.malformed_count() == 2
    assert list(reader.rejected_rows({})) == [
        RejectedRow(4, "1 cells where the header has 2", "3"),
        RejectedRow(7, "3 cells where the header has 2", "5,6,7"),
    ]


def test_a_bad_row_is_found_behind_malformed_ones_and_quoted_newlines() -> None:
    reader = reader_of(b'"a\nx",b\n1\n2,"\n\n"\n3,3,3\n\n4,four\r\n5,5\n')
    list(reader.batches(("b",), 10))
    assert list(reader.rejected_rows({1: "no number", 2: "neither"})) == [
        RejectedRow(3, "1 cells where the header has 2", "1"),
        RejectedRow(7, "3 cells where the header has 2", "3,3,3"),
        RejectedRow(9, "no number", "4,four"),
        RejectedRow(10, "neither", "5,5"),
    ]


def wide(rows: int, malformed: int = 0) -> Iterator[bytes]:
    yield b"a,b\n"
    for _ in range(rows):
        yield b"x" * 997 + b",y\n"
    for _ in range(malformed):
        yield b"x" * 1000 + b"\n"


def test_a_batch_of_wide_rows_asks_for_the_memory_it_needs_only_once() -> None:
    asked: list[int] = []
    options = ScoreOptions(memory_bytes=2**30, reserved_bytes=16 * MIB)
    memory = InputMemory(asked.append, options)
    reader = streamed(wide(40_000), hold=memory.hold)
    assert [table.num_rows for table in reader.batches(("a",), 30_000)] == [30_000, 10_000]
    (size,) = asked
    assert 30_000_000 < size < 40_000_000


def test_a_batch_beyond_the_memory_allowed_is_refused_naming_the_setting() -> None:
    memory = InputMemory(lambda _: None, ScoreOptions(memory_bytes=20 * MIB))
    reader = streamed(wide(40_000), hold=memory.hold)
    with pytest.raises(Unparsable, match="than the 20 MiB that WORKER_MEMORY_MB allows"):
        list(reader.batches(("a",), 30_000))


def test_rows_that_fail_a_file_are_counted_without_being_held() -> None:
    reader = streamed(wide(1, 40_000), may_reject=False)
    (table,) = reader.batches(("a",), 30_000)
    assert (table.num_rows, reader.malformed_count()) == (1, 40_000)
    assert [reject.line for reject in reader.rejected_rows({0: "bad"})][:10] == list(range(2, 12))


def test_a_raw_row_is_the_text_of_the_file() -> None:
    reader = reader_of(b'a;b\n"1";"x""y\nz"\n')
    list(reader.batches(("a",), 10))
    assert list(reader.rejected_rows({0: "why"})) == [RejectedRow(2, "why", '"1";"x""y\nz"')]


def test_only_cells_that_need_quotes_get_them() -> None:
    table = pa.table({"a": ["007", " x ", 'say "hi"', "a,b", "a;b", "two\nlines", "cr\r", "", "é"]})
    written = write(table.append_column("n", pa.array(range(9))))
    assert written.decode() == (
        'a,n\n007,0\n x ,1\n"say ""hi""",2\n"a,b",3\na;b,4\n"two\nlines",5\n"cr\r",6\n"",7\né,8\n'
    )


@pytest.mark.parametrize("rows", [1, 100])
@pytest.mark.parametrize(
    ("delimiter", "written"), [(",", "-1.5,1"), (".", '"-1.5".1'), ("1", '"-1.5"1"1"')]
)
def test_a_number_is_quoted_if_the_delimiter_may_stand_in_it(
    delimiter: str, written: str, rows: int
) -> None:
    lines = write(pa.table({"a": [-1.5] * rows, "b": [1] * rows}), delimiter=delimiter).decode()
    assert lines.split()[1:] == [written] * rows


@given(
    st.lists(
        st.text(st.sampled_from(["a", ",", '"', "\n", " ", "é"]), max_size=3),
        unique=True,
        min_size=1,
    )
)
def test_any_names_are_read_back_as_they_were(names: list[str]) -> None:
    written = write(pa.table([[1]] * len(names), names)).decode()
    assert next(csv.reader(io.StringIO(written, newline=""))) == names


def test_names_are_quoted_like_cells() -> None:
    assert write(pa.table({"a;b": ["1"], 'c"': ["2"]}), delimiter=";") == b'"a;b";"c"""\n1;2\n'


def test_a_delimiter_that_is_special_in_patterns_is_taken_as_it_is() -> None:
    assert write(pa.table({"a": ["x|y", "z"], "b": ["1", "2"]}), delimiter="|") == (
        b'a|b\n"x|y"|1\nz|2\n'
    )


CELLS = st.text(st.sampled_from('ab,"\n\r ;é') | st.characters(codec="utf-8"))


@examples(1)
@given(st.lists(st.tuples(CELLS, CELLS)))
def test_what_is_written_is_what_python_reads(cells: list[tuple[str, str]]) -> None:
    columns = {
        name: pa.array([row[place] for row in cells], pa.string())
        for place, name in enumerate("ab")
    }
    rows = csv.reader(io.StringIO(write(pa.table(columns)).decode(), newline=""))
    assert [tuple(row) for row in rows] == [("a", "b"), *cells]


def digits(cell: str) -> str:
    """Return the significant digits, without sign, point, exponent and outer zeros."""
    return re.sub(r"e.*|[-.]", "", cell).strip("0")


@examples(2)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_have_as_few_digits_as_read_back_the_same(values: list[float]) -> None:
    cells = write(pa.table({"p": values})).decode().split()[1:]
    assert [float(cell) for cell in cells] == values
    assert [digits(cell) for cell in cells] == [digits(repr(value)) for value in values]
    assert max(len(cell) - len(repr(value)) for cell, value in zip(cells, values, strict=True)) <= 4


def test_a_few_rows_of_many_columns_are_quoted_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = 0

    def counted(column: pa.Array, pattern: str) -> pa.Array:
        nonlocal searches
        searches += 1
        return pc.match_substring_regex(column, pattern)

    monkeypatch.setattr("worker.formats.csv.writer.pc", SimpleNamespace(**vars(pc)))
    monkeypatch.setattr("worker.formats.csv.writer.pc.match_substring_regex", counted)
    table = pa.table({f"x,{number}": [str(number), 'a,"b', ""] for number in range(1000)})

    written = CsvWriter().write(table).decode()

    assert searches == 2  # of the header and of the rows
    rows = list(csv.reader(io.StringIO(written)))
    assert rows == [table.column_names, *(list(row.values()) for row in table.to_pylist())]


def test_floats_are_written_so_that_no_reader_takes_them_for_integers() -> None:
    values = [1.0, -0.0, 2.5, 1e-7, 1e22, float("inf"), 100.0]
    cells = write(pa.table({"p": values})).decode().split()
    assert cells == ["p", "1.0", "-0.0", "2.5", "1e-7", "1e+22", "inf", "100.0"]


def test_single_precision_is_written_in_its_own_digits() -> None:
    assert write(pa.table({"p": pa.array([0.1, 2.0], pa.float32())})) == b"p\n0.1\n2.0\n"


def test_half_precision_reads_back_the_same() -> None:
    table = pa.table({"p": pa.array([0.1, 2.0], pa.float64()).cast(pa.float16())})
    assert write(table) == b"p\n0.0999755859375\n2.0\n"


def test_a_null_is_written_as_an_empty_cell() -> None:
    table = pa.table({"f": [1.5, None], "i": [None, 2], "s": [None, "x"], "b": [True, None]})
    assert write(table) == b"f,i,s,b\n1.5,,,true\n,2,x,\n"


def test_empty_text_is_quoted_and_so_differs_from_a_null() -> None:
    assert write(pa.table({"a": ["", None, "x"], "b": [None, "", ""]})) == b'a,b\n"",\n,""\nx,""\n'


def test_one_column_never_makes_a_blank_line_that_readers_skip() -> None:
    assert write(pa.table({"a": ["x", None, ""]})) == b'a\nx\n""\n""\n'
    assert write(pa.table({"": ["x"]})) == b'""\nx\n'


def test_a_column_without_a_name_leaves_without_one() -> None:
    assert write(pa.table({"": ["x"], "b": ["y"]})) == b",b\nx,y\n"


def test_tables_follow_each_other_under_one_header() -> None:
    table = pa.table({"a": ["1"], "b": ["2"]})
    assert write(table.slice(0, 0), table, table) == b"a,b\n1,2\n1,2\n"


def test_a_nested_column_cannot_be_csv() -> None:
    with pytest.raises(SchemaMismatch, match=r"'a' is of type list.*WORKER_KEEP_COLUMNS"):
        write(pa.table({"a": [[1, 2]]}))


def test_output_has_the_encoding_set_and_one_byte_order_mark_at_most() -> None:
    table = pa.table({"é": ["ü"]})
    assert write(table, table, encoding="utf-16").decode("utf-16") == "é\nü\nü\n"


def test_a_label_that_the_encoding_lacks_is_a_clear_error() -> None:
    with pytest.raises(PredictionFailed, match="'€' cannot be written as latin-1"):
        write(pa.table({"a": ["€"]}), encoding="latin-1")
