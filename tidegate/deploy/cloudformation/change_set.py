"""Change sets: what CloudFormation would change, and the change itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError
from tidegate.aws.stack import DeployedStack
from tidegate.deploy.cloudformation.events import Ended, Pause, follow, newest_event
from tidegate.deploy.screen import Change, Screen

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import DescribeChangeSetOutputTypeDef

PAUSE_SECONDS = 2
_REPLACEMENT = {"True": "yes", "Conditional": "maybe"}
# CloudFormation has no code for a change set that changes nothing.
_NOTHING = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change of a stack that waits to be executed."""

    stack: str
    name: str
    creates: bool
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeSets:
    """Makes, executes and drops the change sets of a stack."""

    account: Account
    screen: Screen
    pause: Pause

    @property
    def _client(self) -> "CloudFormationClient":
        client: CloudFormationClient = self.account.client("cloudformation")
        return client

    def make(
        self,
        name: str,
        stack: DeployedStack | None,
        template_url: str,
        *,
        parameters: Mapping[str, str],
        kept: frozenset[str],
        tags: Mapping[str, str],
    ) -> ChangeSet | None:
        """Make a change set for a new or an existing stack; None if nothing would change.

        Parameters that are `kept` have the value that the stack has. Raises AwsError with
        CloudFormation's reason.
        """
        values: list[Any] = [
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ]
        values += [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)]
        named: Any = [{"Key": key, "Value": value} for key, value in tags.items()]
        change_set = ChangeSet(name, _new_name(), stack is None)
        self._client.create_change_set(
            StackName=name,
            ChangeSetName=change_set.name,
            ChangeSetType="UPDATE" if stack else "CREATE",
            TemplateURL=template_url,
            Parameters=values,
            Capabilities=["CAPABILITY_IAM"],
            **({"Tags": named} if named else {}),
        )
        answer = self._described(change_set)
        if answer["Status"] == "FAILED":
            reason = answer.get("StatusReason", "")
            self.drop(change_set)
            if any(text in reason for text in _NOTHING):
                return None
            raise AwsError(f"CloudFormation made no change set for {name}: {reason}")
        return replace(change_set, changes=self._changes(answer))

    def _described(self, change_set: ChangeSet) -> "DescribeChangeSetOutputTypeDef":
        while True:
            answer = self._client.describe_change_set(
                ChangeSetName=change_set.name, StackName=change_set.stack
            )
            if not answer["Status"].endswith(("_PENDING", "_IN_PROGRESS")):
                return answer
            self.pause(PAUSE_SECONDS)

    def _changes(self, answer: "DescribeChangeSetOutputTypeDef") -> tuple[Change, ...]:
        changes = list(answer["Changes"])
        while token := answer.get("NextToken"):
            answer = self._client.describe_change_set(
                ChangeSetName=answer["ChangeSetName"],
                StackName=answer["StackName"],
                NextToken=token,
            )
            changes += answer["Changes"]
        found = [change["ResourceChange"] for change in changes]
        return tuple(
            Change(
                one["Action"],
                one["LogicalResourceId"],
                one["ResourceType"],
                _REPLACEMENT.get(one.get("Replacement", "False"), "no"),
            )
            for one in found
        )

    def drop(self, change_set: ChangeSet) -> None:
        """Delete a change set, with the empty stack that was made to hold it."""
        self._client.delete_change_set(ChangeSetName=change_set.name, StackName=change_set.stack)
        if change_set.creates:
            self._client.delete_stack(StackName=change_set.stack)

    def execute(self, change_set: ChangeSet) -> Ended:
        """Execute a change set, and follow it to its end."""
        after = newest_event(self.account, change_set.stack)
        self._client.execute_change_set(ChangeSetName=change_set.name, StackName=change_set.stack)
        return follow(self.account, change_set.stack, after, screen=self.screen, pause=self.pause)


def _new_name() -> str:
    """Return a name with the time; two of the same second differ."""
    return f"tidegate-{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(2)}"
