"""How far a run is: a join of what was sent with the outputs and reports, never a queue's count."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from tidegate.aws.asking import in_parallel
from tidegate.aws.listing import Listed, list_objects
from tidegate.runs.choice import Chosen
from tidegate.runs.join import Found, join
from tidegate.runs.record import Record
from tidegate.runs.request import Request
from tidegate.runs.states import Inquiry, State

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

ASKED = 100  # so many inputs are looked up one by one; of more, outputs and reports are listed
SHOWN_FAILURES = 20


@dataclass(slots=True)
class Progress:
    """What became of a run's inputs, as one look has found it."""

    files: int = 0
    predicted: int = 0
    failed: int = 0
    last: datetime | None = None
    """When the latest known output or report was written."""
    failures: list[Listed] = field(default_factory=list)
    """The first ones of those that failed."""
    left: list[Chosen] = field(default_factory=list)
    """The first ones of those that are neither predicted nor failed."""

    @property
    def is_finished(self) -> bool:
        """Return whether each input has an output or a report."""
        return self.predicted + self.failed == self.files

    def add(self, one: Chosen, state: State, time: datetime | None) -> None:
        """Count one input, and remember the time of the latest result."""
        self.files += 1
        if time is not None:
            self.last = max(time, self.last or time)
        if state is State.PREDICTED:
            self.predicted += 1
        elif state is State.FAILED:
            self.failed += 1
            if len(self.failures) < SHOWN_FAILURES:
                self.failures.append(one.source)
        elif len(self.left) <= ASKED:
            self.left.append(one)


@dataclass(slots=True)
class Follower:
    """Looks at a run again and again.

    While many inputs are left, a look lists outputs and reports, and memory does not grow with
    them. Once few are left, a look asks for these alone.
    """

    s3: "S3Client"
    request: Request
    record: Record
    inquiry: Inquiry
    _last: Progress | None = None

    def look(self) -> Progress:
        """Return how far the run is."""
        before = self._last
        if before is not None and len(before.left) <= ASKED:
            self._last = self._asked_again(before)
        else:
            self._last = self._looked(self.record.parts())
        return self._last

    def _result(self, one: Chosen) -> tuple[State, datetime | None]:
        run = self.request
        return self.inquiry.result_in_run(one.source, run.began, run.run, again=one.again)

    def _asked_again(self, before: Progress) -> Progress:
        now = Progress(
            before.files - len(before.left),
            before.predicted,
            before.failed,
            before.last,
            list(before.failures),
        )
        self._ask(before.left, now)
        return now

    def _looked(self, parts: list[str]) -> Progress:
        first = self.record.part(parts[0]) if len(parts) == 1 else None
        if first is not None and len(first) <= ASKED:
            return self._asked_again(Progress(len(first), left=first))
        now = Progress()
        sent: dict[str, Chosen] = {}  # those that wait in the join
        unsure: list[Chosen] = []

        def inputs() -> Iterator[Listed]:
            for one in self.record.sent(parts):
                sent[one.source.key] = one
                yield one.source

        for found in self._join(inputs()):
            one = sent.pop(found.source.key)
            state, time = listed_result(found, self.request.began)
            if state is not State.UNSURE:
                now.add(one, state, time)
                continue
            unsure.append(one)
            if len(unsure) >= ASKED:
                self._ask(unsure, now)
                unsure.clear()
        self._ask(unsure, now)
        return now

    def _ask(self, some: Sequence[Chosen], now: Progress) -> None:
        for one, (state, time) in zip(some, in_parallel(self._result, some), strict=True):
            now.add(one, state, time)

    def _join(self, inputs: Iterable[Listed]) -> Iterator[Found]:
        layout, prefix = self.inquiry.layout, self.request.prefix
        listed = partial(list_objects, self.s3, layout.output_bucket)
        outputs: Iterable[Listed] = ()
        reports: Iterable[Listed] = ()
        if layout.outputs:
            outputs = listed(layout.outputs[0].before + prefix, skipped=layout.skipped)
        if layout.reports:
            reports = listed(layout.reports.before + prefix)
        return join(layout, inputs, outputs, reports)


def listed_result(found: Found, began: datetime) -> tuple[State, datetime | None]:
    """Return what became of an input since a run began, as far as the listings say it.

    Nothing is certain of the same second.
    """
    output, report = found.output, found.report
    made = [one.modified for one in (output, report) if one is not None]
    last = max(made, default=None)
    if found.is_unclear:
        return State.UNSURE, None
    if last is None or last < began:
        return State.MISSING, None
    if last == began or len(set(made)) < len(made):
        return State.UNSURE, None
    return (State.PREDICTED if output and output.modified == last else State.FAILED), last
