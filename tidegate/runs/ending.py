"""How a run ends: found by a look at its results, and recorded once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from tidegate.aws.asking import attempt
from tidegate.failures import dead_letters
from tidegate.operating.run_records import SeenRun
from tidegate.operating.usage import Cost
from tidegate.runs.cost import cost_of
from tidegate.runs.following import ASKED, Progress
from tidegate.runs.record import Record, is_cancelled
from tidegate.runs.request import Request
from tidegate.runs.stack_runs import StackRuns

Status = Literal["completed", "completed_with_failures", "cancelled"]
Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """How a run has ended."""

    found: Progress
    status: Status
    dead: Sequence[str] = ()  # the keys of files with a dead letter and no report

    @property
    def failed(self) -> int:
        """Return how many files failed."""
        return self.found.failed + len(self.dead)


def with_results(found: Progress, *, all_sent: bool) -> End | None:
    """Return the end of a run each of whose files has an output or a report."""
    if not (found.is_finished and all_sent):
        return None
    return End(found, "completed_with_failures" if found.failed else "completed")


def without_messages(
    runs: StackRuns, request: Request, found: Progress, *, all_sent: bool
) -> End | None:
    """Return the end of a run that has no message left: cancelled, or with dead letters."""
    if is_cancelled(runs.account.client("s3"), request):
        return End(found, "cancelled")
    dead = _dead(runs, request, found)
    left = found.files - found.predicted - found.failed
    if all_sent and dead and len(dead) == left:
        return End(found, "completed_with_failures", dead)
    return None


def _dead(runs: StackRuns, request: Request, found: Progress) -> list[str]:
    """Return the files of the run with a dead letter alone: no worker could write a report."""
    if not found.left or len(found.left) > ASKED:
        return []
    sqs, url = runs.account.client("sqs"), runs.stack.outputs["DeadLetterQueueUrl"]
    jobs = [one.job for one in dead_letters.look(sqs, url) if one.job]
    dead = {job["key"] for job in jobs if job.get("run") == request.run}
    return [one.source.key for one in found.left if one.source.key in dead]


def close(
    runs: StackRuns, record: Record, request: Request, end: End
) -> tuple[Summary, Sequence[str]]:
    """Record how a run ended, unless that is recorded; return the record, and what is missing.

    A caller who may only read gets the summary all the same.
    """
    missing: list[str] = []
    ended = end.found.last or datetime.now(UTC)
    ask_cost = partial(cost_of, runs.account, runs.stack, request.began, ended)
    summary = _facts(request, end, ended, attempt("the cost", ask_cost, missing))
    write = partial(record.write_summary, summary)
    return attempt("the summary is not recorded", write, missing) or summary, missing


def _facts(request: Request, end: End, ended: datetime, cost: Cost | None) -> Summary:
    found = end.found
    return {
        "version": 1,
        "run": request.run,
        "status": end.status,
        "stack": request.stack,
        "source": request.source,
        "model": request.model,
        "model_sha256": request.model_sha256 or None,
        "began": request.began.isoformat(),
        "ended": ended.isoformat(),
        "seconds": (ended - request.began).total_seconds(),
        "files": found.files,
        "predicted": found.predicted,
        "failed": end.failed,
        "cancelled": found.files - found.predicted - end.failed,
        "dollars": None if cost is None else round(cost.dollars, 6),
        "worker_hours": None if cost is None else round(cost.hours, 4),
        "dollars_at_least": cost is not None and cost.at_least,
    }


def close_ended(
    runs: StackRuns, open_runs: Iterable[SeenRun]
) -> tuple[Sequence[Summary], Sequence[str]]:
    """Close those of the runs that have ended, while the queue is empty.

    For commands that find such a run and that nobody has waited with.
    """
    summaries, missing = list[Summary](), list[str]()
    for run in open_runs:
        record = runs.records.of(run.name)
        request = record.request()
        if request is None:
            continue
        found = runs.follower(request, record).look()
        end = with_results(found, all_sent=run.all_sent) or without_messages(
            runs, request, found, all_sent=run.all_sent
        )
        if end is not None:
            summary, reasons = close(runs, record, request, end)
            summaries.append(summary)
            missing += reasons
    return summaries, missing
