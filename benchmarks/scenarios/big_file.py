"""Scenario: one file of 200 MB, as CSV and as Parquet, with two models; and one file of 2 GB."""

import io
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
from benchmarks.harness.generated_files import COLUMNS, PieceReader, block, csv
from benchmarks.harness.options import Options
from benchmarks.harness.report import MB, Report, Row, Target

SMALL, QUICK_SMALL = 200, 20
LARGE, QUICK_LARGE = 2000, 100
MODELS = {
    "logistic regression": LogisticRegression(),
    "50-tree forest": RandomForestClassifier(n_estimators=50, random_state=0),
}


@dataclass(slots=True)
class Work:
    """One kind of work for one contender."""

    name: str
    contender: Contender
    key: str
    model: Path
    runs: list[DrainResult] = field(default_factory=list)
    once: bool = False

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
            if number and one.once:
                continue
            options.log(f"{one.name}, round {number + 1}: {one.contender.name}")
            check = _output_check(one.model)
            one.runs.append(drain(bench, one.contender, [one.key], one.model, check))
    report.rows += [one.row() for one in works]
    report.targets += _targets({(row.work, row.who): row for row in report.rows}, small, large)


def _works(bench: BenchCloud, small: int, large: int, models: dict[str, Path]) -> list[Work]:
    """Upload the files; return which contender predicts which file with which model."""
    rows = _upload(bench, small)
    _upload_parquet(bench, rows)
    _upload(bench, large)
    contenders = (worker(), opponent("floor"), opponent("origin"))
    works = [
        Work(f"{small} MB CSV, {name}", contender, f"{small}.csv", model)
        for name, model in models.items()
        for contender in contenders
    ]
    linear = models["logistic regression"]
    works += [
        Work("the same as Parquet", contender, "table.parquet", linear)
        for contender in contenders[:2]
    ]
    work = f"{large} MB CSV, logistic regression"
    return [*works, Work(work, contenders[0], f"{large}.csv", linear, once=True)]


def _upload(bench: BenchCloud, megabytes: int) -> int:
    file = csv(megabytes * MB)
    bench.s3.upload_fileobj(PieceReader(file.pieces), INPUTS, f"{megabytes}.csv")
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
        if body.startswith(b"PAR1"):
            output = pd.read_parquet(io.BytesIO(body))
        else:
            output = pd.read_csv(io.BytesIO(body), dtype={"id": str})
        assert len(output) % len(expected) == 0
        blocks = output["activation"].to_numpy().reshape(-1, len(expected))
        np.testing.assert_allclose(blocks, np.broadcast_to(expected, blocks.shape), rtol=1e-12)

    return check


def _targets(rows: Mapping[tuple[str, str], Row], small: int, large: int) -> Iterator[Target]:
    for name in MODELS:
        work = f"{small} MB CSV, {name}"
        ours, floor, origin = (rows[work, who] for who in ("tidegate", "floor", "origin"))
        yield Target(
            f"{work}: wall against the origin's", ours.wall_seconds / origin.wall_seconds, most=0.5
        )
        yield Target(
            f"{work}: CPU against the floor's", ours.cpu_seconds / floor.cpu_seconds, most=1.25
        )
    one = rows[f"{small} MB CSV, logistic regression", "tidegate"]
    parquet = rows["the same as Parquet", "tidegate"]
    two = rows[f"{large} MB CSV, logistic regression", "tidegate"]
    assert one.peak_mb
    assert two.peak_mb
    yield Target("Parquet: CPU against CSV's", parquet.cpu_seconds / one.cpu_seconds, most=0.7)
    yield Target(f"{small} MB CSV: peak MB of the tree", one.peak_mb, most=400)
    yield Target(f"{large} MB CSV: peak against {small} MB's", two.peak_mb / one.peak_mb, most=1.1)
