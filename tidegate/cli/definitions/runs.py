"""The commands for many files: `submit`, `rescore`, `wait`, `report`, `cancel`, `compare`."""

# ruff: noqa: PLC0415 - `--help` must not wait for boto3 and the like
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tidegate.cli.definitions.operating import Duration
from tidegate.cli.definitions.options import (
    JSON,
    MODEL,
    PREDICTOR,
    SET,
    SHOW_COMMANDS,
    STACK,
    YES,
)


class Moment(click.ParamType):  # type: ignore[type-arg] # no generic in older releases
    """A time: how long ago (90s, 15m, 2h, 1d), or a date in UTC (2026-11-28, 2026-11-28T07:30)."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read the text."""
        text = str(value).strip()
        if text[-1:] in "smhd":
            ago = Duration().convert(text, param, ctx)
            return (datetime.now(UTC) - ago).replace(microsecond=0)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2h, 1d or 2026-11-28", param, ctx)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


RUN = click.argument("run", metavar="[RUN]", required=False)
REPORT = click.option(
    "--report",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write a page of HTML about the run, once it has ended.",
)
MANIFEST = click.option(
    "--manifest",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A list of files: a key or an S3 URI a line.",
)
CHOICE = (
    click.option(
        "--include", metavar="GLOB", multiple=True, help="Only keys like this; repeat for more."
    ),
    click.option(
        "--exclude", metavar="GLOB", multiple=True, help="No keys like this; repeat for more."
    ),
    click.option(
        "--since",
        type=Moment(),
        help="Only files uploaded since: 2h, 1d, 2026-11-28 (UTC).",
    ),
    click.option("--limit", metavar="N", type=click.IntRange(min=1), help="At most so many files."),
)
HOW = (
    click.option(
        "--set",
        "assignments",
        metavar="NAME=VALUE",
        multiple=True,
        help="A setting for these files, such as MAX_REJECTED=0.05; repeat for more.",
    ),
    click.option("--run", metavar="NAME", help="The run's name; goes on with one that has begun."),
    click.option(
        "--dry-run", is_flag=True, help="Only say how many files, how long, and what it costs."
    ),
    click.option("--wait", is_flag=True, help="Follow the run to its end."),
    REPORT,
    STACK,
    JSON,
    SHOW_COMMANDS,
)


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:  # noqa: ANN401 - as Click's decorators
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command(short_help="predict the files of a prefix, or of a list, that are not predicted yet")
@click.argument("source", metavar="[s3://BUCKET/PREFIX|-]", required=False)
@_with(MANIFEST, *CHOICE)
@click.option("--again", is_flag=True, help="Predict again what is done, and what has failed.")
@click.option("--output-key", metavar="PREFIX", help="Write below this, not the stack's OutputKey.")
@_with(*HOW)
def submit(
    *,
    source: str | None,
    manifest: Path | None,
    again: bool,
    output_key: str | None,
    **given: Any,  # noqa: ANN401 - CHOICE and HOW, which _submit names
) -> int:
    """Submit the files below a prefix, or those that a list on standard input (-) names.

    What this model has predicted already is skipped, and what has failed and has not changed since.
    Files that land meanwhile do not wait behind these. An interrupted run goes on with --run NAME.

    Exit status: 0 if all were submitted, 3 if a file of the list is absent. With --wait: 0 if all
    files were predicted, 3 if some were not, 130 after Ctrl-C, which leaves the run as it is.
    """
    return _submit(source, manifest, output_key, again=again, **given)


@click.command(short_help="predict files anew, beside the outputs that are there")
@click.argument("source", metavar="s3://BUCKET/PREFIX")
@click.option(
    "--output-key",
    metavar="PREFIX",
    required=True,
    help="Where the new outputs go.",
)
@_with(*CHOICE, *HOW)
def rescore(
    *,
    source: str,
    output_key: str,
    **given: Any,  # noqa: ANN401 - as for submit
) -> int:
    """Predict files by the stack's model of today, and write below another prefix.

    It is `tidegate submit --output-key PREFIX`: the old outputs stay as they are. What is below
    PREFIX already is skipped, so that it can be typed again.
    """
    return _submit(source, None, output_key, again=False, **given)


