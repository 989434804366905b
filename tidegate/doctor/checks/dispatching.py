"""The dispatcher's function, and the rules that invoke it."""

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tidegate.aws.errors import found
from tidegate.aws.shown_calls import as_command
from tidegate.doctor.facts import Facts
from tidegate.doctor.finding import Finding, broken, ok
from tidegate.doctor.template import NotEvaluated

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda.type_defs import GetFunctionResponseTypeDef

S3, EVENTS = "s3.amazonaws.com", "events.amazonaws.com"


def function(facts: Facts) -> Finding:
    """Look at the function: active, not stopped, and with the variables that the stack gives."""
    name = facts.stack.outputs["DispatcherFunction"]
    answer = found(lambda: facts.function, "ResourceNotFoundException")
    if answer is None:
        return broken(f"the function {name} is gone", "Make it anew:", *facts.anew)
    return _halted(facts, answer) or _compared(facts, answer)


def _halted(facts: Facts, answer: "GetFunctionResponseTypeDef") -> Finding | None:
    """Return why the function cannot run; None if it can."""
    configuration, name = answer["Configuration"], facts.stack.outputs["DispatcherFunction"]
    if answer.get("Concurrency", {}).get("ReservedConcurrentExecutions") == 0:
        reserved = facts.stack.parameters.get("DispatcherConcurrency")
        number = {"ReservedConcurrentExecutions": int(reserved)} if reserved else {}
        operation = "PutFunctionConcurrency" if reserved else "DeleteFunctionConcurrency"
        return broken(
            f"{name} is stopped: no execution of it is allowed",
            "Files wait in Lambda's own queue for six hours at most. To go on:",
            as_command("lambda", operation, {"FunctionName": name} | number),
        )
    if configuration.get("State") == "Failed":
        return broken(
            f"{name} cannot run: {configuration.get('StateReason')}", "Make it anew:", *facts.anew
        )
    if configuration.get("LastUpdateStatus") == "Failed":
        return broken(
            f"the last update of {name} failed: {configuration.get('LastUpdateStatusReason')}",
            "Remove the cause, then",
            f"tidegate deploy {facts.stack.name}",
        )
    return None


def _compared(facts: Facts, answer: "GetFunctionResponseTypeDef") -> Finding:
    """Compare the function's variables with those that the stack gives."""
    name = facts.stack.outputs["DispatcherFunction"]
    has = answer["Configuration"].get("Environment", {}).get("Variables", {})
    template = facts.template
    given = template.body["Resources"]["Dispatcher"]["Properties"]["Environment"]["Variables"]
    should: dict[str, str] = {}
    not_compared: list[str] = []
    for variable, value in given.items():
        try:
            should[variable] = str(template.resolve(value))
        except NotEvaluated:
            not_compared.append(variable)
    other = [one for one, value in should.items() if str(has.get(one, "")) != value]
    if not other:
        left_out = f"; not compared: {', '.join(not_compared)}" if not_compared else ""
        return ok(f"{name} is active, and its variables are the stack's{left_out}")
    differences = "; ".join(f"{one} is {has.get(one)!r}, not {should[one]!r}" for one in other)
    return broken(
        f"variables of {name} are not those of the stack: {differences}",
        "Give it the stack's:",
        as_command(
            "lambda",
            "UpdateFunctionConfiguration",
            {"FunctionName": name, "Environment": {"Variables": has | should}},
        ),
    )


def rule(facts: Facts, logical: str, without: str) -> Finding:
    """Look at a rule of EventBridge: enabled, aimed at the dispatcher, and permitted.

    `without` says what happens while the rule does not work.
    """
    events: EventBridgeClient = facts.client("events")
    name = facts.resources.get(logical, logical)
    described = found(lambda: events.describe_rule(Name=name), "ResourceNotFoundException")
    if described is None:
        return broken(f"the rule {name} is gone: {without}", "Make it anew:", *facts.anew)
    problems: dict[str, str] = {}
    if described["State"] != "ENABLED":
        problems["is disabled"] = as_command("events", "EnableRule", {"Name": name})
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    if facts.function_arn not in {target["Arn"] for target in targets}:
        target = {"Id": "dispatcher", "Arn": facts.function_arn}
        put = {"Rule": name, "Targets": [target]}
        problems["is not aimed at the dispatcher"] = as_command("events", "PutTargets", put)
    arn = described["Arn"]
    if not may_invoke(facts, EVENTS, arn):
        problems["may not invoke the dispatcher"] = permit(facts, EVENTS, arn)
    if problems:
        what = " and ".join(problems)
        return broken(f"the rule {name} {what}: {without}", "To mend it:", *problems.values())
    return ok(f"the rule {name} is enabled and invokes the dispatcher")


sweep = partial(
    rule, logical="Sweep", without="a message whose event was lost waits until the next upload"
)
task_stopped = partial(
    rule, logical="TaskStopped", without="what is left when a worker stops waits for the sweep"
)


def may_invoke(facts: Facts, service: str, source: str) -> bool:
    """Return whether a service may invoke the dispatcher for this bucket or rule."""
    statements = found(lambda: facts.policy, "ResourceNotFoundException") or ()
    return any(
        one["Effect"] == "Allow"
        and one["Principal"] == {"Service": service}
        and source in _sources(one)
        for one in statements
    )


def _sources(statement: Mapping[str, Any]) -> set[str]:
    """Return the ARNs that a statement's condition names."""
    conditions = [
        condition
        for operator, condition in statement.get("Condition", {}).items()
        if operator in {"ArnLike", "ArnEquals", "StringEquals"}
    ]
    return {
        value
        for condition in conditions
        for key, value in condition.items()
        if key.lower() == "aws:sourcearn"
    }


def permit(facts: Facts, service: str, source: str) -> str:
    """Return the command that lets a service invoke the dispatcher for a bucket or a rule."""
    is_bucket = {"SourceAccount": facts.account.id} if service == S3 else {}
    return as_command(
        "lambda",
        "AddPermission",
        {
            "FunctionName": facts.stack.outputs["DispatcherFunction"],
            "StatementId": re.sub(r"[^A-Za-z0-9]", "-", "doctor-" + source.rpartition(":")[2]),
            "Action": "lambda:InvokeFunction",
            "Principal": service,
            "SourceArn": source,
        }
        | is_bucket,
    )
