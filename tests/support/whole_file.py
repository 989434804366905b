"""Scoring from bytes to bytes, however the bytes come in."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.fakes.blob import MemoryBlob, Pieces
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
    outlet = Pieces()
    scored = scoring.score(MemoryBlob(body, first=first, pieces=pieces), predictor, options, outlet)
    assert outlet.form is not None
    return ScoredFile(
        outlet.output,
        scored.rows,
        scored.rejected,
        outlet.rejects,
        outlet.form.content_type,
        outlet.form.converted_to,
    )
