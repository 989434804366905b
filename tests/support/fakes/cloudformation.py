"""A fake of CloudFormation: stacks in any state, and what an operation makes of them.

An operation goes on whenever its caller pauses: `pause` takes the place of time.
"""

# ruff: noqa: N803 - the arguments are boto3's

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

DESCRIPTION = "Tidegate: batch predictions"
STACK = "AWS::CloudFormation::Stack"
Step = tuple[str, str, str, str]  # resource, type, status, reason


def refusal(code: str, message: str = "refused", operation: str = "Operation") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass
class FakeStack:
    """A stack, and the events of its operations that are still to come."""

    name: str
    status: str
    description: str = DESCRIPTION
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    protected: bool = False
    template: Any = field(default_factory=dict)
    resources: list[Step] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    coming: list[Step] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"arn:aws:cloudformation:eu-west-1:123456789012:stack/{self.name}/1"

    def happen(self, step: Step) -> None:
        resource, kind, status, reason = step
        is_stack = kind == STACK
        self.status = status if is_stack else self.status
        event = {
            "EventId": f"{self.name}-{len(self.events)}",
            "StackId": self.id,
            "LogicalResourceId": resource,
            "PhysicalResourceId": self.id if is_stack else resource,
            "ResourceType": kind,
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
        }
        self.events.insert(0, event)

    def answer(self) -> Mapping[str, Any]:
        return {
            "StackName": self.name,
            "StackId": self.id,
            "StackStatus": self.status,
            "StackStatusReason": "User Initiated",
            "Description": self.description,
            "EnableTerminationProtection": self.protected,
            "Parameters": _listed(self.parameters, "ParameterKey", "ParameterValue"),
            "Outputs": _listed(self.outputs, "OutputKey", "OutputValue"),
            "Tags": _listed(self.tags, "Key", "Value"),
        }


def _listed(values: Mapping[str, str], key: str, value: str) -> list[dict[str, str]]:
    return [{key: name, value: text} for name, text in values.items()]


