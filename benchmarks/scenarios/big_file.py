"""Scenario: one file of 200 MB as CSV, JSON Lines and Parquet; and one CSV of 2 GB."""

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from benchmarks.harness.bench_cloud import INPUTS, BenchCloud
from benchmarks.harness.contenders import Contender, opponent, worker
from benchmarks.harness.drain import Check, DrainResult, drain
from benchmarks.harness.generated_files import (
    COLUMNS,
    GeneratedFile,
    PieceReader,
    block,
    csv,
    json_lines,
)
from benchmarks.harness.options import Options
from benchmarks.harness.report import MB, Report, Row, Target
from benchmarks.memory_run import allowed_mb

SMALL, QUICK_SMALL = 200, 20
LARGE, QUICK_LARGE = 2000, 100
LINEAR = "logistic regression"
PARQUET = "the same as Parquet"
JSON_LINES = "JSON Lines"
MODELS = {
    LINEAR: LogisticRegression(),
    "50-tree forest": RandomForestClassifier(n_estimators=50, random_state=0),
}


@dataclass(slots=True)
class Work:
    """One kind of work for one contender."""

    name: str
    contender: Contender
    key: str
    model: Path
    is_large: bool = False
    runs: list[DrainResult] = field(default_factory=list)

    def row(self) -> Row:
        """Return the row of the table."""
        return Row.of(self.name, self.contender.name, self.runs)


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Measure each kind of work for each contender in turn."""
    small, large = (QUICK_SMALL, QUICK_LARGE) if options.quick else (SMALL, LARGE)
    models = {name: _trained(model, bench.folder / f"{name}.pkl") for name, model in MODELS.items()}
    works = _works(bench, small, large, models)
    for number in range(options.runs):
        for one in works:
            if one.is_large and number >= options.few_runs:
                continue
            options.log(f"{one.name}, round {number + 1}: {one.contender.name}")
            check = _output_check(one.model)
            one.runs.append(drain(bench, one.contender, [one.key], one.model, check))
    report.rows += [one.row() for one in works]
    report.targets += _targets({(row.work, row.who): row for row in report.rows}, small, large)


def _works(bench: BenchCloud, small: int, large: int, models: dict[str, Path]) -> list[Work]:
    """Upload the files; return which contender predicts which file with which model."""
    rows = _upload(bench, f"{small}.csv", csv(small * MB))
    _upload(bench, "lines.jsonl", json_lines(small * MB))
    _upload_parquet(bench, rows)
    _upload(bench, f"{large}.csv", csv(large * MB))
    ours, origin = worker(), opponent("origin")
    works = [
        Work(f"{small} MB CSV, {name}", contender, f"{small}.csv", model)
        for name, model in models.items()
        for contender in (ours, origin)
    ]
    linear = models[LINEAR]
    works.append(Work(PARQUET, ours, "table.parquet", linear))
    works.append(Work(f"{small} MB {JSON_LINES}", ours, "lines.jsonl", linear))
    works += [
        Work(f"{large} MB CSV, {LINEAR}", contender, f"{large}.csv", linear, is_large=True)
        for contender in (ours, origin)
    ]
    return works


def _upload(bench: BenchCloud, key: str, file: GeneratedFile) -> int:
    bench.s3.upload_fileobj(PieceReader(file.pieces), INPUTS, key)
    return file.rows


def _upload_parquet(bench: BenchCloud, rows: int) -> None:
    frame = block()
    sink = io.BytesIO()
    frame.loc[np.tile(frame.index, rows // len(frame))].to_parquet(sink, index=False)
    bench.put(["table.parquet"], sink.getvalue())


def _trained(model: BaseEstimator, path: Path) -> Path:
    random = np.random.default_rng(0)
    names = [f"x{number}" for number in range(COLUMNS)]
    frame = pd.DataFrame(random.normal(size=(1000, COLUMNS)), columns=names)
    joblib.dump(model.fit(frame, random.integers(0, 2, 1000)), path)
    return path


def _output_check(model: Path) -> Check:
    """Return a check that compares an output, block by block, with the predictions of one block."""
    expected = joblib.load(model).predict_proba(block().iloc[:, 1:])[:, 1]

    def check(body: bytes) -> None:
        output = _read(body)
        assert len(output) % len(expected) == 0
        blocks = output["activation"].to_numpy().reshape(-1, len(expected))
        np.testing.assert_allclose(blocks, np.broadcast_to(expected, blocks.shape), rtol=1e-12)

    return check


def _read(body: bytes) -> pd.DataFrame:
    if body.startswith(b"PAR1"):
        return pd.read_parquet(io.BytesIO(body))
    if body.startswith(b"{"):
        return pd.read_json(io.BytesIO(body), lines=True, dtype={"id": str})
    return pd.read_csv(io.BytesIO(body), dtype={"id": str})


def _targets(rows: Mapping[tuple[str, str], Row], small: int, large: int) -> Iterator[Target]:
    for name in MODELS:
        work = f"{small} MB CSV, {name}"
        ours, origin = (rows[work, who] for who in ("tidegate", "origin"))
        yield Target(
            f"{work}: wall against the origin's", ours.wall_seconds / origin.wall_seconds, most=0.6
        )
    work = f"{large} MB CSV, {LINEAR}"
    big, origin = rows[work, "tidegate"], rows[work, "origin"]
    yield Target(
        f"{work}: wall against the origin's", big.wall_seconds / origin.wall_seconds, most=0.5
    )
    one = rows[f"{small} MB CSV, {LINEAR}", "tidegate"]
    lines = rows[f"{small} MB {JSON_LINES}", "tidegate"]
    yield Target("JSON Lines: CPU against CSV's", lines.cpu_seconds / one.cpu_seconds, most=1.7)
    most = allowed_mb(os.cpu_count() or 1)
    assert one.peak_mb
    assert big.peak_mb
    for megabytes, peak in ((small, one.peak_mb), (large, big.peak_mb)):
        yield Target(f"{megabytes} MB CSV: peak MB of the tree", peak, most=most)
    flat = f"{large} MB CSV: peak against {small} MB's"
    yield Target(flat, big.peak_mb / one.peak_mb, most=1.1)
