"""One screen of what a stack does, what failed, what is deployed, and what to do next."""

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tidegate.cli.operating.screen import Sheet, ago, count, plain, took
from tidegate.failures.failed_files import NO_REASON
from tidegate.operating.run_records import SeenRun
from tidegate.operating.status import Status, image_of, settings_of
from tidegate.operating.tasks import Task
from tidegate.operating.usage import Work

SHOWN_RUNS = 3  # the latest ones
DAY = 86_400
RETENTION_DAYS = 4  # of the queue
COLOURS = {
    "paused": "bold yellow",
    "idle": "green",
    "starting": "green",
    "working": "green",
    "waiting": "yellow",
    "stalled": "bold red",
    "failing": "bold red",
    "unknown": "yellow",
}

EXPLAINED = {
    "idle": "the queue is empty, and nothing runs",
    "starting": "the first worker is on its way",
    "waiting": "no worker runs yet: the dispatcher looks at least every five minutes",
    "failing": "files wait, and the last worker failed; one starts every five minutes",
    "unknown": "not all of it could be asked",
}


def sheet_of(found: Status) -> Sheet:
    """Return the screen for people."""
    sheet = Sheet()
    colour = COLOURS[found.state]
    name = plain(found.stack.name)
    sheet.add("stack", f"[bold]{name}[/]  [{colour}]{found.state}[/]: {_explained(found)}")
    parts = (_queue, _workers, _runs, _failed, _work, _deployed)
    for label, text in (line for part in parts for line in part(found)):
        sheet.add(label, text)
    sheet.add_next(next_steps(found))
    sheet.add_unknown(found.unanswered)
    return sheet


def _explained(found: Status) -> str:
    running = found.fleet.running if found.fleet else 0
    workers = count(running, "worker")
    if found.state == "paused":
        text = f"since {plain(found.paused_since or '')} no worker starts"
        return text + (f"; {workers} still run until the queue is empty" if running else "")
    if found.state == "working":
        empty = found.jobs is not None and not found.jobs.all
        return "the queue is empty, and the workers leave" if empty else f"{workers} at work"
    if found.state == "stalled":
        return f"files wait that nobody takes, with {workers} running"
    return EXPLAINED[found.state]


def _queue(found: Status) -> Iterator[tuple[str, str]]:
    if found.jobs is None:
        yield "queue", "unknown"
        return
    text = f"{found.jobs.waiting:,} waiting, {found.jobs.in_flight:,} in flight"
    if found.jobs.in_flight and found.state in {"waiting", "failing", "stalled", "idle"}:
        text += " (given back, or left by a worker that died: they come again)"
    if found.jobs.all:
        oldest = found.oldest_seconds
        text += f"; the oldest since {took(oldest)}" if oldest is not None else "; age unknown"
    if found.seconds_left is not None:
        text += f"; about {took(found.seconds_left)} left at this rate"
    yield "queue", text
    if found.undispatched is None or found.undispatched.all:
        number = found.undispatched.all if found.undispatched else None
        yield "events", f"[red]{count(number, 'event')}[/] that the dispatcher failed on"


def _workers(found: Status) -> Iterator[tuple[str, str]]:
    if found.fleet is None:
        yield "workers", "unknown"
        return
    most = found.stack.parameters.get("MaxTasks", "?")
    text = f"{found.fleet.running}{'+' if found.fleet.more else ''} of {most} running"
    if found.fleet.starting:
        text += f", {found.fleet.starting} starting"
    yield "workers", text
    if (last := found.fleet.last_stopped) is not None:
        yield "last ended", f"{ago(last.ended or found.now, found.now)}: {_end(last)}"


def _end(task: Task) -> str:
    code = "" if task.exit_code is None else f"exit {task.exit_code}"
    if task.ended_well:
        return f"[green]well[/] ({code or plain(task.reason)})"
    reason = plain(task.reason)
    return f"[red]failed[/] ({', '.join(filter(None, (code, reason)))})"


def _failed(found: Status) -> Iterator[tuple[str, str]]:
    dead = found.dead.all if found.dead else None
    reports, more = (found.seen.reports, found.seen.more_reports) if found.seen else (None, False)
    if (reports, dead) == (0, 0):
        yield "failed", "nothing"
        return
    yield "failed", f"[red]{count(reports, 'report', more=more)}[/], {count(dead, 'dead letter')}"
    types = Counter(letter.error_type or NO_REASON for letter in found.letters or ())
    if types:
        reasons = ", ".join(f"{plain(name)} {number}" for name, number in types.most_common())
        yield "", f"{reasons} [dim](of {count(types.total(), 'dead letter')} looked at)[/]"


def _runs(found: Status) -> Iterator[tuple[str, str]]:
    runs = found.seen.open_runs if found.seen else ()
    label = "run"
    for one in found.ended_runs:
        words = one["status"].replace("_", " ")
        done = f"{one['predicted']:,} of {count(one['files'], 'file')} predicted"
        yield label, f"[bold]{plain(one['run'])}[/]  {words}: {done}"
        label = ""
    for run in runs[-SHOWN_RUNS:]:
        yield label, f"[bold]{plain(run.name)}[/]  {_progress(run, found)}"
        label = ""
    if (more := len(runs) - SHOWN_RUNS) > 0:
        yield "", f"[dim]and {more} earlier ones[/]"


