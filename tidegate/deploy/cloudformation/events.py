"""Follows what CloudFormation does with a stack, to its end."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from tidegate.aws.account import Account
from tidegate.deploy.screen import Event, Screen

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef

PAUSE_SECONDS = 3
_GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"}
_STACK = "AWS::CloudFormation::Stack"

Pause = Callable[[float], None]


class Ended:
    """How an operation on a stack ended, and its first failure."""

    def __init__(self, status: str, events: Sequence[Event]) -> None:
        self.status = status
        self.failures = [event for event in events if event.failed and event.type != _STACK]
        self.reason = next((event.reason for event in reversed(events) if event.reason), "")

    @property
    def good(self) -> bool:
        """Return whether CloudFormation did what it was asked for."""
        return self.status in _GOOD

    @property
    def first_failure(self) -> str:
        """Return the resource that failed first, and why."""
        if self.failures:
            first = self.failures[0]
            return f"{first.resource} ({first.type}): {first.reason or first.status}"
        return self.reason or self.status


def is_over(status: str) -> bool:
    """Return whether CloudFormation does nothing with a stack in this state."""
    return not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS"


def newest_event(account: Account, stack: str) -> str | None:
    """Return the id of a stack's newest event, to follow what comes after."""
    return next((event.id for event, _ in _newest_first(account, stack)), None)


def follow(
    account: Account, stack: str, after: str | None, *, screen: Screen, pause: Pause
) -> Ended:
    """Show each event of a stack after the one named, and return how the operation ended.

    A stack that is deleted goes by its id, because its name is then no more known.
    Without a name, the operation that is under way is followed: its events so far are not shown.
    """
    shown: list[Event] = []
    try:
        while True:
            status = None
            past = after is None
            for event, is_stack in reversed(_since(account, stack, after)):
                after = event.id
                status = event.status if is_stack else status
                if not past:
                    shown.append(event)
                    screen.show_event(event)
            if status and is_over(status):
                return Ended(status, shown)
            pause(PAUSE_SECONDS)
    except KeyboardInterrupt:
        screen.say("CloudFormation goes on; the same command waits for its end")
        raise
    finally:
        screen.show_wait("")


def _since(account: Account, stack: str, after: str | None) -> list[tuple[Event, bool]]:
    fresh = []
    for event, is_stack in _newest_first(account, stack):
        if event.id == after:
            break
        fresh.append((event, is_stack))
    return fresh


def _newest_first(account: Account, stack: str) -> Iterator[tuple[Event, bool]]:
    """Yield each event, and whether it is the stack's own."""
    client: CloudFormationClient = account.client("cloudformation")
    pages = client.get_paginator("describe_stack_events").paginate(StackName=stack)
    for page in pages:
        for event in page["StackEvents"]:
            yield _event(event), event.get("PhysicalResourceId") == event["StackId"]


def _event(event: "StackEventTypeDef") -> Event:
    return Event(
        event["EventId"],
        event.get("LogicalResourceId", ""),
        event.get("ResourceType", ""),
        event.get("ResourceStatus", ""),
        event.get("ResourceStatusReason", ""),
    )
