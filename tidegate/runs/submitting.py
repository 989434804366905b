"""Sends the messages of a run, and records what was sent."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tidegate.runs.choice import Chosen
from tidegate.runs.messages import Sender
from tidegate.runs.record import PART_FILES, Record
from tidegate.runs.request import Request


@dataclass(slots=True)
class Submitter:
    """Sends messages as their inputs are chosen; memory does not grow with their number.

    What was sent is recorded in parts, also if the sending is interrupted: the same run can go on
    behind them. A message that SQS has taken in the last moment may not be recorded, and is then
    sent twice.
    """

    request: Request
    record: Record
    sender: Sender
    on_sent: Callable[[int], None]
    first_part: int = 1
    sent: int = 0
    _under_way: deque[Chosen] = field(default_factory=deque)
    _part: list[Chosen] = field(default_factory=list)

    def run(self, chosen: Iterable[Chosen]) -> int:
        """Send a message for each input; return how many were sent."""
        try:
            for number in self.sender.send(self._bodies(chosen)):
                self._part += [self._under_way.popleft() for _ in range(number)]
                self.sent += number
                self.on_sent(self.sent)
                if len(self._part) >= PART_FILES:
                    self._write_part()
        finally:
            self._write_part()
        return self.sent

    def _bodies(self, chosen: Iterable[Chosen]) -> Iterator[str]:
        submission = self.request.submission
        for one in chosen:
            if not self._under_way and not self._part and not self.sent:
                self.record.write_request(self.request)
            self._under_way.append(one)
            yield submission.body(one.source, again=one.again)

    def _write_part(self) -> None:
        if self._part:
            self.record.write_sent(self.first_part, self._part)
            self.first_part += 1
            self._part = []
