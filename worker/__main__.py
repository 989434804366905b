"""python -m worker: read the settings, run the worker, return its exit status."""

import gc
import os
import sys

from worker.lifecycle import early_signals

if __name__ == "__main__":  # before the imports below: they take seconds on a small task
    early_signals.install()
    # Until the worker is ready: a start leaves little garbage, and collections take a tenth of it.
    gc.disable()

from worker.pool import forkserver

if __name__ == "__main__" and not sys.argv[1:]:
    early_signals.before_exit.append(forkserver.kill)
    forkserver.start_early(os.environ)

import argparse
import asyncio
import signal
from collections.abc import Iterable, Iterator
from functools import partial

import structlog

from worker import __version__, logs, settings_help
from worker.advice.machine import on_machine
from worker.cores import threads_of_each
from worker.errors import (
    FatalError,
    LoopFailed,
    SettingsError,
    TidegateError,
    stray_cancellations_as_errors,
)
from worker.lifecycle.stop import Stop
from worker.lifecycle.supervision import background
from worker.metrics import Metrics, stream_for
from worker.service import preflight
from worker.service.last_line import LastLine
from worker.service.phases import Phases
from worker.service.watchdog import Watchdog, exit_now
from worker.settings import Settings

EXIT_FATAL = 1
EXIT_SETTINGS = 2

log = structlog.get_logger()


def main() -> int:
    """Run a worker until it is idle or a stop is requested; returns the exit status."""
    parser().parse_args()
    phases = Phases.of_this_process("imports")
    phases.begin("settings")
    try:
        settings = settings_help.load()
    except SettingsError as error:
        return _print_settings_error(error, settings_help.unknown(os.environ))
    logs.configure(logs.resolve(settings.log_format), settings.log_level)
    for name, nearest in settings_help.unknown(os.environ):
        log.warning("unknown setting", setting=name, nearest=nearest)
    stop = Stop()
    metrics = Metrics(settings.stack_name, stream_for(logs.resolve(settings.log_format)))
    try:
        preflight.check(settings, os.environ)
        with Watchdog(stop, settings.drain_seconds, on_lag=metrics.loop_late) as watchdog:
            # It runs already, unless the number of processes is set in another way than usual.
            forkserver.start(threads_of_each(settings.predict_processes))
            asyncio.run(_run(settings, stop, watchdog, phases, metrics))
    except Exception as error:  # noqa: BLE001 - every error ends here, with a log line
        return _fail(error)
    finally:
        # A late signal must not change the exit status.
        for number in early_signals.STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    return 0


async def _run(
    settings: Settings, stop: Stop, watchdog: Watchdog, phases: Phases, metrics: Metrics
) -> None:
    phases.begin("event_loop")
    # Imported here because it is slow: --help, a wrong setting and a signal must not wait for it.
    from worker.service.run import run  # noqa: PLC0415

    # Until here a signal ends the process at once; from here on there is something to end in order.
    install_signal_handlers(stop)
    with stray_cancellations_as_errors():
        async with background("watchdog", watchdog.ticks):
            last_line = LastLine(metrics, stop, os.environ)
            try:
                on_ready = partial(_on_ready, last_line)
                await run(settings, stop, phases=phases, metrics=metrics, on_ready=on_ready)
            finally:
                last_line.log()


def _on_ready(last_line: LastLine) -> None:
    last_line.note_ready()
    _collect_garbage()


def _collect_garbage() -> None:
    """Collect garbage from now on, but never look again at what the start has made."""
    gc.freeze()
    gc.enable()


def install_signal_handlers(stop: Stop) -> None:
    """Let the first SIGTERM or SIGINT request a stop, and the second end the process at once.

    A signal to a worker that stops by itself counts as the first one, so that the stop may finish.
    """
    loop = asyncio.get_running_loop()
    for number in early_signals.STOP_SIGNALS:
        loop.add_signal_handler(number, _on_signal, number, stop)


def _on_signal(number: signal.Signals, stop: Stop) -> None:
    if stop.signal(number.name):
        return
    # The pool processes end with their parent.
    exit_now(
        128 + number,
        lambda: log.warning(
            "hard stop: messages left to their visibility timeout",
            signal=number.name,
            message_ids=list(stop.in_hand()),
        ),
    )


def _fail(error: Exception) -> int:
    first, *rest = sorted(map(_with_advice, _leaves(error)), key=_rank)
    if isinstance(first, SettingsError):
        return _print_settings_error(first)
    fields = {"error_type": type(first).__name__, "error": str(first)}
    # Loops that failed for the same reason are one entry.
    also = dict.fromkeys(f"{type(other).__name__}: {other}" for other in rest)
    also.pop(f"{type(first).__name__}: {first}", None)
    # A traceback helps only with an error that the worker does not raise itself.
    unexpected = [
        leaf
        for leaf in (first, *rest)
        if isinstance(leaf, LoopFailed) or not isinstance(leaf, TidegateError)
    ]
    log.error(
        "worker failed",
        **fields,
        **({"also": list(also)} if also else {}),
        exc_info=unexpected[0] if unexpected else None,
    )
    return EXIT_FATAL


def _rank(error: BaseException) -> int:
    """Sort fatal errors first, then unexpected ones, then transient ones."""
    if isinstance(error, SettingsError | FatalError):
        return 0
    return 2 if isinstance(error, TidegateError) else 1


def _with_advice(error: BaseException) -> BaseException:
    """Return a FatalError that says what to do, for what the machine refuses."""
    if isinstance(error, TidegateError) or (advice := on_machine(error)) is None:
        return error
    return FatalError(f"{type(error).__name__}: {error}. {advice}")


def _print_settings_error(
    error: SettingsError, unknown: Iterable[tuple[str, str | None]] = ()
) -> int:
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)  # noqa: T201 - for a person, before logs are configured
    for name, nearest in unknown:
        hint = f": did you mean {nearest}?" if nearest else ""
        print(f"warning: {name} is no setting{hint}", file=sys.stderr)  # noqa: T201
    print("help: python -m worker --help lists every setting", file=sys.stderr)  # noqa: T201
    return EXIT_SETTINGS


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def parser() -> argparse.ArgumentParser:
    """Return the parser, whose help lists every setting."""
    rows = settings_help.table()
    name_width, default_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    table = "\n".join(
        f"  {name:{name_width}}  {default:{default_width}}  {meaning}"
        for name, default, meaning in rows
    )
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description="Predict the files that the messages of an SQS queue name, until it is idle.",
        epilog=f"settings, from the environment (variable, default, meaning):\n{table}\n\n"
        "WORKER_SETTINGS may hold several of them: MAX_REJECTED=0.05 KEEP_COLUMNS=id,age\n"
        "AWS_REGION, AWS_ENDPOINT_URL and credentials are read as by every AWS tool.\n\n"
        "exit status: 0 idle or stopped, every message released; 1 the queue or the model cannot\n"
        "be used, the start took ten minutes, or the worker was stuck; 2 a setting is wrong;\n"
        "130 or 143 stopped at once by a second SIGINT or SIGTERM.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tidegate worker {__version__}")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        forkserver.stop()  # it may be in the middle of its imports
