"""The `tidegate` command: its subcommands, their options and their help."""

# ruff: noqa: PLC0415 - `--help` must not wait for pandas, botocore and the like
import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path

import click

from worker import __version__
from worker.errors import TidegateError

DEMO_OUTPUT = Path("demo-output")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

MODEL = click.argument("model", type=click.Path(path_type=Path))
PREDICTOR = click.option(
    "--predictor",
    metavar="MODULE:FACTORY",
    help="Make the predictor by code of your own: FACTORY(path) of MODULE.",
)
SET = click.option(
    "--set",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="A worker's setting, such as MAX_REJECTED=0.05; repeat for more. "
    "`python -m worker --help` lists them.",
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="None of these commands needs an AWS account, and none touches one.",
)
@click.version_option(__version__, message="tidegate %(version)s")
def cli() -> None:
    """Batch predictions on AWS that cost nothing while idle."""


@cli.command(short_help="say whether a model takes your files, and what a worker would do")
@MODEL
@click.argument("files", metavar="[FILE]...", nargs=-1)
@PREDICTOR
@SET
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
def check(
    *,
    model: Path,
    files: Sequence[str],
    predictor: str | None,
    assignments: Sequence[str],
    as_json: bool,
) -> int:
    """Load MODEL as a worker does, and try it on each FILE. Nothing is written.

    Prints what the model is, the columns that it reads, and what comes out; for each file its
    format, the bad rows with line and reason, the first predictions, and the speed; and the size of
    the task that a worker with this model needs.

    Exit status: 0 if every row can be predicted, 1 if the model or a file cannot, 3 if some rows
    of a file are bad.
    """
    from tidegate.offline.inputs import find_files
    from tidegate.offline.worker_settings import read_settings

    settings = read_settings(model, predictor, assignments)
    found = find_files(files) if files else []
    from tidegate.cli.check import check as run

    return run(settings, found, as_json=as_json)


@cli.command(short_help="predict files on this machine, with the bytes that a worker writes")
@MODEL
@click.argument("sources", metavar="IN... [OUT]", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The same as OUT, for scripts: whatever exists, all arguments are then inputs.",
)
@PREDICTOR
@SET
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON, for programs.")
def predict(
    *,
    model: Path,
    sources: Sequence[str],
    output: Path | None,
    predictor: str | None,
    assignments: Sequence[str],
    as_json: bool,
) -> int:
    """Predict the files IN by MODEL, as a worker does, and write the same bytes.

    IN is a file, a folder or a glob. An output has its input's name, format and compression.
    Rejected rows go beside it, to NAME.rejected.csv. A file that fails says why, and the others go
    on.

    OUT is a folder, or a file if IN is one file. Without it the predictions of one file go to
    standard output, and those of several files to the folder `predictions`. A file that exists is
    always an input.

    Exit status: 0 if every row was predicted, 1 if nothing was, 3 if some files or rows were not.
    """
    from tidegate.offline.inputs import find_files, split_output
    from tidegate.offline.worker_settings import read_settings

    settings = read_settings(model, predictor, assignments)
    named, output = split_output(sources, output)
    found = find_files(named)
    from tidegate.cli.predict import predict as run

    return run(settings, found, output, as_json=as_json)


@cli.command(short_help="run the whole system on a local cloud with real files")
def demo() -> int:
    """Run the whole system on a local cloud with real files, and check every prediction.

    A dozen files (CSV, gzip, Parquet; one of them broken, one delivered twice) go through the real
    template, dispatcher and worker. Outputs, failure report and logs stay in ./demo-output, which
    each run replaces. It takes about half a minute and leaves nothing running.

    Exit status: 0 if every check passed, 1 if one failed, 130 after Ctrl-C.
    """
    from tidegate.localcloud.cloud import require_checkout

    require_checkout()
    from tidegate.cli.demo.run import demo as run

    return _run_async(run(DEMO_OUTPUT))


@cli.command(short_help="start a local cloud with the system and your model, until Ctrl-C")
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your model; without it, one of iris flowers is trained.",
)
@PREDICTOR
@SET
@click.option(
    "--files",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder whose files go into the input bucket, also those that come or change later.",
)
def cloud(
    *, model: Path | None, predictor: str | None, assignments: Sequence[str], files: Path | None
) -> int:
    """Start a local cloud with the system deployed on it, and keep it running until Ctrl-C.

    Prints the variables to export so that the AWS CLI and boto3 in another terminal use this cloud.
    Each file that lands in the input bucket is shown, with its output or the reason why there is
    none. Ctrl-C removes everything, outputs too.
    """
    from tidegate.localcloud.cloud import require_checkout

    require_checkout()
    from tidegate.cli.cloud import cloud as run

    return _run_async(run(model, predictor=predictor, assignments=assignments, files=files))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status, or 128 + the signal's number after a signal."""
    try:
        status = cli.main(arguments, prog_name="tidegate", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("\nstopped", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        cause = _first_cause(error)
        if not isinstance(cause, TidegateError):
            raise
        print(f"tidegate: {cause}", file=sys.stderr)
        return 1
    return int(status or 0)


def _run_async(work: Coroutine[None, None, None]) -> int:
    return asyncio.run(_run_until_signal(work))


async def _run_until_signal(work: Coroutine[None, None, None]) -> int:
    """Run the coroutine; the first signal cancels it, and later signals are ignored.

    So a second Ctrl-C cannot interrupt the clean-up.
    """
    task = asyncio.ensure_future(work)
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not received:
            received.append(number)
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not received:
            raise
        print("\nstopped; nothing is left running", file=sys.stderr)
        return 128 + received[0]
    return 0


def _first_cause(error: BaseException) -> BaseException:
    """Return the first error inside the exception groups that task groups raise."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
