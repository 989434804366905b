"""The facts of a run, as the report's tests need them: a whole run, and one of hostile names."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.summaries import classes, numbers
from tidegate.failures.failed_files import Failure
from tidegate.operating.log_lines import Line
from tidegate.report.distributions import Comparison, compare
from tidegate.report.page import Counts, Facts, Spent
from tidegate.report.work import sum_up
from tidegate.runs.request import Request
from worker.distributions import Distributions, short_name
from worker.job import S3Uri

BEGAN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ENDED = BEGAN + timedelta(minutes=10)
DIGEST = "ab" * 32
REQUEST = Request(
    run="20260304-050607-ab12",
    stack="churn",
    by="arn:aws:sts::123456789012:assumed-role/analyst/ana",
    began=BEGAN,
    bucket="churn-input",
    prefix="2026/03/",
    output_bucket="churn-output",
    output_key="predictions",
    model="s3://models/churn.skops",
    model_sha256=DIGEST,
)
# What a key may hold, and what must neither end the text it stands in nor turn what follows.
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "{{ 7 * 7 }}{% raw %}",
    "</style></title></code>&lt;",
    "invoice\u202etxt.exe\u2066\u200f",
    "two\nlines\r\tand\x00\x1b[31m",
    "long/" * 204,
    "'" * 1024,
    "\u202e" * 340,
    "مرحبا/שלום/日本/🦑.csv",
)


def line(at: float = 1, **fields: Any) -> Line:  # noqa: ANN401 - a line's fields
    """Return the log line of a prediction, so many seconds after the run began."""
    found: dict[str, Any] = {
        "event": "job done",
        "status": "predicted",
        "run": REQUEST.run,
        "input": "s3://churn-input/2026/03/a.csv",
        "rows": 100,
        "rejected": 0,
        "seconds": 0.5,
        "model": REQUEST.model,
        "model_sha256": DIGEST,
    }
    time = BEGAN + timedelta(seconds=at)
    task = str(fields.pop("task", "0a1b"))
    return Line(time, f"{time}", "worker", "", found | fields, task)


def failure(
    key: str,
    error_type: str = "SchemaMismatch",
    message: str = "no column 'age'",
    *,
    resolved: bool = False,
) -> Failure:
    """Return the failure of a file of the run."""
    time = BEGAN + timedelta(seconds=30)
    job: Mapping[str, Any] = {"run": REQUEST.run}
    return Failure(S3Uri("churn-input", key), job, error_type, message, time, resolved=resolved)


def facts(
    lines: Sequence[Line],
    failures: Sequence[Failure] = (),
    **fields: Any,  # noqa: ANN401 - of Facts
) -> Facts:
    """Return the facts of a run whose every predicted file has a line."""
    predicted = len({one.file for one in lines})
    counts = Counts(
        files=predicted + len(failures),
        predicted=predicted,
        failed=len(failures),
        status="completed_with_failures" if failures else "completed",
        ended=ENDED,
    )
    found = Facts(
        request=REQUEST,
        counts=counts,
        failures=failures,
        work=sum_up(lines, REQUEST.run, BEGAN, ENDED),
        spent=Spent(0.0123, 0.25, at_least=False),
        versions={"model": REQUEST.model, "image, as deployed now": "0123456789ab"},
        comparisons=(),
        unanswered=(),
        written=ENDED,
    )
    return replace(found, **fields)


def whole() -> Facts:
    """Return a run of 200 files with failures, rejected rows, and predictions' distributions."""
    draw = random.Random(7)  # noqa: S311 - no secret
    lines = [
        line(
            predictions=_predictions(draw, 3, 30).fields(),
            at=draw.triangular(20, 590, 90),
            seconds=draw.lognormvariate(0.2, 0.8),
            input=f"s3://churn-input/2026/03/day-{place:03}.csv",
            rows=draw.randrange(1_000, 90_000),
            rejected=draw.randrange(1, 40) if place % 23 == 0 else 0,
            task=f"{place % 3}f0e2d4c6b8a49d1",
        )
        for place in range(188)
    ]
    failures = [failure(f"2026/03/bad-{place}.csv") for place in range(9)]
    failures += [
        failure(f"2026/03/torn-{place}.parquet", "Unparsable", "not a Parquet file: no footer")
        for place in range(3)
    ]
    found = facts(lines, failures)
    assert found.work is not None
    baseline = _predictions(draw, 2.3, 2_000)
    without_revenue = {name: baseline.columns[name] for name in ("label", "activation")}
    comparisons = compare(found.work.predictions, lambda _: Distributions(without_revenue))
    return replace(found, comparisons=comparisons)


def _predictions(draw: random.Random, skew: float, rows: int) -> Distributions:
    """Return the summary of some drawn predictions."""
    labels = draw.choices(["stays", "leaves", "<b>unknown</b>"], [80, 17, 3], k=rows)
    return Distributions(
        {
            "label": classes(labels),
            "activation": numbers(draw.betavariate(skew, 7) for _ in range(rows)),
            "revenue": numbers(draw.lognormvariate(4, 2) for _ in range(rows)),
        }
    )


def hostile() -> Facts:
    """Return a run whose every text is somebody's attempt, and each list longer than is shown."""
    texts = [one for one in HOSTILE for _ in range(4)]
    lines = [
        line(input=f"s3://churn-input/{one}", rejected=1, task=one, model=one, model_sha256=one)
        for one in texts
    ]
    failures = [failure(one, f"{one}{place}", f"{place} {one}") for place, one in enumerate(texts)]
    found = facts(lines, failures, unanswered=HOSTILE, versions={"model": HOSTILE[0]})
    names = [short_name(one) for one in HOSTILE]
    wide = numbers([-1e308, 1e308, *(draw / 7 for draw in range(-500, 500))])
    comparisons = [Comparison(one, classes(HOSTILE * 3), classes(HOSTILE), one) for one in names]
    comparisons[1:1] = [Comparison(one, wide, numbers([0.5]), one) for one in names[:4]]
    request = replace(
        REQUEST, prefix=HOSTILE[0], by=HOSTILE[1], model=HOSTILE[2], settings={"QUOTE": HOSTILE[3]}
    )
    return replace(found, comparisons=comparisons, request=request)
