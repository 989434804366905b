"""Runs: workers with their settings and a model whose predictions can be worked out by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.torture import models


@dataclass(frozen=True, eq=False)
class Run:
    """One worker: its name, its model, and its WORKER_ variables."""

    name: str
    model: Callable[[], object]
    settings: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


STRICT = Run("strict", models.line, {"WORKER_MEMORY_MB": "32"})
LENIENT = Run("lenient", models.line, {"WORKER_MAX_REJECTED": "0.5", "WORKER_KEEP_COLUMNS": "*"})
LATIN = Run("latin-1", models.line, {"WORKER_ENCODING": "latin-1"})
UTF_16 = Run("utf-16", models.line, {"WORKER_ENCODING": "utf-16", "WORKER_DELIMITER": "tab"})
BY_PLACE = Run("by-place", models.nameless_line)
SHOP = Run("shop", models.shop)
MIRROR = Run("mirror", models.none, {"WORKER_PREDICTOR": "tests.torture.predictors:Mirror"})
AS_CSV = Run("as-csv", models.line, {"WORKER_OUTPUT_FORMAT": "csv", "WORKER_KEEP_COLUMNS": "*"})
SPARK = Run("spark", models.line, {"WORKER_ESCAPE": "\\", "WORKER_KEEP_COLUMNS": "*"})
UNQUOTED = Run("unquoted", models.line, {"WORKER_QUOTE": "none", "WORKER_KEEP_COLUMNS": "*"})
HEADERLESS = Run("headerless", models.line, {"WORKER_HEADER": "absent"})
CODES = Run("codes", models.codes, {"WORKER_MAX_REJECTED": "0.9"})

RUNS = (
    *(STRICT, LENIENT, LATIN, UTF_16, BY_PLACE, SHOP, MIRROR, AS_CSV),
    *(SPARK, UNQUOTED, HEADERLESS, CODES),
)
