"""Predicts all parts of a large file, one after the other, in one process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from worker.errors import Unparsable
from worker.interfaces import (
    CutPart,
    FilePlan,
    InputReader,
    OutputPiece,
    OutputSink,
    Part,
    PartMessage,
    Range,
    ScoreOptions,
    ScoreResult,
)
from worker.models import Predictor
from worker.scoring.part_chain import PartChain
from worker.scoring.part_cutter import PartCutter
from worker.scoring.parts import score_part


def score_all_parts(
    file: InputReader,
    predictor: Predictor,
    options: ScoreOptions,
    plan: FilePlan,
    output: OutputSink,
) -> ScoreResult:
    """Predict a file by its plan, and write the output; raises what `score` raises."""
    chain = PartChain(plan, options.max_rejected)
    cutter = PartCutter(file, plan) if plan.is_packed else None
    part_file = file
    while not chain.is_complete:
        if cutter is not None:
            text, cut = _cut(cutter)
            part_file = PartFile(file, text)
            write_pieces(output, chain.add_cut(cut))
            del text
        if (part := chain.next_part()) is not None:
            sink = ChainSink(chain, part, output)
            sink.send_part(score_part(part_file, predictor, options, plan, part=part, sink=sink))
    return chain.result()


def _cut(cutter: PartCutter) -> tuple[bytes, CutPart | Unparsable]:
    try:
        return cutter.cut(), CutPart(cutter.offset)
    except Unparsable as error:
        return b"", error


@dataclass(frozen=True, slots=True)
class ChainSink:
    """Implements worker.interfaces.PartSink for parts that one process predicts in a row."""

    chain: PartChain
    part: Part
    output: OutputSink

    def send_part(self, message: PartMessage) -> None:
        """Write what is to be written now."""
        write_pieces(self.output, self.chain.add(self.part, message))


def write_pieces(output: OutputSink, pieces: Sequence[OutputPiece]) -> None:
    """Write pieces of an output and of its rejected rows."""
    for piece in pieces:
        write = output.reject if piece.rejects else output.write
        write(piece.data)


@dataclass(slots=True)
class PartFile:
    """Implements worker.interfaces.InputReader: a compressed file, and the text of a part of it."""

    file: InputReader
    first: bytes
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.file.size

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Read the compressed file."""
        return self.file.read(ranges)

    def reserve(self, size: int) -> None:
        """Reserve bytes for the file."""
        self.file.reserve(size)
