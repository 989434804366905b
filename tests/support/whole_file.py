"""Scoring from bytes to bytes, however the bytes come in."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.fakes.input_reader import MemoryInput, Pieces
from worker.interfaces import Format, ScoreOptions
from worker.models import Predictor
from worker.scoring import score as scoring


@dataclass(frozen=True)
class ScoredFile:
    """All that became of a file."""

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
    """Predict a body that comes in pieces of these sizes, after so many first bytes (None: all)."""
    output = Pieces()
    scored = scoring.score(
        MemoryInput(body, first=first, pieces=pieces), predictor, options, output
    )
    assert output.form is not None
    return ScoredFile(
        output.output,
        scored.rows,
        scored.rejected,
        output.rejects,
        output.form.content_type,
        output.form.converted_to,
    )
