"""A file predicted part by part, in any order and from any guesses, gives the same bytes."""

import gzip
import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import cast

import pandas as pd
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from tests.support.parts import predict_parts
from tests.support.strategies import cut, evenly_long, examples, sizes
from worker.errors import NeedsTypes, TidegateError, Unparsable
from worker.formats.compression import decompress, detect_compression
from worker.formats.csv.blocks import BlockSplitter, RawRow
from worker.formats.csv.dialect import Dialect, count_line_ends
from worker.formats.csv.row_begin import find_row_begin
from worker.interfaces import (
    CutPart,
    FilePlan,
    OutputForm,
    OutputHeader,
    Part,
    PartBegin,
    PartMessage,
    PartResult,
    Position,
    RejectedLines,
    ScoreOptions,
    ScoreResult,
)
from worker.scoring.all_parts import PartFile, score_all_parts
from worker.scoring.part_cutter import PartCutter
from worker.scoring.parts import score_part
from worker.scoring.rejected_rows import RejectedRowsWriter, other_cells
from worker.scoring.score import open_file, score

LINES = ["1,2,3\n", "4,5,6\r\n", "7,8,9\r", "\n", "i,a,b\n", ",,\n", "1,x,3\n", "4\n"]
# What stands in a quoted cell looks like rows, and what stands between two of them like a cell.
QUOTED = ['"', '"\n', ',"', '",', '\n"', '"1\n2,3,4\n",5,6\n', '1,"x\n7,8,9\n1,2,3\n",6\n', '""']
ESCAPED = ["\\", '\\"', '"\\"\n1,2,3\n"', "\\\\"]
ODD = ["é", "\ufeff", "NA", "0.5", "true", "99999999999999999999", "-1", " ", ","]
ALPHABETS = [
    [*LINES, *QUOTED],
    ["1,2,3\n", *QUOTED[:5], "1", ","],
    [*QUOTED, *ESCAPED, "1,2,3\n"],
    [*LINES, *QUOTED, *ESCAPED, *ODD],
    ["1,2,3\n", "4,5,6\n", "7,8,9\r\n", "1,0.5,3\n", "1,x,3\n", "1,,3\n"],
]
BODIES = st.sampled_from(ALPHABETS).flatmap(
    lambda alphabet: evenly_long(st.sampled_from(alphabet), 1, 30).map("".join)
)


@dataclass(frozen=True)
class Order:
    """How many processes predict a file, in parts of which size, from guesses how good."""

    part_bytes: int
    processes: int
    wrong_guesses: float
    seed: int
    pieces: list[int]


ORDERS = st.builds(
    Order,
    part_bytes=st.integers(1, 80),
    processes=st.integers(1, 4),
    wrong_guesses=st.sampled_from([0, 0.5, 1]),
    seed=st.integers(0, 2**32),
    pieces=sizes(1, 40),
)


@dataclass(frozen=True)
class Text:
    """A text, and how its rows are found."""

    body: bytes
    dialect: Dialect
    max_row_bytes: int
    pieces: list[int]

    def rows(self, splitter: BlockSplitter, text: Iterator[bytes]) -> list[tuple[int, RawRow]]:
        """Return each row with its line."""
        return [
            (block.line + count_line_ends(block.text, 0, row.offset), row)
            for block in splitter.split(text)
            for row in block.rows()
        ]

    def splitter(self, line: int, limit: int | None = None) -> BlockSplitter:
        return BlockSplitter(self.dialect, line, limit=limit, max_row_bytes=self.max_row_bytes)

    def read(self, start: int) -> Iterator[bytes]:
        return iter(cut(self.body[start:], self.pieces))

    def predict(self, starts: range, part: Part) -> list[PartMessage]:
        """Return what a process would send that rejects each row."""
        start = starts[part.number]
        sent: list[PartMessage] = []
        try:
            if part.begin is None:
                place, text = find_row_begin(self.read(start - 1), self.dialect, width=3)
                begin = Position(start - 1 + place, 0)
            else:
                begin, text = part.begin, self.read(part.begin.offset)
            sent.append(PartBegin(begin.offset))
            limit = max(0, min(start + starts.step, len(self.body)) - begin.offset)
            splitter = self.splitter(begin.line, limit)
            rows = self.rows(splitter, text)
        except TidegateError as error:
            return [*sent, error]
        found = [(line - begin.line, _cells(row)) for line, row in rows]
        end, lines = begin.offset + splitter.offset, splitter.line - begin.line
        count = len(rows)
        return [
            *sent,
            *([RejectedLines(found)] if found else []),
            PartResult(end, lines, 0, count, count, 0, (), OutputHeader(b"", "")),
        ]


