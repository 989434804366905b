"""Gathers what a page shows: the run's record, failures, and the workers' log lines."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from tidegate.aws.asking import attempt
from tidegate.failures.failed_files import Failure
from tidegate.offline.baseline import NoBaseline
from tidegate.operating.log_lines import WORKER, groups_of, lines_with
from tidegate.report.baselines import baseline_of
from tidegate.report.distributions import Comparison, compare
from tidegate.report.page import RUNNING, Counts, Facts, Spent
from tidegate.report.work import Work, sum_up
from tidegate.runs.ending import Summary
from tidegate.runs.record import Record
from tidegate.runs.request import Request
from tidegate.runs.stack_runs import StackRuns
from worker import __version__
from worker.distributions import Distributions

LATE = timedelta(minutes=1)  # a line's time may be after that of the output


def gather(
    runs: StackRuns,
    record: Record,
    request: Request,
    *,
    summary: Summary | None,
    failures: Sequence[Failure],
    unanswered: Sequence[str],
) -> Facts:
    """Return the facts of a run; what AWS refuses is named among them."""
    missing, now = list(unanswered), datetime.now(UTC)
    counts = _ended(summary) if summary else _under_way(runs, record, request)
    work = attempt(
        "the workers' log lines", partial(_work, runs, request, counts.ended or now), missing
    )
    return Facts(
        request=request,
        counts=counts,
        failures=[one for one in failures if (one.job or {}).get("run") == request.run],
        work=work,
        spent=_spent(summary or {}),
        versions=_versions(request, runs.stack.parameters),
        comparisons=_compared(runs, work, missing) if work else (),
        unanswered=missing,
        written=now,
    )


def _work(runs: StackRuns, request: Request, ended: datetime) -> Work:
    group = groups_of(runs.stack.outputs)[WORKER]
    logs = runs.account.client("logs")
    lines = lines_with(logs, group, request.run, request.began, ended + LATE)
    return sum_up(lines, request.run, request.began, ended)


def _compared(runs: StackRuns, work: Work, missing: list[str]) -> Sequence[Comparison]:
    s3 = runs.account.client("s3")

    def baseline(sha256: str) -> Distributions | None:
        call = partial(baseline_of, s3, work.models, sha256)
        try:
            return attempt("the baseline of the model", call, missing)
        except NoBaseline as error:
            missing.append(str(error))
            return None

    return compare(work.predictions, baseline)


def _ended(summary: Summary) -> Counts:
    return Counts(
        files=summary["files"],
        predicted=summary["predicted"],
        failed=summary["failed"],
        status=summary["status"],
        ended=datetime.fromisoformat(summary["ended"]),
    )


def _under_way(runs: StackRuns, record: Record, request: Request) -> Counts:
    found = runs.follower(request, record).look()
    return Counts(found.files, found.predicted, found.failed, RUNNING, None)


def _spent(summary: Summary) -> Spent | None:
    if summary.get("dollars") is None:
        return None
    return Spent(summary["dollars"], summary["worker_hours"], summary["dollars_at_least"])


def _versions(request: Request, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what was at work, as far as the record and the stack say it."""
    found = {
        "model": request.model,
        "model's SHA-256": request.model_sha256,
        "image, as deployed now": parameters.get("Image") or parameters.get("ImageTag", ""),
        "tidegate, which wrote this page": __version__,
    }
    return {name: value for name, value in found.items() if value}
