"""The commands of every day on a deployed stack, from `status` to `resume`."""

# ruff: noqa: PLC0415 - `--help` must not wait for boto3 and the like
import re
from collections.abc import Sequence
from datetime import timedelta

import click

from tidegate.cli.definitions.options import JSON, SHOW_COMMANDS, STACK, YES

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Duration(click.ParamType):  # type: ignore[type-arg] # no generic in older releases
    """A number and its unit: 90s, 15m, 2h, 1d."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read the text; a value that is one already is the option's default."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,6})([smhd])", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no duration such as 15m, 2h or 1d", param, ctx)
        return timedelta(**{UNITS[match[2]]: int(match[1])})


@click.command(short_help="say what a stack does, and what to do next")
@STACK
@click.option("--watch", "-w", is_flag=True, help="Look again every five seconds, until Ctrl-C.")
@JSON
@SHOW_COMMANDS
def status(*, stack: str | None, watch: bool, as_json: bool, show_commands: bool) -> int:
    """Show the queue, the workers, what failed, what was done today and what is deployed.

    What AWS does not tell is shown as unknown, with the reason.
    """
    from tidegate.cli.operating.status import status as run

    return run(stack, watch=watch, as_json=as_json, show_commands=show_commands)


@click.command(short_help="list the files that failed, grouped by cause")
@click.argument("names", metavar="[GROUP|KEY]...", nargs=-1)
@STACK
@click.option(
    "--newest",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="How many failure reports to read.",
)
@click.option("--clear", is_flag=True, help="Delete what was left of the resolved ones.")
@YES
@JSON
@SHOW_COMMANDS
def failures(
    *,
    names: Sequence[str],
    stack: str | None,
    newest: int,
    clear: bool,
    yes: bool,
    as_json: bool,
    show_commands: bool,
) -> int:
    """List the failed files by cause, the newest first. Name a group to see each of its files.

    A failure is resolved once an output is newer than its report.

    Exit status: 0 if nothing failed that is not resolved, 3 otherwise.
    """
    from tidegate.cli.operating.failures import failures as run

    return run(
        stack,
        names,
        most=newest,
        clear=clear,
        yes=yes,
        as_json=as_json,
        show_commands=show_commands,
    )


@click.command(short_help="submit failed files again, after the cause is removed")
@click.argument("names", metavar="[GROUP|KEY]...", nargs=-1)
@STACK
@click.option("--all", "every", is_flag=True, help="All failures that are not resolved.")
@click.option(
    "--first", type=click.IntRange(min=1), metavar="N", help="Only the N newest, as a trial."
)
@click.option("--dry-run", is_flag=True, help="Only list what would be submitted.")
@YES
@JSON
@SHOW_COMMANDS
def redrive(
    *,
    names: Sequence[str],
    stack: str | None,
    every: bool,
    first: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    show_commands: bool,
) -> int:
    """Submit the newest version of each failed file again, and start the workers.

    GROUP is a name that `tidegate failures` prints, or an error's type; KEY is a file. The report
    and the dead letter of each file that is submitted are deleted; it has new ones if it fails
    again.

    Exit status: 0 if all were submitted, 3 if some were not, 1 if none was.
    """
    from tidegate.cli.operating.redrive import redrive as run

    return run(
        stack,
        names,
        every=every,
        first=first,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
        show_commands=show_commands,
    )


@click.command(short_help="tell one file's whole story")
@click.argument("file", metavar="KEY")
@STACK
@JSON
@SHOW_COMMANDS
def show(*, file: str, stack: str | None, as_json: bool, show_commands: bool) -> int:
    """Show a file's versions, its output, why it failed, its log lines, and what to do next.

    KEY is a key of the input bucket, or an s3:// address of an input, output or report.

    Exit status: 0 if it is predicted or on its way, 3 if it failed, 1 if there is no such file.
    """
    from tidegate.cli.operating.show import show_file as run

    return run(stack, file, as_json=as_json, show_commands=show_commands)


@click.command(short_help="print the logs of workers and dispatcher")
@click.argument("file", metavar="[KEY]", required=False)
@STACK
@click.option(
    "--follow", "-f", is_flag=True, help="Go on until no worker runs and the queue is empty."
)
@click.option(
    "--since",
    type=Duration(),
    default="1h",
    show_default=True,
    help="How far back to begin: 90s, 15m, 2h, 1d.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they were written.")
@SHOW_COMMANDS
def logs(
    *,
    file: str | None,
    stack: str | None,
    follow: bool,
    since: timedelta,
    as_json: bool,
    show_commands: bool,
) -> int:
    """Print one line for each event: its time, what happened, the file, the reason.

    With KEY only the lines about that file.
    """
    from tidegate.cli.operating.logs import logs as run

    return run(
        stack, file, follow=follow, since=since, as_json=as_json, show_commands=show_commands
    )


@click.command(short_help="let no worker start, without losing a file")
@STACK
@click.option("--now", is_flag=True, help="Stop the workers that run, too.")
@JSON
@SHOW_COMMANDS
def pause(*, stack: str | None, now: bool, as_json: bool, show_commands: bool) -> int:
    """Let no worker start until `tidegate resume`. Files that land wait in the queue.

    The queue keeps a file's message for four days. A deployment does not end the pause.
    """
    from tidegate.cli.operating.pausing import pause as run

    return run(stack, now=now, as_json=as_json, show_commands=show_commands)


@click.command(short_help="end a pause, and start the workers that the queue needs")
@STACK
@JSON
@SHOW_COMMANDS
def resume(*, stack: str | None, as_json: bool, show_commands: bool) -> int:
    """End a pause: the files that waited are predicted."""
    from tidegate.cli.operating.pausing import resume as run

    return run(stack, as_json=as_json, show_commands=show_commands)


COMMANDS = (status, failures, redrive, show, logs, pause, resume)
