"""The command `tidegate show`: one file's whole story."""

import shlex
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.filesize import decimal

from tidegate.aws.stack import DeployedStack
from tidegate.cli.operating.logs import markup_of
from tidegate.cli.operating.screen import (
    Sheet,
    ago,
    count,
    err,
    line,
    opened,
    out,
    plain,
    print_json,
    show,
)
from tidegate.failures.failed_files import NO_REASON_MESSAGE
from tidegate.failures.reports import Report
from tidegate.operating.story import MOST_LINES, Output, Result, Story, source_of, tell
from tidegate.runs.record import Records

COLOURS = {"predicted": "green", "failed": "red", "waiting": "yellow", "outdated": "yellow"}
EXIT_STATUS = {"predicted": 0, "failed": 3, "deleted": 1}
SHOWN_VERSIONS = 5
COPIED = frozenset({"output", "rejects", "report"})
EXPLAINED = {
    "predicted": "the newest version has its output",
    "failed": "the newest version cannot be predicted as it is",
    "outdated": "the output is of an older version, and the newest one is not yet predicted",
    "waiting": "no output and no failure yet",
    "deleted": "there is no such input",
    "unknown": "its versions could not be asked",
}


def show_file(name: str | None, file: str, *, as_json: bool, show_commands: bool) -> int:
    """Print the story; the exit status says what became of the newest version."""
    account, stack = opened(name, show_commands=show_commands)
    with err().status("[dim]asking[/]"):
        elsewhere = Records.of_stack(account.client("s3"), stack).elsewhere()
        source = source_of(stack, file, elsewhere)
        story = tell(account, stack, source, elsewhere=elsewhere, log_lines=MOST_LINES)
    if as_json:
        print_json(_facts(story, stack))
    else:
        _print(out(), story, stack)
    return EXIT_STATUS.get(story.state, 0)


def _print(console: Console, story: Story, stack: DeployedStack) -> None:
    sheet = Sheet()
    colour = COLOURS.get(story.state, "yellow")
    sheet.add("file", f"[bold]{plain(str(story.input))}[/]", whole=True)
    sheet.add("state", f"[{colour}]{story.state}[/]: {_explained(story)}")
    own = Result(story.output, story.report)
    parts = (
        _versions(story),
        _output(own, stack),
        _failure(own),
        *(part for one in story.elsewhere for part in (_output(one, stack), _failure(one))),
        _dead(story),
        _worker(story),
        _waiting(story),
    )
    for part in parts:
        for label, text in part:
            sheet.add(label, text, whole=label in COPIED)
    sheet.add_next(next_steps(story))
    sheet.add_unknown(story.unanswered)
    show(console, sheet)
    if story.lines:
        console.print()
        for one in story.lines:
            line(console, markup_of(one))


def _explained(story: Story) -> str:
    if story.state == "no job":
        return f"the dispatcher ignores this file, as {plain(story.no_job)}"
    return EXPLAINED[story.state]


def _versions(story: Story) -> Iterator[tuple[str, str]]:
    versions = story.versions or ()
    for place, one in enumerate(versions[:SHOWN_VERSIONS]):
        what = "deleted" if one.deleted else decimal(one.size)
        kind = "newest" if one.newest else "older"
        named = "" if one.id == "null" else f"  [dim]{plain(one.id)}[/]"
        yield "" if place else "versions", f"{kind}, {ago(one.written)}, {what}{named}"
    if (more := len(versions) - SHOWN_VERSIONS) > 0:
        yield "", f"[dim]and {more} older[/]"


def _output(result: Result, stack: DeployedStack) -> Iterator[tuple[str, str]]:
    output = result.output
    if output is None:
        yield "output", "none"
        return
    yield "output", f"{plain(str(output.uri))}  [dim]{ago(output.written)}[/]"
    rows = output.metadata.get("rows")
    rejected = output.metadata.get("rejected")
    counts = "rows: see the log line `job done`" if rows is None else count(int(rows), "row")
    yield "", counts + (f", {int(rejected):,} rejected" if rejected not in (None, "0") else "")
    if output.rejected_rows:
        yield "rejects", f"[yellow]{plain(str(output.rejected_rows))}[/]"
    yield "", _model(output, stack)


