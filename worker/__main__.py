"""python -m worker: read the environment, run the service, say how it ended."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterator

import structlog

from worker import __version__, environment, logs
from worker.errors import SettingsError, TidegateError
from worker.settings import Settings
from worker.stop import Stop

EXIT_FATAL = 1
EXIT_SETTINGS = 2

log = structlog.get_logger()


def main() -> int:
    """Run a worker until it is idle or told to stop; answer the exit status."""
    _parser().parse_args()
    try:
        settings = environment.load()
    except SettingsError as error:
        return _refuse(error)
    logs.configure(logs.resolve(settings.log_format), settings.log_level)
    for warning in environment.misspelt(os.environ):
        log.warning(warning)
    try:
        asyncio.run(_run(settings))
    except KeyboardInterrupt:  # before our own handling of signals began
        return 128 + signal.SIGINT
    except (TidegateError, ExceptionGroup) as error:
        return _fail(next(_leaves(error)))
    return 0


async def _run(settings: Settings) -> None:
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, number, stop)

    # Heavy: not for --help, not to refuse a setting, and not before a signal can be heard.
    from worker.service import run  # noqa: PLC0415

    await run(settings, stop)


def _on_signal(number: signal.Signals, stop: Stop) -> None:
    if stop.reason is not None and stop.reason != "idle":
        # The pool's processes see that we are gone and follow; what is in hand stays invisible
        # until its visibility timeout.
        os._exit(128 + number)
    stop.request(number.name)


def _fail(error: BaseException) -> int:
    if isinstance(error, SettingsError):
        return _refuse(error)
    # A traceback helps only with what nobody foresaw.
    unforeseen = None if isinstance(error, TidegateError) else error
    about = {"error_type": type(error).__name__, "error": str(error)}
    log.error("worker failed", **about, exc_info=unforeseen)
    return EXIT_FATAL


def _refuse(error: SettingsError) -> int:
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)  # noqa: T201 - for a person, before any log
    print("help: python -m worker --help lists every setting", file=sys.stderr)  # noqa: T201
    return EXIT_SETTINGS


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _parser() -> argparse.ArgumentParser:
    rows = environment.table()
    wide, middle = (max(len(row[column]) for row in rows) for column in (0, 1))
    table = "\n".join(
        f"  {name:{wide}}  {default:{middle}}  {meaning}" for name, default, meaning in rows
    )
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description="Predict the files that the messages of an SQS queue speak of, until idle.",
        epilog=f"settings, from the environment (variable, default, meaning):\n{table}\n\n"
        "AWS_REGION, AWS_ENDPOINT_URL and credentials are read as by every AWS tool.\n\n"
        "exit status: 0 idle or stopped, everything given back; 1 the queue or the model cannot\n"
        "be used; 2 a setting is wrong; 130 or 143 a second SIGINT or SIGTERM cut it short.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tidegate worker {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
