"""The command `tidegate redrive`: submit failed files again, some of them first."""

import shlex
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tidegate.aws.account import Account
from tidegate.aws.asking import attempt
from tidegate.aws.errors import explained
from tidegate.aws.stack import DeployedStack
from tidegate.cli.operating.failures import Found, file_of, find_failures
from tidegate.cli.operating.screen import (
    confirm,
    count,
    err,
    line,
    opened,
    out,
    plain,
    print_json,
    progress,
)
from tidegate.failures import dead_letters
from tidegate.failures.failed_files import Failure, chosen
from tidegate.failures.move_task import movable, move_all
from tidegate.failures.redrive import Redrive, Redriven, require_jobs
from tidegate.operating import queues
from worker.errors import SettingsError, TidegateError

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_sqs import SQSClient

SOME_FAILED = 3  # exit status
MOST_REPORTS = 100_000  # reports that one command reads


def redrive(
    name: str | None,
    names: Sequence[str],
    *,
    every: bool,
    first: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    show_commands: bool,
) -> int:
    """Submit the named failures, or all of them; return the exit status."""
    if bool(names) == every:
        raise SettingsError(
            "name groups or files, or give --all: `tidegate failures` lists what there is"
        )
    account, stack = opened(name, show_commands=show_commands)
    command = shlex.join(["tidegate", "redrive", *(names or ["--all"])])
    with err().status("[dim]reading failures[/]"):
        found = find_failures(account, stack, MOST_REPORTS, None)
    ready, left = _selected(found, names, first)
    question = f"Submit {count(len(ready), 'file')} again?"
    same = command if first is None else f"{command} --first {first}"
    if dry_run or not ready or not confirm(question, yes=yes, command=same):
        _report(Redriven(), ready if dry_run else [], left, as_json=as_json, command=command)
        return 0
    moved = _moved(account, stack, found, ready) if every and first is None else []
    result = _one_by_one(
        account, stack, ready if not moved else [one for one in ready if one.report]
    )
    result.sent += moved
    if result.sent:
        wake(account, stack)
    _report(result, [], left, as_json=as_json, command=command)
    return _status(result)


def _moved(
    account: Account, stack: DeployedStack, found: Found, ready: Sequence[Failure]
) -> list[Failure]:
    """Have SQS move the dead letters back, where that submits what was asked for, and no more."""
    sqs, url = account.client("sqs"), stack.outputs["DeadLetterQueueUrl"]
    letters = [letter for one in found.failures for letter in one.letters]
    reasons: list[str] = []

    def find() -> list[Failure]:
        s3 = account.client("s3")
        return movable(s3, ready, letters, lambda: queues.count(sqs, url).all)

    moved = attempt("whether SQS may move them", find, reasons)
    if not moved:
        return []
    status, through = progress("SQS moves dead letters", len(letters))
    try:
        with status:
            number = attempt(
                "SQS moves no dead letters", partial(_move, sqs, stack, through), reasons
            )
    except KeyboardInterrupt:
        line(err(), "[yellow]SQS goes on moving the dead letters[/]: `tidegate status`")
        raise
    if number is None:
        line(err(), f"[yellow]{plain(reasons[0])}[/], so that each is submitted by itself")
        return []
    line(err(), f"SQS has moved {count(number, 'dead letter')} back to the queue")
    return moved


def _move(sqs: "SQSClient", stack: DeployedStack, through: Callable[[int], None]) -> int:
    source, destination = (
        queues.arn(sqs, stack.outputs[name]) for name in ("DeadLetterQueueUrl", "QueueUrl")
    )
    return move_all(sqs, source, destination, through)


def _one_by_one(account: Account, stack: DeployedStack, failures: Sequence[Failure]) -> Redriven:
    """Send a message for each failure, and clear what told of it."""
    if not failures:
        return Redriven()
    url = stack.outputs["DeadLetterQueueUrl"]
    status, through = progress("submitting", len(failures))
    with status, dead_letters.held(account.client("sqs"), url) as (_, delete):
        return Redrive.of(account, stack, delete).run(failures, through)


def _selected(found: Found, names: Sequence[str], first: int | None) -> tuple[list[Failure], int]:
    """Return the failures to submit now, and how many of the chosen ones are left for later."""
    for unknown in found.unanswered:
        raise TidegateError(f"{unknown}. Nothing was submitted")
    failed, unknown_names = chosen(found.open, names)
    if unknown_names:
        raise TidegateError(
            f"no failure is named {', '.join(unknown_names)}: `tidegate failures` lists them"
        )
    jobs = require_jobs(failed)
    now = jobs if first is None else jobs[:first]
    return now, len(jobs) - len(now)


def wake(account: Account, stack: DeployedStack) -> None:
    """Wake the fleet; where the caller may not, the sweep does it within five minutes."""
    try:
        queues.wake(account.client("lambda"), stack.outputs["DispatcherFunction"])
        paused = queues.paused_since(account.client("sqs"), stack.outputs["QueueUrl"])
    except Exception as error:
        if (reason := explained(error)) is None:
            raise
        line(err(), f"[yellow]workers start within five minutes:[/] {plain(str(reason))}")
        return
    if paused:
        line(err(), "[yellow]the stack is paused[/], so no worker starts: `tidegate resume`")


def _report(
    result: Redriven, dry: Sequence[Failure], left: int, *, as_json: bool, command: str
) -> None:
    if as_json:
        print_json(
            {
                "submitted": [str(one.input) for one in result.sent],
                "would_submit": [str(one.input) for one in dry],
                "deleted_inputs": [str(one.input) for one in result.gone],
                "refused": {str(one.input): why for one, why in result.refused},
                "left": left,
            }
        )
        dry = []
    errors = err()
    for one in dry:
        line(out(), f"would submit {file_of(one)}  [dim]{plain(one.group)}[/]")
    if not dry and not result.sent and not result.gone and not result.refused:
        line(errors, "nothing was submitted")
    if result.sent:
        line(errors, f"[green]{count(len(result.sent), 'file')} submitted[/]: `tidegate logs -f`")
    for one in result.gone:
        text = "there is no such input any more: `tidegate failures KEY --clear` forgets it"
        line(errors, f"[yellow]{plain(str(one.input))}[/]: {text}")
    for one, why in result.refused:
        line(errors, f"[red]{plain(str(one.input))}[/] was not submitted: {plain(why)}")
    if left:
        line(errors, f"{count(left, 'file')} left: once these are predicted, `{plain(command)}`")


def _status(result: Redriven) -> int:
    if result.gone or result.refused:
        return SOME_FAILED if result.sent else 1
    return 0
