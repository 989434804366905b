"""What crosses the border to a pool process and back; light, as both sides import it."""

from dataclasses import dataclass
from typing import Literal

Format = Literal["csv", "parquet"]


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How a file is read and what its output looks like."""

    delimiter: str | None = None  # None: sniffed
    encoding: str = "utf-8"
    keep_columns: tuple[str, ...] | None = None  # None: the first; ("*",): all
    output_format: Format | None = None  # None: format and compression of the input
    max_rejected: float = 0.0  # a fraction of the rows


@dataclass(frozen=True, slots=True)
class Scored:
    """A file's predictions, ready to upload."""

    output: bytes
    rows: int
    rejected: int
    rejects: bytes | None  # CSV: line, reason, row
    content_type: str
    converted_to: Format | None  # set when the output has another format than the input
