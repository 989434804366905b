"""A large compressed file in parts: its output, its limits, and who may unpack it."""

import gzip
import zlib
from dataclasses import replace

import pyarrow as pa
import pytest

from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from tests.unit.scoring.test_parts import LENIENT, MANY, PART, Model, double, predict
from worker.errors import TransientError, Unparsable
from worker.formats.compression import PieceCompressor
from worker.interfaces import Checksum, FilePlan, OutputForm, ScoreResult
from worker.scoring import gzip_member
from worker.scoring.score import open_file
from worker.scoring.scorer import ModelScorer

IN_GZIP = gzip.compress(MANY, mtime=0)
FRAMES = [MANY[start : start + 500] for start in range(0, len(MANY), 500)]
IN_ZSTD = b"".join(pa.compress(frame, codec="zstd", asbytes=True) for frame in FRAMES)
PLAIN = predict(MANY).output


def scorer_of(body: bytes) -> tuple[ModelScorer, MemoryInput, FilePlan]:
    scorer, file = ModelScorer(Model(double), part_bytes=PART), MemoryInput(body)
    plan = scorer.open_file(file, LENIENT, MemoryOutput())
    assert isinstance(plan, FilePlan)
    return scorer, file, plan


def cut_all(
    scorer: ModelScorer, file: MemoryInput, plan: FilePlan, output: MemoryOutput | None = None
) -> list[bytes]:
    """Return the text of each part."""
    if output is None:
        output = MemoryOutput()
        output.open(plan.form)
    start = plan.begin.offset
    while (stop := scorer.cut_part(file, plan, start, output).stop) > start:
        assert len(output.output) == stop - plan.begin.offset
        start = stop
    return output.written


@pytest.mark.parametrize("body", [IN_GZIP, IN_ZSTD], ids=["gzip", "zstd"])
def test_the_parts_are_those_of_the_plain_text(body: bytes) -> None:
    texts = cut_all(*scorer_of(body))
    assert b"".join(texts) == MANY[5:]
    # A row belongs to the part in which it begins: see the same test of a plain file.
    assert list(map(len, texts)) == [1000, 1000, 1000, 200]


def test_an_output_in_gzip_is_one_member_as_some_readers_end_with_the_first() -> None:
    output = predict(IN_GZIP).output
    member = zlib.decompressobj(31)
    assert member.decompress(output) == PLAIN
    assert (member.eof, member.unused_data) == (True, b"")


def test_an_output_in_zstd_is_read_whole_though_it_has_several_frames() -> None:
    output = predict(IN_ZSTD).output
    with pa.input_stream(pa.BufferReader(output), "zstd") as stream:
        assert stream.read() == PLAIN
    assert output.count(b"\x28\xb5\x2f\xfd") == 1 + 4  # of the header, and of each part


def test_an_output_without_rows_is_one_member_too() -> None:
    body = gzip.compress(b"id,x\n" + b"00000,x\n" * 400)
    options = replace(LENIENT, max_rejected=1, dtypes=(("x", "int"),))
    model = Model(lambda frame: frame["x"])
    assert gzip.decompress(predict(body, options, model, part_bytes=100).output) == b"id,seen\n"


def test_an_output_of_another_format_is_not_compressed() -> None:
    output = predict(IN_GZIP, replace(LENIENT, output_format="jsonl"))
    assert output.output.startswith(b'{"id": "00000", "seen": 2}\n')
    assert output.form == OutputForm("application/x-ndjson", "jsonl")


def test_the_content_encoding_of_the_input_is_that_of_the_output() -> None:
    form = predict(IN_GZIP, replace(LENIENT, content_encoding="gzip")).form
    assert form == OutputForm("text/csv", None, "gzip")


@pytest.mark.parametrize("sizes", [[], [0], [5, 0, 70_000, 1]])
def test_pieces_of_gzip_and_their_checksums_make_one_member(sizes: list[int]) -> None:
    pieces = [bytes(number % 251 for number in range(size)) for size in sizes]
    member, checksum = gzip_member.BEGIN, Checksum()
    for piece in pieces:
        compressor = PieceCompressor("gzip")
        member += compressor.compress(piece) + compressor.flush()
        checksum = gzip_member.join_checksums(checksum, compressor.checksum)
    assert gzip.decompress(member + gzip_member.end(checksum)) == b"".join(pieces)


def test_the_length_in_a_member_is_modulo_4_gib() -> None:
    large = Checksum(zlib.crc32(b"x"), 2**32 + 1)
    assert gzip_member.end(large)[-4:] == b"\1\0\0\0"


def test_a_process_goes_on_only_where_it_has_unpacked_the_file_so_far() -> None:
    scorer, file, plan = scorer_of(IN_GZIP)
    output = MemoryOutput()
    output.open(plan.form)
    stop = scorer.cut_part(file, plan, plan.begin.offset, output).stop
    other, file, plan = scorer_of(IN_GZIP)
    with pytest.raises(TransientError, match="was lost"):
        other.cut_part(file, plan, stop, output)
    # A file that is opened begins at its beginning, whatever was unpacked before.
    assert isinstance(scorer.open_file(file, LENIENT, output), FilePlan)
    assert b"".join(cut_all(scorer, file, plan)) == MANY[5:]


def test_a_file_without_a_row_is_predicted_at_once() -> None:
    body = gzip.compress(b"id,x," + bytes(range(97, 123)) * 40 + b"\n")
    output, model = MemoryOutput(), Model(lambda frame: frame.iloc[:, 0])
    opened = open_file(MemoryInput(body), model, LENIENT, output, part_bytes=100)
    assert opened == ScoreResult(0, 0)


def test_a_row_that_never_ends_is_refused_with_its_line_and_not_unpacked_whole() -> None:
    body = gzip.compress(MANY + b"9" * (64 << 20), 1)
    scorer, file, plan = scorer_of(body)
    output = MemoryOutput()
    output.open(plan.form)
    with pytest.raises(Unparsable, match=r"^line 402: the row is longer than 16 MiB"):
        scorer.score_all_parts(file, LENIENT, plan, output)


@pytest.mark.parametrize("lines", [MANY, b'{"id": 1, "x": 2}\n' * 10_001], ids=["csv", "json"])
def test_no_text_is_cut_behind_a_row_that_never_ends(lines: bytes) -> None:
    body = gzip.compress(lines + b"9" * (40 << 20) + b"\n" + lines, 1)
    scorer, file, plan = scorer_of(body)
    output = MemoryOutput()
    output.open(plan.form)
    with pytest.raises(Unparsable, match="longer than 16 MiB"):
        cut_all(scorer, file, plan, output)
    assert len(output.output) < len(lines) + (20 << 20)


def test_rows_that_the_types_of_the_whole_file_make_bad_have_the_lines_of_the_file() -> None:
    text = MANY.replace(b"00300,1", b"00300,x")
    options = replace(LENIENT, dtypes=(("x", "float"),))
    plain, packed = predict(text, options), predict(gzip.compress(text), options)
    assert (
        plain.rejects
        == packed.rejects
        == (b"line,reason,row\n302,\"column 'x' is 'x', not a number\",\"00300,x\"\n")
    )
    assert gzip.decompress(packed.output) == plain.output
