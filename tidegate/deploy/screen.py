"""What a deployment says and asks: the command line prints, and a test listens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.errors import TidegateError


class Declined(TidegateError):
    """The user said no, or could not be asked: exit status 1."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that CloudFormation would make to one resource."""

    action: str  # Add, Modify or Remove
    resource: str
    type: str
    replacement: str  # yes, no or maybe: CloudFormation may know it only when it makes the change


@dataclass(frozen=True, slots=True)
class Event:
    """What CloudFormation did with one resource."""

    id: str
    resource: str
    type: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        """Return whether this is a failure of its own, and not the end of others after one."""
        reason = self.reason.lower()
        cancelled = "cancelled" in reason or "canceled" in reason
        return self.status.endswith("_FAILED") and not cancelled


class Screen(Protocol):
    """Shows what goes on, and asks."""

    def say(self, text: str) -> None:
        """Print one line."""

    def show_command(self, command: str) -> None:
        """Print a command that could be typed."""

    def show_changes(self, changes: Sequence[Change]) -> None:
        """Print what would change."""

    def show_event(self, event: Event) -> None:
        """Print what CloudFormation did."""

    def show_wait(self, text: str) -> None:
        """Show what is waited for; an empty text ends the wait."""

    def ask(self, question: str, otherwise: str) -> None:
        """Ask for a yes; raises Declined, whose message ends with `otherwise`."""
