"""What crosses the border to a pool process and back; light, as both sides import it."""

from dataclasses import dataclass
from typing import Literal

Format = Literal["csv", "jsonl", "parquet"]


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How a file is read and what its output looks like."""

    delimiter: str | None = None  # None: sniffed
    encoding: str = "utf-8"
    keep_columns: tuple[str, ...] | None = None  # None: the first; ("*",): all
    output_format: Format | None = None  # None: format and compression of the input
    max_rejected: float = 0.0  # a fraction of the rows
    memory_bytes: int = 512 << 20  # more than this no part of a file may need at once
    reserved_bytes: int = 32 << 20  # how much of it this file may use


@dataclass(frozen=True, slots=True)
class OutputForm:
    """What an output is, known before its first byte."""

    content_type: str
    converted_to: Format | None  # set when the output has another format than the input


@dataclass(frozen=True, slots=True)
class Scored:
    """How many of a file's rows were predicted, and how many set aside."""

    rows: int
    rejected: int
