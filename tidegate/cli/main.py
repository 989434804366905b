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
    """Run a command and return its exit status: 0, 1 on failure, 128 + the signal that ended it."""
    chosen = _parser().parse_args(arguments)
    try:
        return asyncio.run(_until_signalled(chosen.command()))
    except Exception as error:
        cause = _first(error)
        if not isinstance(cause, TidegateError):
            raise
        print(f"\ntidegate: {cause}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tidegate",
        description="Batch predictions on AWS that cost nothing while idle.",
        epilog="Both commands run on this machine alone: no AWS account is needed or touched.",
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
    """Run the whole system on a local cloud, with real input, and check every prediction.

    A dozen files (CSV, gzip, Parquet; one of them broken, one delivered twice) go through the real
    template, dispatcher and worker. Outputs, failure report and logs stay in ./demo-output, which
    each run replaces. It takes about half a minute and leaves nothing running.

    Exit status: 0 when all is as it should be, 1 when anything is not, 130 after Ctrl-C.
    """
    from tidegate.localcloud.cloud import require_checkout  # noqa: PLC0415 (--help is fast without)

    require_checkout()
    from tidegate.cli.demo.run import demo  # noqa: PLC0415 (pandas takes seconds, which --help should not)

    return demo(OUTPUT)


def _cloud() -> Coroutine[None, None, None]:
    """Bring up the local cloud with the system deployed, and keep it until Ctrl-C.

    Prints what to export, so that the AWS CLI and boto3 in another terminal talk to it: copy a file
    into the input bucket, and its predictions by the iris model appear in the output bucket.
    """
    from tidegate.localcloud.cloud import require_checkout  # noqa: PLC0415 (as above)

    require_checkout()
    from tidegate.cli.cloud import stay  # noqa: PLC0415 (as above)

    return stay()


async def _until_signalled(work: Coroutine[None, None, None]) -> int:
    """Do the work; the first signal cancels it, and those that follow cannot hurry the clean-up."""
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


def _first(error: BaseException) -> BaseException:
    """Return the error that began it, out of the groups that task groups wrap around."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
