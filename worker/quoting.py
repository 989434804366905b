"""How messages quote what a file holds: as it stands, or masked (WORKER_REPORT_VALUES=mask).

A message may quote cells, and so may the message of a library or of a model. A pool process, in
which all of these arise, sets once whether they are masked.
"""

import traceback
from collections.abc import Iterator

MASK = "***"

_settings = {"masked": False}


def configure(*, masked: bool) -> None:
    """Mask values from now on, or show them."""
    _settings["masked"] = masked


def is_masked() -> bool:
    """Return whether values are masked."""
    return _settings["masked"]


def quote_value(shown: str) -> str:
    """Return a value as a message quotes it."""
    return MASK if is_masked() else shown


def message_of(error: BaseException) -> str:
    """Return the message of a library's or a model's error; masked it is the error's class name."""
    return type(error).__name__ if is_masked() else str(error)


def describe(error: BaseException) -> str:
    """Return the class name and the message of an error; masked it is the name alone."""
    name = type(error).__name__
    return name if is_masked() else f"{name}: {error}"


def traceback_of(error: BaseException) -> str:
    """Return an error's traceback; masked it has the frames and the class names, no message."""
    if not is_masked():
        return "".join(traceback.format_exception(error))
    return "".join(reversed([_frames(one) for one in _chain(error)]))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return an error, then the one that it was raised from or during, and so on."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _frames(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"Traceback (most recent call last):\n{frames}{type(error).__name__}\n"
