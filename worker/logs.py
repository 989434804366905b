"""Structured logs on standard error: JSON lines, or readable columns on a terminal."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

from worker.quoting import MASK

LogFormat = Literal["auto", "console", "json"]


def resolve(log_format: LogFormat) -> Literal["console", "json"]:
    """Return the log format; `auto` is `console` if standard error is a terminal."""
    if log_format == "auto":
        return "console" if sys.stderr.isatty() else "json"
    return log_format


def configure(
    log_format: Literal["console", "json"], level: str, *, masks_libraries: bool = False
) -> None:
    """Send the worker's logs and the libraries' warnings to standard error.

    With `masks_libraries` a library's line has no message, which may quote a value of a file.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The default formatter shows local variables, which may hold secrets.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
        if log_format == "console"
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    if masks_libraries:
        handler.addFilter(_without_message)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("aiobotocore.credentials").addFilter(_without_traceback)


def _without_message(record: logging.LogRecord) -> bool:
    """Keep who has logged and where, without the message and its traceback."""
    record.msg, record.args, record.exc_info = f"{record.name}: {MASK}", (), None
    record.stack_info = record.exc_text = None
    return True


def _without_traceback(record: logging.LogRecord) -> bool:
    """Keep the warning that credentials could not be renewed, without the SDK's traceback."""
    record.exc_info = None
    return True