def _cells(row: RawRow) -> bytes:
    return other_cells(str(row.wrong_quote), row.text.decode(errors="replace"))


TEXTS = st.builds(
    Text,
    body=BODIES.map(str.encode),
    dialect=st.sampled_from(
        [Dialect(","), Dialect(","), Dialect(",", escape="\\"), Dialect(",", quote=None)]
    ),
    max_row_bytes=st.sampled_from([2**24, 2**24, 30, 10]),
    pieces=sizes(1, 40),
)


@examples(20)
@given(TEXTS, ORDERS)
def test_any_parts_of_a_text_have_its_rows(text: Text, order: Order) -> None:
    try:
        rows = text.rows(text.splitter(1), iter([text.body]))
        lines = [(line, _cells(row)) for line, row in rows]
        expected = RejectedRowsWriter().write(lines) if lines else b""
    except TidegateError as error:
        expected = str(error).encode()
    starts = range(0, len(text.body), order.part_bytes)
    plan = FilePlan(OutputForm("", None), Position(0, 1), starts, len(text.body), "line", b"")
    try:
        found = predict_parts(
            plan,
            partial(text.predict, starts),
            max_rejected=1,
            processes=order.processes,
            draw=Random(order.seed),  # noqa: S311 - no secret
            wrong_guesses=order.wrong_guesses,
        ).rejects
    except TidegateError as error:
        found = str(error).encode()
    assert found == expected


class Seeing:
    """Predicts what it sees of a row, and of which types the columns are; raises on some rows."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        if (frame == 7).any(axis=None):
            raise ValueError("no sevens")
        rows = ["|".join(map(repr, row)) for row in frame.itertuples(index=False, name=None)]
        types = "|".join(map(str, frame.dtypes))
        return pd.DataFrame({"seen": pd.Series(rows, dtype=str), "types": types})


def read_whole(body: bytes, options: ScoreOptions, *, part_bytes: int) -> tuple[object, ...]:
    """Return what is written and counted of a file, or the error's text."""
    output = MemoryOutput()
    try:
        result = score(MemoryInput(body), Seeing(), options, output, part_bytes=part_bytes)
    except NeedsTypes as types:
        return read_whole(body, replace(options, found_types=str(types)), part_bytes=part_bytes)
    except TidegateError as error:
        return (type(error), str(error))
    return output.output, output.rejects or b"", result


def read_parts(body: bytes, options: ScoreOptions, order: Order) -> tuple[object, ...]:
    file = MemoryInput(body, first=order.part_bytes + 2, pieces=order.pieces)
    output = MemoryOutput()
    try:
        plan = open_file(file, Seeing(), options, output, part_bytes=order.part_bytes)
        if isinstance(plan, ScoreResult):
            return output.output, output.rejects or b"", plan
        predicted = predict_parts(
            plan,
            partial(messages, body, options, order, plan),
            max_rejected=options.max_rejected,
            processes=order.processes,
            draw=Random(order.seed),  # noqa: S311 - no secret
            wrong_guesses=order.wrong_guesses,
        )
    except NeedsTypes as types:
        return read_parts(body, replace(options, found_types=str(types)), order)
    except TidegateError as error:
        return (type(error), str(error))
    return predicted.output, predicted.rejects, predicted.result


