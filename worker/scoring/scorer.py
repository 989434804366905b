"""What a pool process does with its model: it predicts files, and the parts of large ones."""

from dataclasses import dataclass, field

from worker.errors import TransientError
from worker.interfaces import (
    CutPart,
    FilePlan,
    InputReader,
    OutputSink,
    Part,
    PartResult,
    PartSink,
    ScoreOptions,
    ScoreResult,
)
from worker.models import Predictor
from worker.scoring.all_parts import score_all_parts
from worker.scoring.part_cutter import PartCutter
from worker.scoring.parts import score_part
from worker.scoring.score import PART_BYTES, open_file


@dataclass(slots=True)
class ModelScorer:
    """Implements worker.pool.child.Scorer."""

    predictor: Predictor
    part_bytes: int = PART_BYTES
    _cutter: PartCutter | None = field(default=None, init=False)
    """Of the compressed file that this process has opened, if some of it is unpacked."""

    def open_file(
        self, file: InputReader, options: ScoreOptions, output: OutputSink
    ) -> ScoreResult | FilePlan:
        """Predict a file, or return the plan by which it is predicted part by part."""
        self._cutter = None
        return open_file(file, self.predictor, options, output, part_bytes=self.part_bytes)

    def score_part(
        self, file: InputReader, options: ScoreOptions, plan: FilePlan, part: Part, sink: PartSink
    ) -> PartResult:
        """Predict one part of a file."""
        return score_part(file, self.predictor, options, plan, part=part, sink=sink)

    def score_all_parts(
        self, file: InputReader, options: ScoreOptions, plan: FilePlan, output: OutputSink
    ) -> ScoreResult:
        """Predict one part of a file after the other."""
        return score_all_parts(file, self.predictor, options, plan, output)

    def cut_part(
        self, file: InputReader, plan: FilePlan, start: int, output: OutputSink
    ) -> CutPart:
        """Write the text of the next part of a compressed file."""
        cutter, self._cutter = self._cutter, None  # nothing is kept if it fails or ends
        if cutter is None:
            cutter = PartCutter(file, plan)
        if cutter.offset != start:
            raise TransientError("the process that has unpacked the file so far was lost")
        if text := cutter.cut():
            output.write(text)
            self._cutter = cutter
        return CutPart(cutter.offset)
