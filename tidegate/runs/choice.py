"""Which inputs of a run need a message: what is done, or has failed as it is, needs none."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from tidegate.aws.errors import NO_OBJECT
from tidegate.aws.errors import found as found_or_none
from tidegate.aws.listing import Listed
from tidegate.runs.join import Found
from tidegate.runs.states import Inquiry, State, listed_state
from worker.errors import SettingsError

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
THREADS = 16
LOOK_AHEAD = 256  # inputs that wait, in their order, for answers of S3


@dataclass(frozen=True, slots=True)
class Chosen:
    """An input to predict; `again` if an output of the same version is there."""

    source: Listed
    again: bool


@dataclass(slots=True)
class Counts:
    """What became of the inputs that were looked at."""

    files: int = 0
    bytes: int = 0
    done: int = 0
    failed: int = 0
    not_selected: int = 0
    absent: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Choice:
    """Chooses by the listings, and asks S3 where they do not say.

    `since` is when the present model was deployed: what is from before may be of another one.
    """

    inquiry: Inquiry
    takes: Callable[[Listed], bool]
    since: datetime | None = None
    again: bool = False

    def of(self, inputs: Iterable[Found], counts: Counts) -> Iterator[Chosen]:
        """Yield the inputs that need a message, in the order of the inputs; count all of them."""
        for source, state, was_asked in self._states(self._taken(inputs, counts)):
            if state is State.PREDICTED and not self.again:
                counts.done += 1
            elif state is State.FAILED and not self.again:
                counts.failed += 1
            else:
                counts.files += 1
                counts.bytes += source.size
                # A worker takes an output of the same version for done, whatever its model.
                yield Chosen(source, self.again or (was_asked and state is State.STALE))

    def _taken(self, inputs: Iterable[Found], counts: Counts) -> Iterator[Found]:
        for one in inputs:
            if self.takes(one.source):
                yield one
            else:
                counts.not_selected += 1

    def _states(self, inputs: Iterable[Found]) -> Iterator[tuple[Listed, State, bool]]:
        if self.again:
            yield from ((one.source, State.MISSING, False) for one in inputs)
            return
        waiting: deque[tuple[Listed, State | Future[State]]] = deque()
        with ThreadPoolExecutor(THREADS, thread_name_prefix="ask") as pool:
            for one in inputs:
                state = listed_state(one, since=self.since)
                unsure = state is State.UNSURE
                waiting.append((one.source, pool.submit(self._ask, one) if unsure else state))
                while waiting and (len(waiting) > LOOK_AHEAD or _is_known(waiting[0][1])):
                    yield _answered(*waiting.popleft())
            while waiting:
                yield _answered(*waiting.popleft())

    def _ask(self, one: Found) -> State:
        return self.inquiry.state(one)


def _is_known(state: State | Future[State]) -> bool:
    return not isinstance(state, Future) or state.done()


def _answered(source: Listed, state: State | Future[State]) -> tuple[Listed, State, bool]:
    if isinstance(state, Future):
        return source, state.result(), True
    return source, state, False


def named_inputs(
    s3: "S3Client", bucket: str, keys: Iterable[str], absent: list[str]
) -> Iterator[Found]:
    """Yield the inputs of these keys, each looked up; keys without an object go to `absent`."""

    def look(key: str) -> tuple[str, Listed | None]:
        head = found_or_none(lambda: s3.head_object(Bucket=bucket, Key=key), *NO_OBJECT)
        if head is None:
            return key, None
        etag, size = head["ETag"].strip('"'), head["ContentLength"]
        return key, Listed(key, etag, size, head["LastModified"])

    for key, source in in_order(look, keys):
        if source is None:
            absent.append(key)
        else:
            yield Found(source, is_unclear=True)


def in_order(call: Callable[[str], T], items: Iterable[str]) -> Iterator[T]:
    """Yield the call's answer for each item, several at a time, reading little ahead."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="look") as pool:
        under_way: deque[Future[T]] = deque()
        for item in items:
            under_way.append(pool.submit(call, item))
            if len(under_way) > LOOK_AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def keys_of(lines: Iterable[str], bucket: str, prefix: str) -> Iterator[str]:
    """Read a list of inputs: a key or an S3 URI a line.

    Raises SettingsError for one that is not below the prefix, where the workers may read.
    """
    start = f"s3://{bucket}/"
    for line in lines:
        text = line.rstrip("\r\n")
        if not text.strip():
            continue
        key = text.removeprefix(start)
        if key.startswith("s3://") or not key.startswith(prefix):
            raise SettingsError(f"{text} is not within {start}{prefix}")
        yield key


def unsent(chosen: Iterable[Chosen], last: str) -> Iterator[Chosen]:
    """Leave out what an interrupted run has sent already; `last` is the last key of that.

    The join yields the inputs nearly in the order of their keys: those that `last` begins with may
    come behind it. They are sent, for a second time perhaps, which costs a look.
    """
    for one in chosen:
        key = one.source.key
        if key > last or (key != last and last.startswith(key)):
            yield one