def read_packed(body: bytes, options: ScoreOptions, order: Order) -> tuple[object, ...]:
    """Return the same of a compressed file, whose output is unpacked."""
    file, output = MemoryInput(body, pieces=order.pieces), MemoryOutput()
    try:
        plan = open_file(file, Seeing(), options, output, part_bytes=order.part_bytes)
        if isinstance(plan, ScoreResult):
            return unpacked(output.output), output.rejects or b"", plan
        packed = Packed(body, options, order, plan)
        predicted = predict_parts(
            plan,
            packed.messages,
            max_rejected=options.max_rejected,
            processes=order.processes,
            draw=Random(order.seed),  # noqa: S311 - no secret
            cut=packed.cut,
        )
    except NeedsTypes as types:
        return read_packed(body, replace(options, found_types=str(types)), order)
    except TidegateError as error:
        return (type(error), str(error))
    alone = MemoryOutput()
    alone.open(plan.form)
    score_all_parts(file, Seeing(), options, plan, alone)
    assert (predicted.output, predicted.rejects) == (alone.output, alone.rejects or b"")
    return unpacked(predicted.output), predicted.rejects, predicted.result


def unpacked(output: bytes) -> bytes:
    return b"".join(decompress(iter([output]), detect_compression(output)))


class Packed:
    """A compressed file, which one process unpacks."""

    def __init__(self, body: bytes, options: ScoreOptions, order: Order, plan: FilePlan) -> None:
        self._file = MemoryInput(body, first=0, pieces=order.pieces)
        self._options = options
        self._plan = plan
        self._cutter = PartCutter(self._file, plan)
        self._texts: dict[int, bytes] = {}

    def cut(self, number: int) -> CutPart | Unparsable:
        try:
            self._texts[number] = self._cutter.cut()
        except Unparsable as error:
            return error
        return CutPart(self._cutter.offset)

    def messages(self, part: Part) -> list[PartMessage]:
        """Return what a process sends for a part, of which it has the text."""
        sink, file = Messages(), PartFile(self._file, self._texts[part.number])
        try:
            result = score_part(file, Seeing(), self._options, self._plan, part=part, sink=sink)
            sink.send_part(result)
        except TidegateError as error:
            sink.send_part(error)
        return sink.sent


def messages(
    body: bytes, options: ScoreOptions, order: Order, plan: FilePlan, part: Part
) -> list[PartMessage]:
    """Return what a process sends for a part."""
    file = MemoryInput(body, first=0, pieces=order.pieces)
    sink = Messages()
    try:
        sink.send_part(score_part(file, Seeing(), options, plan, part=part, sink=sink))
    except TidegateError as error:
        sink.send_part(error)
    return sink.sent


class Messages:
    """Implements worker.interfaces.PartSink."""

    def __init__(self) -> None:
        self.sent: list[PartMessage] = []

    def send_part(self, message: PartMessage) -> None:
        self.sent.append(pickle.loads(pickle.dumps(message)))  # noqa: S301 - our own


FILES = st.builds(
    # The model predicts the first row: if it raised on all rows of a part they would not be bad.
    lambda mark, header, body: f"{mark}{header}1,2,3\n{body}".encode(),
    st.sampled_from(["", "", "\ufeff"]),
    st.sampled_from(["i,a,b\n", "\ni,a,b\r\n", '"i\n1,2,3\n",a,b\n', "i,a,b\r"]),
    BODIES,
)
OPTIONS = st.builds(
    ScoreOptions,
    quote=st.sampled_from(['"', '"', '"', None]),
    escape=st.sampled_from([None, None, "\\"]),
    has_header=st.sampled_from([True, True, True, False]),
    keep_columns=st.sampled_from([("*",), None]),
    max_rejected=st.sampled_from([1.0, 1.0, 0.3, 0.0]),
    output_format=st.sampled_from([None, None, "jsonl"]),
)


@examples(1)
@given(FILES, OPTIONS, ORDERS)
def test_any_parts_of_a_file_give_its_output(
    body: bytes, options: ScoreOptions, order: Order
) -> None:
    # A row's prediction does not depend on its batch here: so the output is that of one piece. Only
    # where no row may be rejected does the error's text depend on the parts.
    part_bytes = len(body) if options.max_rejected else order.part_bytes
    expected = read_whole(body, options, part_bytes=part_bytes)
    assert read_parts(body, options, order) == expected