def _submit(
    source: str | None,
    manifest: Path | None,
    output_key: str | None,
    *,
    again: bool,
    run: str | None,
    include: Sequence[str],
    exclude: Sequence[str],
    since: datetime | None,
    limit: int | None,
    assignments: Sequence[str],
    dry_run: bool,
    wait: bool,
    report: Path | None,
    stack: str | None,
    as_json: bool,
    show_commands: bool,
) -> int:
    from tidegate.cli.runs.submit import Wish
    from tidegate.cli.runs.submit import submit as submit_run

    wish = Wish(
        source,
        manifest,
        run,
        include,
        exclude,
        since,
        limit,
        again,
        output_key,
        assignments,
    )
    return submit_run(
        stack,
        wish,
        dry_run=dry_run,
        wait=wait,
        report=report,
        as_json=as_json,
        show_commands=show_commands,
    )


@click.command(short_help="follow a run to its end, and say how it ended")
@RUN
@REPORT
@STACK
@JSON
@SHOW_COMMANDS
def wait(
    *,
    run: str | None,
    report: Path | None,
    stack: str | None,
    as_json: bool,
    show_commands: bool,
) -> int:
    """Follow a run, the latest one without a name. Ctrl-C leaves the run as it is.

    A run has ended once each of its files has an output or a failure report. What it was is then
    recorded below `_runs/` in the output bucket.

    Exit status: 0 if all files were predicted, 3 if some were not, 1 if the run cannot end.
    """
    from tidegate.cli.runs.wait import wait as wait_for

    return wait_for(stack, run, report=report, as_json=as_json, show_commands=show_commands)


@click.command(short_help="write a run as one page of HTML: what failed, how fast, what it cost")
@RUN
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the page there, not on standard output.",
)
@STACK
@SHOW_COMMANDS
def report(*, run: str | None, output: Path | None, stack: str | None, show_commands: bool) -> int:
    """Write a page about a run, the latest one without a name.

    The page is one file that loads nothing and runs no script. A run that goes on has a page too.

    Exit status: 0 if all files were predicted or the run goes on without a failure, 3 if some files
    were not predicted.
    """
    from tidegate.cli.runs.report import report as write_report

    return write_report(stack, run, output=output, show_commands=show_commands)


@click.command(short_help="leave the rest of a run unpredicted")
@RUN
@STACK
@YES
@JSON
@SHOW_COMMANDS
def cancel(
    *, run: str | None, stack: str | None, yes: bool, as_json: bool, show_commands: bool
) -> int:
    """Cancel a run, the latest one without a name: workers drop its messages.

    What is predicted stays, and what is under way is predicted. Files that land go on as ever.
    """
    from tidegate.cli.runs.cancel import cancel as cancel_run

    return cancel_run(stack, run, yes=yes, as_json=as_json, show_commands=show_commands)


@click.command(short_help="say what another model would change, before it is deployed")
@MODEL
@click.argument("sources", metavar="s3://BUCKET/PREFIX|FILE...", nargs=-1, required=True)
@click.option(
    "--with",
    "other",
    metavar="MODEL",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with this model, not with the outputs that are there.",
)
@click.option(
    "--files",
    "most",
    metavar="N",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="At most so many files: the first ones that are predicted.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-9,
    show_default=True,
    help="A smaller change of a number is none.",
)
@PREDICTOR
@SET
@STACK
@JSON
@SHOW_COMMANDS
def compare(
    *,
    model: Path,
    sources: Sequence[str],
    other: Path | None,
    most: int,
    tolerance: float,
    predictor: str | None,
    assignments: Sequence[str],
    stack: str | None,
    as_json: bool,
    show_commands: bool,
) -> int:
    """Predict a sample of files by MODEL on this machine, and compare row by row.

    Files of a stack are compared with their outputs, and read as its workers read them. Nothing is
    written. Prints the share of rows that change, how much, from which class to which, and the rows
    that change most.

    Exit status: 0 if all files were compared, 3 if some were not, 1 if none was.
    """
    from tidegate.cli.runs.compare import compare as compare_models

    return compare_models(
        stack,
        model,
        sources,
        other=other,
        predictor=predictor,
        assignments=assignments,
        most=most,
        tolerance=tolerance,
        as_json=as_json,
        show_commands=show_commands,
    )


COMMANDS = (submit, rescore, wait, report, cancel, compare)
