"""Faults that a test sets as the `before` hook of a fake."""

from collections.abc import Callable


def raising(error: Exception, *, on: str | None = None) -> Callable[..., None]:
    """Return a hook that raises the error on every call, or on the calls of one name only."""

    def before(*call: object) -> None:
        if on is None or call[0] == on:
            raise error

    return before