OBJECTS = ['{"i": 1, "a": 2, "b": 3}', '{"i": 4, "a": 5, "b": 6}', '{"b":9,"a":8,"i":"é"}']
CELLS = ["0.5", "null", "true", '"x, "', '"7"', "NaN", "12345678901234567890", "[1]", "7", "-0"]
OBJECTS += [f'{{"i": 1, "a": 2, "b": {cell}}}' for cell in CELLS]
ODD_LINES = [
    '{"i": 1}',
    '{"i": 1, "a": 2, "b": 3, "c": 4}',
    '{"a": 1, "a": 2}',
    "?",
    "",
    " ",
    "\ufeff",
]
JSON_LINES = st.builds(
    lambda mark, lines, end, last: (
        f'{mark}{{"i": 1, "a": 2, "b": 3}}{end}{end.join(lines)}{last}'.encode()
    ),
    st.sampled_from(["", "", "\ufeff"]),
    st.sampled_from([OBJECTS[:2], [*OBJECTS[:3], "?"], OBJECTS, [*OBJECTS, *ODD_LINES]]).flatmap(
        lambda lines: evenly_long(st.sampled_from(lines), 1, 30)
    ),
    st.sampled_from(["\n", "\n", "\r\n"]),
    st.sampled_from(["", "\n", "\n\n"]),
)
JSON_OPTIONS = st.builds(
    ScoreOptions,
    keep_columns=st.sampled_from([("*",), None]),
    max_rejected=st.sampled_from([1.0, 1.0, 0.3, 0.0]),
    output_format=st.sampled_from([None, None, "csv"]),
)


JSON_ORDERS = ORDERS.map(lambda order: replace(order, part_bytes=5 * order.part_bytes))


@examples(0.5)
@given(JSON_LINES, JSON_OPTIONS, JSON_ORDERS)
@example(
    b'{"i": 1, "a": 2, "b": 3}\n{"i": 1}\n{"i": 4, "a": 5, "b": 6}\n',
    ScoreOptions(max_rejected=1.0),
    Order(part_bytes=30, processes=1, wrong_guesses=0, seed=0, pieces=[9]),
)
@example(  # integers too large for int64, and a zero below zero
    b'{"i": 1, "a": 2, "b": -0}\n{"i": 4, "a": 5, "b": 12345678901234567890}\n',
    ScoreOptions(max_rejected=1.0),
    Order(part_bytes=30, processes=1, wrong_guesses=0, seed=0, pieces=[9]),
)
def test_any_parts_of_json_lines_give_their_output(
    body: bytes, options: ScoreOptions, order: Order
) -> None:
    part_bytes = len(body) if options.max_rejected else order.part_bytes
    expected = read_whole(body, options, part_bytes=part_bytes)
    assert read_parts(body, options, order) == expected


def in_gzip(body: bytes, cuts: list[int]) -> bytes:
    """Return one member or more, with padding between them."""
    return b"\0".join(map(gzip.compress, cut(body, cuts)))


def in_zstd(body: bytes, cuts: list[int]) -> bytes:
    """Return one frame or more."""
    return b"".join(pa.compress(piece, codec="zstd", asbytes=True) for piece in cut(body, cuts))


IN_ZSTD = st.booleans()


def check_packed(body: bytes, options: ScoreOptions, order: Order, *, zstd: bool) -> None:
    part_bytes = len(body) if options.max_rejected else order.part_bytes
    expected = read_whole(body, options, part_bytes=part_bytes)
    packed = (in_zstd if zstd else in_gzip)(body, order.pieces)
    assert read_packed(packed, options, order) == expected


@examples(1)
@given(FILES, OPTIONS, ORDERS, IN_ZSTD)
def test_any_parts_of_a_compressed_file_give_the_output_of_the_plain_one(
    body: bytes, options: ScoreOptions, order: Order, zstd: bool
) -> None:
    check_packed(body, options, order, zstd=zstd)


