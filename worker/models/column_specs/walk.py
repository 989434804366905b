"""The walk through a fitted model, from part to part, in the order in which columns meet them.

Columns are followed only as long as their values stay as they are: through the routes of a
ColumnTransformer, `passthrough`, selections, and imputers that keep the type. What a part computes
says nothing of the input. A part that is not known says nothing either: a wrong type would make a
wrong prediction, and without one the column stays as pandas reads it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from worker.columns import Missing
from worker.models.column_specs.claims import SILENT, Claim

Estimator = Any  # scikit-learn is untyped


@dataclass(frozen=True, slots=True)
class Column:
    """An input column whose values a table inside the model holds as they are."""

    position: int
    missing: Missing | None = None
    """What an imputer before says of missing values."""


Columns = Sequence[Column | None]
"""The columns of a table inside the model; None for a column that is computed."""

Handler = Callable[["Walk", Estimator, Columns], Columns | None]
"""Notes what a part says of its columns, and returns the columns that it makes of them.

None: it makes computed columns only, and how many is not known.
"""


class Walk:
    """Visits the parts of a model, and gathers what they claim of each input column."""

    def __init__(self, width: int, handler_of: Callable[[Estimator], Handler]) -> None:
        self.claims: list[list[Claim | None]] = [[] for _ in range(width)]
        self.has_documents = False
        self._handler_of = handler_of

    def visit(self, part: Estimator, columns: Columns) -> Columns | None:
        """Visit a part and the parts in it; returns what its handler returns."""
        if part is None or (isinstance(part, str) and part == "passthrough"):
            return columns
        try:
            return self._handler_of(part)(self, part, columns)
        except Exception:  # noqa: BLE001 - another version may build its models in another way
            self.claim_all(columns, SILENT)
            return None

    def claim(self, column: Column | None, claim: Claim | None) -> None:
        """Note a claim, unless the column is computed."""
        if column is None:
            return
        if claim is not None and column.missing is not None:
            # What an encoder saw behind an imputer, the imputer does not take for missing.
            missing = claim.missing if claim.missing in {"nan", "none"} else column.missing
            # The array that an imputer makes is one of objects if a column beside is text.
            claim = replace(claim, missing=missing, as_objects=None)
        claims = self.claims[column.position]
        if claim not in claims:  # a hundred bagged models claim the same
            claims.append(claim)

    def claim_all(self, columns: Columns, claim: Claim | None) -> None:
        """Note the same claim for all columns."""
        for column in columns:
            self.claim(column, claim)
