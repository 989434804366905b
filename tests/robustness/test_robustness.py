"""A sample of the suites; `python -m tests.robustness` runs them whole.

A row is right, or it is rejected, or its file is refused. The public benchmark's bar is six files
of 2,290 that are silently wrong, all others' is none.
"""

import io
import os

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.robustness.parquet_damage import damaged_files
from tests.robustness.readers import product_parquet
from tests.robustness.suites import JSON, POLLOCK, REAL, SUITES, Suite
from tests.robustness.verdict import (
    Judged,
    Loaded,
    Polluted,
    Truth,
    Verdict,
    judge,
    judge_in_a_process,
)

# Every file in `make test` would take a minute.
STEPS = {"pollock": 5, "numbers": 1, "siblings": 7, "real": 1, "json": 1, "parquet": 61}


def wrong(judged: list[Judged]) -> list[str]:
    return [
        f"{one.verdict}: {one.file.name}: {one.reason}"
        for one in judged
        if one.verdict in {Verdict.WRONG, Verdict.CRASHED}
    ]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_no_damaged_file_is_silently_wrong(suite: Suite) -> None:
    found = wrong(suite.judged(STEPS[suite.name]))

    assert len(found) <= suite.bar, "\n".join(found)


def test_the_public_benchmark_has_as_many_files_as_were_published() -> None:
    names = [file.name for file in POLLOCK.files()]

    assert len(set(names)) == len(names) == 2290


@pytest.mark.parametrize("suite", [POLLOCK, REAL, JSON], ids=lambda suite: suite.name)
def test_the_judge_finds_what_a_careless_reader_gets_wrong(suite: Suite) -> None:
    _, reader = suite.reference
    judged = [judge(file, reader) for file in suite.sample(40)]

    assert len(wrong(judged)) > len(judged) / 5


def test_a_process_that_dies_is_a_crash_and_the_next_file_is_judged() -> None:
    files = [Polluted(name, name.encode(), Truth.of((), [])) for name in ("dies", "lives")]

    assert [one.verdict for one in judge_in_a_process(files, dies_of_its_name)] == [
        Verdict.CRASHED,
        Verdict.RIGHT,
    ]


def dies_of_its_name(file: Polluted) -> Loaded:
    if file.name == "dies":
        os._exit(1)
    return Loaded((), [], 0)


def test_a_parquet_file_whose_row_groups_do_not_add_up_loses_no_rows() -> None:
    files = [file for file in damaged_files() if adds_up_wrongly(file.body)]

    assert len(files) > 3
    judged = {judge(file, product_parquet).verdict for file in files}
    assert judged <= {Verdict.REFUSED, Verdict.RIGHT}


def adds_up_wrongly(body: bytes) -> bool:
    """Return whether Arrow reads the footer, and finds other rows in it than in the row groups."""
    try:
        footer = parquet.read_metadata(io.BytesIO(body))
    except (pa.ArrowException, OSError, ValueError):
        return False
    groups = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
    return bool(sum(groups) != footer.num_rows)