@examples(0.5)
@given(JSON_LINES, JSON_OPTIONS, ORDERS, IN_ZSTD)
def test_any_parts_of_compressed_json_lines_give_the_output_of_plain_ones(
    body: bytes, options: ScoreOptions, order: Order, zstd: bool
) -> None:
    check_packed(body, options, order, zstd=zstd)


@examples(0.5)
@given(FILES, ORDERS, IN_ZSTD, st.data())
def test_a_damaged_file_has_the_same_error_in_parts_as_in_one_piece(
    body: bytes, order: Order, zstd: bool, data: st.DataObject
) -> None:
    options = ScoreOptions(max_rejected=1)
    packed = (in_zstd if zstd else in_gzip)(body, order.pieces)
    packed = packed[: data.draw(st.integers(10, len(packed)))] + data.draw(
        st.sampled_from([b"", b"", b"\0\0", b"no member", b"\x1f\x8b\x08"])
    )
    whole = read_whole(packed, options, part_bytes=4 * len(packed))
    expected = (unpacked(cast("bytes", whole[0])), *whole[1:]) if len(whole) > 2 else whole
    assert read_packed(packed, options, order) == expected


def as_parquet(rows: list[tuple[int | None, int | None]], form: str, group_rows: int) -> bytes:
    """Return a file of a row that the model predicts, and of these rows."""
    numbers, others = zip((1, 0), *rows, strict=True)
    columns = {"i": pa.array(range(len(numbers))), "a": numbers, "b": others}
    if form == "categories":
        words = ["x", "y", "z"]
        columns["b"] = pa.array([None if b is None else words[b] for b in others])
        columns["b"] = columns["b"].dictionary_encode()
    if form == "int96":
        years = [None if b is None else datetime(1000 * (b + 2), 1, 1, tzinfo=UTC) for b in others]
        columns["b"] = pa.array(years, pa.timestamp("us"))
    body = io.BytesIO()
    parquet.write_table(
        pa.table(columns),
        body,
        row_group_size=group_rows,
        use_deprecated_int96_timestamps=form == "int96",
    )
    return body.getvalue()


PARQUET = st.builds(
    as_parquet,
    evenly_long(
        st.tuples(st.sampled_from([2, 3, 7, None]), st.sampled_from([0, 0, 0, 1, 2, None])), 1, 30
    ),
    st.sampled_from(["numbers", "categories", "int96"]),
    st.integers(1, 8),
)
PARQUET_OPTIONS = JSON_OPTIONS.map(
    lambda options: replace(options, output_format=options.output_format or "jsonl")
)
TO_PARQUET = JSON_OPTIONS.map(lambda options: replace(options, output_format="parquet"))
CASES = st.one_of(
    st.tuples(FILES, TO_PARQUET, ORDERS),
    st.tuples(JSON_LINES, TO_PARQUET, JSON_ORDERS),
    st.tuples(PARQUET, TO_PARQUET, JSON_ORDERS),
)


@examples(0.5)
@given(CASES)
def test_any_parts_of_a_file_give_its_output_in_parquet(
    case: tuple[bytes, ScoreOptions, Order],
) -> None:
    body, options, order = case
    parts = read_parts(body, options, order)
    # Row groups begin anew at each part.
    assert parts == read_whole(body, options, part_bytes=order.part_bytes)
    if options.max_rejected:
        whole = read_whole(body, options, part_bytes=len(body) ** 2)
        assert [as_rows(each) for each in parts] == [as_rows(each) for each in whole]


def as_rows(found: object) -> object:
    """Return the table in a Parquet file, with its schema; anything else as it is."""
    if isinstance(found, bytes) and found.startswith(b"PAR1"):
        table = parquet.read_table(pa.BufferReader(found))
        return table.schema.metadata, table
    return found


@examples(0.5)
@given(PARQUET, PARQUET_OPTIONS, JSON_ORDERS)
def test_any_parts_of_parquet_give_their_output(
    body: bytes, options: ScoreOptions, order: Order
) -> None:
    part_bytes = len(body) ** 2 if options.max_rejected else order.part_bytes
    expected = read_whole(body, options, part_bytes=part_bytes)
    assert read_parts(body, options, order) == expected
