"""Scores a file in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from worker.errors import NeedsTypes
from worker.interfaces import Format, ScoreOptions
from worker.models import Predictor
from worker.scoring import score as scoring


@dataclass(frozen=True)
class ScoredFile:
    """The output of a file, its rejected rows, and the row counts."""

    output: bytes
    rows: int
    rejected: int
    rejects: bytes | None
    content_type: str
    converted_to: Format | None


def score(
    body: bytes,
    predictor: Predictor,
    options: ScoreOptions,
    *,
    first: int | None = None,
    pieces: Sequence[int] = (2**16,),
) -> ScoredFile:
    """Score a file that comes in pieces of these sizes, after its first bytes (None: all).

    As the runner does, score it once more if its later rows change the types of its first ones.
    """
    output = MemoryOutput()
    file = MemoryInput(body, first=first, pieces=pieces)
    try:
        scored = scoring.score(file, predictor, options, output)
    except NeedsTypes as types:
        output = MemoryOutput()
        file = MemoryInput(body, first=first, pieces=pieces)
        scored = scoring.score(file, predictor, replace(options, found_types=str(types)), output)
    assert output.form is not None
    return ScoredFile(
        output.output,
        scored.rows,
        scored.rejected,
        output.rejects,
        output.form.content_type,
        output.form.converted_to,
    )
