"""The states that a stack may be in, and the way forward from each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError
from tidegate.aws.stack import DESCRIPTION, DeployedStack, describe
from tidegate.deploy.cloudformation.deletion import EMPTY
from tidegate.deploy.cloudformation.events import Pause, follow, is_over, newest_event
from tidegate.deploy.screen import Screen

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_cloudformation import CloudFormationClient

# The stack was never whole, and CloudFormation can only delete it.
_NEVER_WHOLE = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}
_UPDATABLE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}


@dataclass(frozen=True, slots=True)
class States:
    """Brings a stack into a state that an operation can begin in."""

    account: Account
    screen: Screen
    pause: Pause

    @property
    def _client(self) -> "CloudFormationClient":
        client: CloudFormationClient = self.account.client("cloudformation")
        return client

    def at_rest(self, name: str) -> DeployedStack | None:
        """Return the stack once CloudFormation does nothing with it; None if there is none.

        Raises AwsError if the stack is not one of Tidegate.
        """
        stack = describe(self.account, name)
        while stack is not None and not is_over(stack.status):
            self._require_ours(stack)
            reason = f" ({stack.reason})" if stack.reason else ""
            self.screen.say(
                f"the stack {name} is being changed: {stack.status}{reason}. Waiting for the end"
            )
            follow(self.account, stack.id, None, screen=self.screen, pause=self.pause)
            stack = describe(self.account, name)
        if stack is not None:
            self._require_ours(stack)
        return stack

    def for_update(self, name: str) -> tuple[DeployedStack | None, DeployedStack | None]:
        """Return the stack that is to be updated, or what is to be deleted before it is made.

        Both are None if there is no stack, or an empty one. The user is asked before a stack that
        was never whole is given up. Raises AwsError with the way forward if the stack can neither
        be updated nor made anew.
        """
        stack = self.at_rest(name)
        if stack is None or stack.status == EMPTY:
            return None, None
        if stack.status in _NEVER_WHOLE:
            self._give_up(stack)
            return None, stack
        if stack.status == "UPDATE_ROLLBACK_FAILED":
            return self._rolled_back(stack), None
        if stack.status in _UPDATABLE:
            return stack, None
        raise AwsError(f"the stack {name} cannot be updated: {self.explain(stack)}")

    def require_updatable(self, name: str) -> DeployedStack:
        """Return the stack, or raise AwsError: for what must not wait, ask or delete."""
        stack = describe(self.account, name)
        if stack is None or stack.status == EMPTY:
            raise AwsError(
                f"there is no stack {name} in {self.account.region} of the account"
                f" {self.account.id}: `tidegate deploy {name} --model FILE` makes it"
            )
        self._require_ours(stack)
        if stack.status in _NEVER_WHOLE | {"DELETE_FAILED"} or stack.status.startswith("DELETE"):
            raise AwsError(f"the stack {name} cannot be updated: {self.explain(stack)}")
        return stack

    def _require_ours(self, stack: DeployedStack) -> None:
        # CloudFormation knows no description before the first change set is executed.
        if not stack.is_tidegate and stack.status != EMPTY:
            raise AwsError(
                f"the stack {stack.name} is not one of Tidegate: its description does not begin"
                f" with {DESCRIPTION.strip()!r}. Choose another name"
            )

    def _give_up(self, stack: DeployedStack) -> None:
        self.screen.say(f"the stack {stack.name} is in the state {stack.status}")
        for line in self._failures(stack):
            self.screen.say(f"  {line}")
        self.screen.say(
            "it was never whole, so CloudFormation can only delete it. The buckets that it had made"
            " are gone, unless they are listed here"
        )
        self.screen.ask(
            f"Delete what is left of {stack.name} and make it anew?",
            f"`tidegate destroy {stack.name}` deletes it alone",
        )

    def _rolled_back(self, stack: DeployedStack) -> DeployedStack:
        command = f"aws cloudformation continue-update-rollback --stack-name {stack.name}"
        self.screen.say(f"the last update of {stack.name} failed, and its rollback failed too:")
        for line in self._failures(stack):
            self.screen.say(f"  {line}")
        self.screen.ask("Try the rollback again?", f"`{command}` does it alone")
        after = newest_event(self.account, stack.id)
        self._client.continue_update_rollback(StackName=stack.name)
        ended = follow(self.account, stack.id, after, screen=self.screen, pause=self.pause)
        if ended.status != "UPDATE_ROLLBACK_COMPLETE":
            raise AwsError(
                f"the rollback of {stack.name} failed again: {ended.first_failure}. Remove the"
                f" cause, or leave the resource as it is: `{command} --resources-to-skip RESOURCE`"
            )
        again = describe(self.account, stack.name)
        assert again is not None
        return again

    def explain(self, stack: DeployedStack) -> str:
        """Return the state of a stack that cannot be updated, with the next command."""
        failures = "".join(f"\n  {line}" for line in self._failures(stack))
        return f"it is in the state {stack.status}.{failures}\n{_next_step(stack)}"

    def _failures(self, stack: DeployedStack) -> Iterator[str]:
        """Yield each resource that is in the way, and why."""
        for one in self._client.describe_stack_resources(StackName=stack.id)["StackResources"]:
            if one["ResourceStatus"].endswith("_FAILED"):
                reason = one.get("ResourceStatusReason", one["ResourceStatus"])
                yield f"{one['LogicalResourceId']} ({one['ResourceType']}): {reason}"


def _next_step(stack: DeployedStack) -> str:
    if stack.status == "UPDATE_FAILED":
        return f"`aws cloudformation rollback-stack --stack-name {stack.name}` undoes the update"
    return f"`tidegate destroy {stack.name}` deletes it"
