"""The work for a file grows with its columns and rows, not with the square: counted, not timed."""

import io
import json
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.support.whole_file import score
from worker.formats.parquet.row_groups import RowGroupFetch
from worker.interfaces import ScoreOptions

WIDTH = 80
TWICE = 2.2  # and a little for what does not grow evenly


class Sizes:
    """Predicts the width of the frame, by name or by position."""

    def __init__(self, names: list[str] | None) -> None:
        self.feature_names_in_ = names

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"prediction": np.full(len(frame), float(frame.shape[1]))})


def calls(run: Callable[[], object]) -> int:
    """Count the calls of functions, of Python's and of C's."""
    count = 0

    def on_event(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(on_event)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def table(width: int, cells: list[object]) -> pa.Table:
    return pa.table(
        {"id": [str(row) for row in range(len(cells))]} | {f"c{n}": cells for n in range(width)}
    )


def as_csv(width: int, cells: list[object]) -> bytes:
    csv: str = table(width, cells).to_pandas().to_csv(index=False)
    return csv.encode()


def as_json_lines(width: int, cells: list[object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in table(width, cells).to_pylist()).encode()


def as_parquet(width: int, cells: list[object]) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(table(width, cells), buffer, row_group_size=1)
    return buffer.getvalue()


@pytest.mark.parametrize("written", [as_csv, as_json_lines, as_parquet])
@pytest.mark.parametrize("cells", [[1.5, 2.5], ["a", "b"], [True, None]], ids=["n", "text", "bool"])
@pytest.mark.parametrize(
    "options",
    [
        ScoreOptions(),
        ScoreOptions(keep_columns=("*",)),
        ScoreOptions(keep_columns=("*",), output_format="parquet"),
        ScoreOptions(keep_columns=("*",), output_format="csv"),
    ],
    ids=["default", "all", "parquet", "csv"],
)
@pytest.mark.parametrize("by_name", [True, False])
def test_no_work_grows_with_the_square_of_the_columns(
    *,
    written: Callable[[int, list[object]], bytes],
    cells: list[object],
    options: ScoreOptions,
    by_name: bool,
) -> None:
    def work(width: int) -> int:
        names = [f"c{n}" for n in range(width)]
        body = written(width, cells)
        return calls(lambda: score(body, Sizes(names if by_name else None), options))

    work(2)  # what is imported and cached at the first time
    assert work(2 * WIDTH) < TWICE * work(WIDTH)


@pytest.mark.parametrize(
    "body",
    [
        b"id,x\n" + b"a,1\nb,y\nc\n" * 500,
        b'{"id": "a", "x": 1}\n{"id": "b", "x": "y"}\n{\n' * 500,
    ],
    ids=["csv", "json"],
)
def test_no_work_grows_with_the_square_of_the_rejected_rows(body: bytes) -> None:
    head, rest = body[: body.index(b"\n") + 1], body[body.index(b"\n") + 1 :]

    class Numbers(Sizes):
        numbers_only = True

    def work(times: int) -> int:
        whole = head + rest * times
        return calls(lambda: score(whole, Numbers(["x"]), ScoreOptions(max_rejected=1.0)))

    work(1)
    assert work(4) < TWICE * work(2)


class CountedNumber(int):
    """Counts the comparisons and differences of all numbers."""

    operations = 0

    def __lt__(self, other: int) -> bool:
        CountedNumber.operations += 1
        return int(self) < int(other)

    def __sub__(self, other: int) -> int:
        CountedNumber.operations += 1
        return int(self) - int(other)


@pytest.mark.parametrize("distance", [100, 2**21], ids=["near", "far"])
def test_no_work_grows_with_the_square_of_the_row_groups(distance: int) -> None:
    def work(groups: int) -> int:
        fetch = RowGroupFetch()
        before = CountedNumber.operations
        for group in range(groups):
            start = group * distance
            chunks = [(CountedNumber(start), CountedNumber(start + 10))]
            assert fetch.size_with(chunks) > fetch.size
            fetch.add(group, chunks)
        assert len(fetch.ranges) == (1 if distance == 100 else groups)
        return CountedNumber.operations - before

    assert work(400) < TWICE * work(200)