@dataclass
class FakeCloudFormation:
    """The calls that a deployment makes, in the order in which it makes them."""

    stacks: dict[str, FakeStack] = field(default_factory=dict)
    refusals: dict[str, ClientError] = field(default_factory=dict)  # by operation
    calls: list[str] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=lambda: [change("Dispatcher")])
    no_changes: str = ""  # the reason why a change set has none
    ends: dict[str, Sequence[Step]] = field(default_factory=dict)  # by operation, else it succeeds
    change_sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    change_set_names: set[str] = field(default_factory=set)  # of all that were ever made
    newest: dict[str, Any] = field(default_factory=dict)  # the newest change set
    on_complete: Callable[[FakeStack], None] = lambda _: None

    def add(self, name: str, status: str, **facts: Any) -> FakeStack:  # noqa: ANN401 - fields
        stack = FakeStack(name, status, **facts)
        stack.happen((name, STACK, status, ""))
        self.stacks[name] = stack
        return stack

    def pause(self, _seconds: float) -> None:
        for stack in list(self.stacks.values()):
            if not stack.coming:
                continue
            step = stack.coming.pop(0)
            stack.happen(step)
            if stack.status == "DELETE_COMPLETE" and step[1] == STACK:
                del self.stacks[stack.name]
            elif step[1] == STACK and step[2].endswith("_COMPLETE"):
                self.on_complete(stack)

    def _called(self, operation: str) -> None:
        self.calls.append(operation)
        if operation in self.refusals:
            raise self.refusals[operation]

    def _find(self, name: str) -> FakeStack:
        for stack in self.stacks.values():
            if name in (stack.name, stack.id):
                return stack
        raise refusal("ValidationError", f"Stack with id {name} does not exist")

    def _start(self, operation: str, stack: FakeStack, beginning: str, end: str) -> None:
        stack.happen((stack.name, STACK, beginning, "User Initiated"))
        stack.coming = list(self.ends.get(operation, [(stack.name, STACK, end, "")]))

    def describe_stacks(self, *, StackName: str) -> Mapping[str, Any]:
        self._called("describe_stacks")
        return {"Stacks": [self._find(StackName).answer()]}

    def get_template(self, *, StackName: str) -> Mapping[str, Any]:
        self._called("get_template")
        return {"TemplateBody": self._find(StackName).template}

    def describe_stack_resources(self, *, StackName: str) -> Mapping[str, Any]:
        named = ("LogicalResourceId", "ResourceType", "ResourceStatus", "ResourceStatusReason")
        resources = self._find(StackName).resources
        return {"StackResources": [dict(zip(named, one, strict=True)) for one in resources]}

    def get_paginator(self, name: str) -> "FakeCloudFormation":
        assert name == "describe_stack_events"
        return self

    def paginate(self, *, StackName: str) -> Iterator[Mapping[str, Any]]:
        events = self._gone.get(StackName) or self._find(StackName).events
        yield {"StackEvents": events[:1]}
        yield {"StackEvents": events[1:]}

    def create_change_set(self, **given: Any) -> Mapping[str, Any]:  # noqa: ANN401 - boto3's
        self._called("create_change_set")
        name = given["StackName"]
        if given["ChangeSetType"] == "CREATE":
            self.add(name, "REVIEW_IN_PROGRESS", description="")
        assert given["ChangeSetName"] not in self.change_set_names, "AlreadyExistsException"
        self.change_set_names.add(given["ChangeSetName"])
        self.change_sets[given["ChangeSetName"]] = self.newest = given
        return {"Id": "an ARN", "StackId": self._find(name).id}

    def describe_change_set(self, *, ChangeSetName: str, StackName: str) -> Mapping[str, Any]:
        self._called("describe_change_set")
        self._find(StackName)
        if self.no_changes:
            return {"Status": "FAILED", "StatusReason": self.no_changes, "Changes": []}
        changes = [{"ResourceChange": one} for one in self.changes]
        return {
            "Status": "CREATE_COMPLETE",
            "ChangeSetName": ChangeSetName,
            "StackName": StackName,
            "Changes": changes,
        }

    def delete_change_set(self, *, ChangeSetName: str, StackName: str) -> None:
        self._called("delete_change_set")
        self._find(StackName)
        del self.change_sets[ChangeSetName]

    def execute_change_set(self, *, ChangeSetName: str, StackName: str) -> None:
        self._called("execute_change_set")
        self._find(StackName)
        given = self.change_sets.pop(ChangeSetName)
        stack = self._find(given["StackName"])
        creates = given["ChangeSetType"] == "CREATE"
        stack.description = DESCRIPTION
        stack.tags = {one["Key"]: one["Value"] for one in given.get("Tags", ())}
        stack.parameters |= {
            one["ParameterKey"]: one["ParameterValue"]
            for one in given["Parameters"]
            if "ParameterValue" in one
        }
        beginning = "CREATE" if creates else "UPDATE"
        self._start(
            "execute_change_set", stack, f"{beginning}_IN_PROGRESS", f"{beginning}_COMPLETE"
        )

    def delete_stack(self, *, StackName: str, RetainResources: Sequence[str] = ()) -> None:
        self._called(f"delete_stack{list(RetainResources) or ''}")
        stack = self._find(StackName)
        self._gone[stack.id] = stack.events
        operation = "delete_stack_retaining" if RetainResources else "delete_stack"
        if stack.status == "REVIEW_IN_PROGRESS":
            del self.stacks[stack.name]  # and no event says so
        else:
            self._start(operation, stack, "DELETE_IN_PROGRESS", "DELETE_COMPLETE")

    def continue_update_rollback(self, *, StackName: str) -> None:
        self._called("continue_update_rollback")
        self._start(
            "continue_update_rollback",
            self._find(StackName),
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE",
        )

    # The events of a stack outlive the stack.
    _gone: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def change(resource: str, **facts: str) -> dict[str, Any]:
    """Return a change of a change set."""
    named = {"Action": "Modify", "LogicalResourceId": resource, "ResourceType": "AWS::Some::Type"}
    return {**named, **facts}