def _model(output: Output, stack: DeployedStack) -> str:
    digest = output.metadata.get("model-sha256", "")
    deployed = stack.parameters.get("ModelSha256", "").lower()
    if not deployed:
        return f"model sha256 {plain(digest[:12])}…"
    same = "the deployed one" if digest == deployed else "[yellow]not the deployed one[/]"
    return f"model sha256 {plain(digest[:12])}…, {same}"


def _failure(result: Result) -> Iterator[tuple[str, str]]:
    report = result.report
    if report is None:
        return
    resolved = "  [green]resolved: the output is newer[/]" if report.resolved else ""
    yield "failure", f"[red]{plain(report.error_type)}[/]: {plain(report.message)}"
    times = count(report.receive_count, "attempt")
    yield "", f"{ago(report.listed.written)}, after {times}{resolved}"
    yield "report", plain(report.listed.key)


def _dead(story: Story) -> Iterator[tuple[str, str]]:
    if story.letters is None:
        yield "dead", "unknown"
    reports = [story.report, *(one.report for one in story.elsewhere)]
    for letter in story.letters or ():
        reason = letter.error_message or NO_REASON_MESSAGE
        known = any(one and one.message.startswith(letter.error_message or "-") for one in reports)
        yield (
            "dead",
            f"a dead letter, {ago(letter.sent)}" + ("" if known else f": {plain(reason)}"),
        )


def _worker(story: Story) -> Iterator[tuple[str, str]]:
    if (attempt := story.last_attempt) is not None:
        yield "worker", f"task {plain(attempt.task)}, attempt {attempt.number}"


def _waiting(story: Story) -> Iterator[tuple[str, str]]:
    if story.state not in {"waiting", "outdated"}:
        return
    if story.jobs is None:
        yield "queue", "unknown"
        return
    held = f"{count(story.jobs.waiting, 'file')} waiting, {story.jobs.in_flight:,} in flight"
    yield "queue", f"{held}; SQS does not say which"


def next_steps(story: Story) -> list[tuple[str, str]]:
    """Return the commands to type next, each with its reason."""
    key, uri = shlex.quote(story.input.key), shlex.quote(str(story.input))
    match story.state:
        case "predicted" if story.output is not None:
            return [(f"aws s3 cp {shlex.quote(str(story.output.uri))} -", "the predictions")]
        case "failed":
            upload = f"aws s3 cp FILE {uri}"
            return [
                (upload, "a mended file is predicted by itself"),
                (f"tidegate redrive {key}", "the same file again, after the model is mended"),
                (f"aws s3 rm {uri}", "a deleted file is no failure"),
            ]
        case "waiting" | "outdated" if story.jobs is not None and not story.jobs.all:
            return [
                ("tidegate logs --since 1h", "whether the dispatcher saw the file"),
                ("tidegate doctor", "whether the bucket still invokes the dispatcher"),
            ]
        case "waiting" | "outdated":
            return [
                ("tidegate status", "whether workers run"),
                (f"tidegate logs -f {key}", "its lines, as they come"),
            ]
        case "no job":
            return [("tidegate deploy --parameter Suffixes=…", "which names become jobs")]
        case _ if story.state == "deleted" and (story.report or story.letters):
            steps = [(f"tidegate failures {key} --clear", "deletes what is left of its failure")]
        case _:
            steps = [(f"aws s3 ls {uri}", "what is there")]
    return steps


def _facts(story: Story, stack: DeployedStack) -> dict[str, Any]:
    return {
        "stack": stack.name,
        "input": str(story.input),
        "state": story.state,
        "versions": story.versions,
        "output": story.output,
        "report": _report_facts(story.report),
        "elsewhere": [
            {"output": one.output, "report": _report_facts(one.report)} for one in story.elsewhere
        ],
        "dead_letters": None if story.letters is None else len(story.letters),
        "queue": story.jobs,
        "last_attempt": story.last_attempt,
        "log_lines": None if story.lines is None else [one.text for one in story.lines],
        "next": [command for command, _ in next_steps(story)],
        "unanswered": list(story.unanswered),
    }


def _report_facts(report: Report | None) -> dict[str, Any] | None:
    if report is None:
        return None
    return {
        "key": report.listed.key,
        "time": report.listed.written,
        "error_type": report.error_type,
        "message": report.message,
        "receive_count": report.receive_count,
        "model_sha256": report.model_sha256,
        "resolved": report.resolved,
    }
