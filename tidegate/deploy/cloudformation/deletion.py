"""Deletes a stack, and says what refused to be deleted."""

from typing import TYPE_CHECKING

from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError
from tidegate.aws.stack import DeployedStack
from tidegate.deploy.cloudformation.events import Ended, Pause, follow, newest_event
from tidegate.deploy.screen import Screen

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_cloudformation import CloudFormationClient

EMPTY = "REVIEW_IN_PROGRESS"  # a first change set was made and never executed


def delete_stack(
    account: Account,
    stack: DeployedStack,
    *,
    screen: Screen,
    pause: Pause,
    retain_failed: bool = False,
) -> None:
    """Delete a stack and wait for its end; the buckets with files stay.

    With `retain_failed`, resources that refuse to be deleted are left behind. Raises AwsError that
    names what refused, and why.
    """
    client: CloudFormationClient = account.client("cloudformation")

    def delete(*retained: str) -> Ended:
        after = newest_event(account, stack.id)
        # CloudFormation accepts a list of what to retain after a deletion that failed.
        if retained:
            client.delete_stack(StackName=stack.id, RetainResources=retained)
        else:
            client.delete_stack(StackName=stack.id)
        return follow(account, stack.id, after, screen=screen, pause=pause)

    if stack.status == EMPTY:  # nothing is deleted, so there may be no events to wait for
        client.delete_stack(StackName=stack.id)
        return
    ended = delete()
    refused = sorted({event.resource for event in ended.failures})
    if not ended.good and refused and retain_failed:
        screen.say(f"left behind: {', '.join(refused)}")
        ended = delete(*refused)
    if not ended.good:
        reasons = "\n".join(
            f"  {event.resource} ({event.type}): {event.reason}" for event in ended.failures
        )
        raise AwsError(
            f"the stack {stack.name} is in the state {ended.status}:\n{reasons or ended.reason}\n"
            f"Remove the cause, then `tidegate destroy {stack.name}` again; or leave behind what"
            f" refuses: `tidegate destroy {stack.name} --retain-failed`"
        )
