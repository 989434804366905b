"""Decides whether a file has too many rejected rows, and says so. Imports nothing heavy."""

from dataclasses import dataclass, field

from worker.errors import TooManyRejected


@dataclass(slots=True)
class RejectedShare:
    """The counts of a file's rows so far, and the first rejected ones."""

    limit: float
    """The most that may be rejected, as a fraction of the rows."""
    position_unit: str
    rows: int = 0
    """All rows, the rejected ones among them."""
    rejected: int = 0
    raising: int = 0
    """The rejected rows that the model raises on."""
    shown: list[tuple[int, str]] = field(default_factory=list)
    """Line and reason of the first rejected rows."""

    @property
    def file_fails(self) -> bool:
        """Whether the file fails already: no row may be rejected, and one is."""
        return self.rejected > 0 and not self.limit

    def refuse_too_many(self, *, is_read: bool = True) -> None:
        """Raise TooManyRejected if the share of rejected rows exceeds the limit.

        `is_read` is whether all rows are read; if not, the file must fail for certain.
        """
        if not self.rejected or self.rejected / self.rows <= self.limit:
            return
        shown = [f"{self.position_unit} {line}: {reason}" for line, reason in self.shown]
        more = f"; and {self.rejected - len(shown)} more" if self.rejected > len(shown) else ""
        # Once the file fails the model is not called any more; it might raise on more rows.
        at_least = "at least " if not is_read or (self.raising and self.file_fails) else ""
        raise TooManyRejected(
            f"{at_least}{self.rejected} of {'' if is_read else 'the first '}{self.rows} rows are "
            f"bad, and WORKER_MAX_REJECTED={self.limit:g} allows no more than that share: "
            f"{'; '.join(shown)}{more}{'' if is_read else '; the rest was not read'}"
        )
