"""The `tidegate` command."""

import argparse
import asyncio
import inspect
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path

from worker import __version__
from worker.errors import TidegateError

OUTPUT = Path("demo-output")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 after a failure, or 128 + the signal's number after a signal."""
    chosen = _parser().parse_args(arguments)
    try:
        return asyncio.run(_run_until_signal(chosen.command()))
    except Exception as error:
        cause = _first_cause(error)
        if not isinstance(cause, TidegateError):
            raise
        print(f"\ntidegate: {cause}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tidegate",
        description="Batch predictions on AWS that cost nothing while idle.",
        epilog="Both commands run on this machine alone. They need no AWS account and touch none.",
    )
    parser.add_argument("--version", action="version", version=f"tidegate {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    for run in (_demo, _cloud):
        text = inspect.getdoc(run) or ""
        summary = text.partition("\n")[0]
        command = commands.add_parser(
            run.__name__.strip("_"),
            help=summary[0].lower() + summary[1:].rstrip("."),
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(command=run)
    return parser


def _demo() -> Coroutine[None, None, None]:
    """Run the whole system on a local cloud with real files, and check every prediction.

    A dozen files (CSV, gzip, Parquet; one of them broken, one delivered twice) go through the real
    template, dispatcher and worker. Outputs, failure report and logs stay in ./demo-output, which
    each run replaces. It takes about half a minute and leaves nothing running.

    Exit status: 0 if every check passed, 1 if one failed, 130 after Ctrl-C.
    """
    from tidegate.localcloud.cloud import require_checkout  # noqa: PLC0415 (--help needs no botocore)

    require_checkout()
    from tidegate.cli.demo.run import demo  # noqa: PLC0415 (--help needs no pandas, slow to import)

    return demo(OUTPUT)


def _cloud() -> Coroutine[None, None, None]:
    """Start a local cloud with the system deployed on it, and keep it running until Ctrl-C.

    Prints the variables to export so that the AWS CLI and boto3 in another terminal use this cloud.
    Copy a file into the input bucket: the iris model's predictions appear in the output bucket.
    """
    from tidegate.localcloud.cloud import require_checkout  # noqa: PLC0415 (as above)

    require_checkout()
    from tidegate.cli.cloud import cloud  # noqa: PLC0415 (as above)

    return cloud()


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