def _progress(run: SeenRun, found: Status) -> str:
    text = f"{count(run.files, 'file')}, begun {ago(run.began, found.now)}"
    if not run.all_sent:
        return f"{text}; not all of its files are submitted yet"
    if found.jobs is None:
        return text
    if not found.jobs.all:
        return f"{text}; no message of it is left"
    least = run.least_done(found.jobs.all)
    return f"{text}; at least {least:,} done" if least else text


def _work(found: Status) -> Iterator[tuple[str, str]]:
    if found.done is None:
        yield "last hour", "unknown"
        yield "today", f"unknown; {_dollars(found)}"
        return
    yield "last hour", _done(found.done.last_hour)
    yield "today", f"{_done(found.done.today)}; {_dollars(found)}"


def _done(work: Work) -> str:
    if work.files is None:
        return "no files reported"
    least = "at least " if work.at_least else ""
    text = f"{least}{count(work.files, 'file')}, {count(work.rows, 'row')}"
    return text + (f", {work.rejected:,} rows rejected" if work.rejected else "")


def _dollars(found: Status) -> str:
    cost = found.cost
    if cost is None:
        return "dollars unknown"
    if not cost.tasks and not cost.at_least:
        return "$0: no worker ran [dim](UTC)[/]"
    least = "at least " if cost.at_least else "about "
    hours = f"{count(cost.tasks, 'worker')} ran for {took(cost.hours * 3600)}"
    dollars = f"{cost.dollars:.{2 if cost.dollars >= 1 else 3}f}"
    return f"{least}${dollars} [dim](UTC; {hours}; prices of us-east-1)[/]"


def _deployed(found: Status) -> Iterator[tuple[str, str]]:
    stack = found.stack
    given = stack.parameters
    digest = given.get("ModelSha256", "")
    pinned = f"sha256 {digest[:12]}…" if digest else "any digest"
    yield "model", f"{plain(given.get('Model', '?'))}  [dim]{pinned}[/]"
    size = f"{int(given.get('TaskCpu', '0')) / 1024:g} vCPU, {given.get('TaskMemory')} MiB"
    kind = f"{given.get('Architecture')}, {given.get('Capacity')}"
    yield "image", f"{plain(image_of(stack))}  [dim]{size}, {kind}[/]"
    yield "settings", plain(settings_of(stack)) or "[dim]the defaults[/]"
    if stack.status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        yield "deployed", f"[yellow]{stack.status}[/] {plain(stack.reason)}"


def next_steps(found: Status) -> list[tuple[str, str]]:
    """Return the commands to type next, each with its reason; the most urgent first."""
    steps = []
    if found.state == "paused":
        steps.append(("tidegate resume", "workers start again"))
        if (found.oldest_seconds or 0) > (RETENTION_DAYS - 1) * DAY:
            steps.append(("tidegate resume", f"the queue forgets a file after {RETENTION_DAYS} d"))
    if found.state == "failing":
        steps.append(("tidegate logs --since 1h", "the last line says why the worker failed"))
    if found.state == "stalled":
        steps.append(("tidegate doctor", "it looks for the cause"))
    if (found.seen and found.seen.reports) or (found.dead and found.dead.all):
        steps.append(("tidegate failures", "which files failed, why, and which are resolved"))
    if found.undispatched and found.undispatched.all:
        steps.append(("tidegate logs --since 1h", "why the dispatcher failed on events"))
    if found.seen and found.seen.open_runs:
        latest = shlex.quote(found.seen.open_runs[-1].name)
        steps.append((f"tidegate wait {latest}", "how far the run is, and its end"))
    if found.state in {"working", "starting"}:
        steps.append(("tidegate logs -f", "file by file, until all is done"))
    if not steps:
        out = found.stack.outputs
        target = shlex.quote(f"s3://{out['InputBucket']}/{out.get('InputPrefix', '')}")
        steps.append((f"aws s3 cp FILE {target}", "predict a file"))
    return steps


def facts(found: Status) -> dict[str, Any]:
    """Return the same for programs."""
    cost = found.cost
    fleet = found.fleet
    return {
        "stack": found.stack.name,
        "stack_status": found.stack.status,
        "time": found.now,
        "state": found.state,
        "paused_since": found.paused_since or None,
        "queue": found.jobs,
        "oldest_seconds": found.oldest_seconds,
        "dead_letters": found.dead.all if found.dead else None,
        "undispatched": found.undispatched.all if found.undispatched else None,
        "seconds_left": found.seconds_left,
        "failure_reports": found.seen and found.seen.reports,
        "more_failure_reports": bool(found.seen and found.seen.more_reports),
        "open_runs": found.seen and found.seen.open_runs,
        "ended_runs": found.ended_runs,
        "workers": fleet
        and {
            "running": fleet.running,
            "starting": fleet.starting,
            "last_ended": fleet.last_stopped,
        },
        "last_hour": found.done and found.done.last_hour,
        "today": found.done and found.done.today,
        "cost_today": cost,
        "model": found.stack.parameters.get("Model"),
        "model_sha256": found.stack.parameters.get("ModelSha256") or None,
        "image": image_of(found.stack),
        "settings": settings_of(found.stack),
        "next": [command for command, _ in next_steps(found)],
        "unanswered": list(found.unanswered),
    }
