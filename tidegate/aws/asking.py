"""Several questions to AWS at once: each has an answer, or the reason why there is none."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tidegate.aws.errors import explained

T = TypeVar("T")
S = TypeVar("S")
THREADS = 16  # the account's clients keep as many connections


def attempt(what: str, call: Callable[[], T], unanswered: list[str]) -> T | None:
    """Return the call's answer; None, and a line in `unanswered`, if AWS refuses it."""
    try:
        return call()
    except Exception as error:
        if (reason := explained(error)) is None:
            raise
        line = f"{what}: {reason}"
        if line not in unanswered:
            unanswered.append(line)
        return None


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a call returned, once it is there."""

    what: str
    future: Future[T]
    unanswered: list[str]

    def get(self) -> T | None:
        """Return the answer; None, and a line in `unanswered`, if AWS could not be asked."""
        return attempt(self.what, self.future.result, self.unanswered)


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks in threads. A refusal of one call leaves the other answers as they are."""

    pool: ThreadPoolExecutor
    unanswered: list[str] = field(default_factory=list)

    def ask(self, what: str, call: Callable[[], T]) -> Answer[T]:
        """Begin a call; `what` names what is unknown if AWS refuses."""
        return Answer(what, self.pool.submit(call), self.unanswered)


@contextmanager
def asking() -> Iterator[Asking]:
    """Ask in threads, all of which have ended at the end of the block."""
    with ThreadPoolExecutor(THREADS) as pool:
        yield Asking(pool)


def in_parallel(call: Callable[[S], T], arguments: Iterable[S]) -> list[T]:
    """Return the answers in the order of the arguments; the first error is raised."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, arguments))
