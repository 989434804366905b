"""The suites: their files, and how many of them may be silently wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from tests.robustness.csv_pollution import pollock, pollock_numbers
from tests.robustness.csv_real import real_files
from tests.robustness.csv_siblings import siblings
from tests.robustness.json_lines import json_files
from tests.robustness.parquet_damage import damaged_files
from tests.robustness.readers import (
    arrow_parquet,
    pandas_csv,
    pandas_json,
    product,
    product_json,
    product_numbers,
    product_parquet,
)
from tests.robustness.verdict import Judged, Load, Polluted, judge, judge_in_a_process

_FIRST = 24  # the changes to whole files stand first


@dataclass(frozen=True, slots=True)
class Suite:
    """Files, the product's reader, and another reader as a reference."""

    name: str
    what: str
    files: Callable[[], Iterator[Polluted]]
    bar: int
    """So many files may be silently wrong."""
    product: Load
    reference: tuple[str, Load]
    may_abort: bool = False
    """Whether a reader may end its process: then the files are judged in another one.

    What the reference reads alike is then wrong as well, but no reader can see it.
    """

    def sample(self, step: int = 1) -> list[Polluted]:
        """Return each `step`-th file, and the first ones."""
        files = list(self.files())
        return [*files[:_FIRST], *islice(files, _FIRST, None, step)]

    def judged(self, step: int = 1) -> list[Judged]:
        """Read a sample of the files by the product."""
        files = self.sample(step)
        if self.may_abort:
            return list(judge_in_a_process(files, self.product, self.reference[1]))
        return [judge(file, self.product) for file in files]

    def judged_by_reference(self) -> list[Judged]:
        """Read all files by the other reader."""
        files = self.sample()
        if self.may_abort:
            return list(judge_in_a_process(files, self.reference[1]))
        return [judge(file, self.reference[1]) for file in files]


PANDAS = ("pandas", pandas_csv)
POLLOCK = Suite("pollock", "a public benchmark's 2,290 polluted CSVs", pollock, 6, product, PANDAS)
NUMBERS = Suite(
    "numbers",
    "the same pollutions of a table of numbers",
    pollock_numbers,
    2,  # a second table of numbers, and a blank after each delimiter: the numbers are right
    product_numbers,
    PANDAS,
)
SIBLINGS = Suite("siblings", "other damage to cells and rows", siblings, 0, product, PANDAS)
REAL = Suite("real", "small CSVs in the manner of real ones", real_files, 0, product, PANDAS)
JSON = Suite("json", "JSON Lines", json_files, 0, product_json, ("pandas", pandas_json))
PARQUET = Suite(
    "parquet",
    "one damaged byte in a Parquet file",
    damaged_files,
    0,
    product_parquet,
    ("pyarrow", arrow_parquet),
    may_abort=True,
)
SUITES = (POLLOCK, NUMBERS, SIBLINGS, REAL, JSON, PARQUET)
