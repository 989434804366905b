"""The state of the stack itself, and the way forward from each state that CloudFormation has."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError
from tidegate.aws.shown_calls import as_command
from tidegate.aws.stack import DESCRIPTION, DeployedStack
from tidegate.doctor.finding import Finding, broken, ok, warning

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_cloudformation import CloudFormationClient

GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}
UNDONE = {"UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
# What can be done about a stack that is in one of these states, and the command for it.
_DEPLOY, _DESTROY = "tidegate deploy {name}", "tidegate destroy {name}"
WAYS_FORWARD = {
    "REVIEW_IN_PROGRESS": ("its first change set was never executed: nothing is made", _DEPLOY),
    "ROLLBACK_COMPLETE": ("it could not be made: it can only be deleted and made anew", _DEPLOY),
    "ROLLBACK_FAILED": ("it could not be made, and what was made is not deleted", _DEPLOY),
    "CREATE_FAILED": ("it could not be made: it can only be deleted and made anew", _DEPLOY),
    "DELETE_FAILED": ("something of it could not be deleted", _DESTROY),
    "UPDATE_FAILED": (
        "an update failed and was not undone",
        "aws cloudformation rollback-stack --stack-name {name}",
    ),
    "UPDATE_ROLLBACK_FAILED": ("an update failed and could not be undone", _DEPLOY),
    "IMPORT_ROLLBACK_FAILED": ("an import failed and could not be undone", _DEPLOY),
}


def require_ours(stack: DeployedStack) -> None:
    """Raise AwsError if the stack is made of another template."""
    # CloudFormation knows no description before the first change set is executed.
    if not stack.is_tidegate and stack.status != "REVIEW_IN_PROGRESS":
        raise AwsError(
            f"the stack {stack.name} is not one of Tidegate: its description does not begin with"
            f" {DESCRIPTION.strip()!r}. Without a name, `tidegate doctor` finds the one there is"
        )


def is_made(stack: DeployedStack) -> bool:
    """Return whether the stack has its resources, so that there is something to look at."""
    return "DispatcherFunction" in stack.outputs and "DELETE" not in stack.status


def state(account: Account, stack: DeployedStack) -> Finding:
    """Return the stack's state; a bad one with the resource that failed first, and its reason."""
    if stack.status in GOOD:
        return ok(stack.status)
    if stack.status in WAYS_FORWARD:
        what, command = WAYS_FORWARD[stack.status]
        found = f"{stack.status}: {what}{_first_failure(account, stack)}"
        return broken(found, "Remove the cause, then", command.format(name=stack.name))
    if stack.status in UNDONE:
        found = f"{stack.status}: the last update failed, and all is as before"
        return warning(
            found + _first_failure(account, stack),
            "Remove the cause, then",
            _DEPLOY.format(name=stack.name),
        )
    return warning(
        f"{stack.status}: CloudFormation is at work, so other lines may change",
        "Wait for the end, then ask again:",
        as_command("cloudformation", "DescribeStackEvents", {"StackName": stack.name}),
    )


def _first_failure(account: Account, stack: DeployedStack) -> str:
    """Return the resource that failed first in the last operation, and why."""
    client: CloudFormationClient = account.client("cloudformation")
    try:
        events = client.describe_stack_events(StackName=stack.name)["StackEvents"]
    except ClientError as error:
        return f". What failed could not be asked: {error}"
    first = ""
    for event in events:
        status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason", "")
        own = event.get("PhysicalResourceId") == event["StackId"]
        if status.endswith("_FAILED") and not own and "cancelled" not in reason:
            first = f". {event.get('LogicalResourceId')}: {reason}"  # the newest event comes first
        if own and reason == "User Initiated":
            break
    return first or (f". {stack.reason}" if stack.reason else "")
