"""What a pool process does with its model: it predicts files, and the parts of large ones."""

from dataclasses import dataclass

from worker.interfaces import (
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
from worker.scoring.parts import score_part
from worker.scoring.score import PART_BYTES, open_file


@dataclass(frozen=True, slots=True)
class ModelScorer:
    """Implements worker.pool.child.Scorer."""

    predictor: Predictor
    part_bytes: int = PART_BYTES

    def open_file(
        self, file: InputReader, options: ScoreOptions, output: OutputSink
    ) -> ScoreResult | FilePlan:
        """Predict a file, or return the plan by which it is predicted part by part."""
        return open_file(file, self.predictor, options, output, part_bytes=self.part_bytes)

    def score_part(
        self, file: InputReader, options: ScoreOptions, plan: FilePlan, part: Part, sink: PartSink
    ) -> PartResult:
        """Predict one part of a file."""
        return score_part(file, self.predictor, options, plan, part=part, sink=sink)
