"""The examination as a whole: its order, what it asks, and what AWS does not answer."""

import json
import re
from dataclasses import replace

import botocore.session
import pytest

from tests.support.stack_on_moto import NAME, REGION, Answers
from tests.support.template import ROOT
from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError, CredentialsError
from tidegate.aws.stack import DeployedStack
from tidegate.cli.main import main
from tidegate.doctor.checks.stack_state import GOOD, UNDONE, WAYS_FORWARD, state
from tidegate.doctor.examination import CHECKS, examine, worst
from tidegate.doctor.finding import Finding, Verdict, broken, ok, unknown, warning

PAGE = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
READS = ("batch-get-", "describe-", "get-", "head-", "list-")
# The permission of a command, where it is not the operation's name.
PERMISSIONS = {
    "s3api:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3api:HeadBucket": "s3:ListBucket",
    "s3api:HeadObject": "s3:GetObject",
    "service-quotas:GetServiceQuota": "servicequotas:GetServiceQuota",
}


def statuses() -> list[str]:
    model = botocore.session.get_session().get_service_model("cloudformation")
    statuses: list[str] = model.shape_for("StackStatus").metadata["enum"]
    return statuses


def test_a_healthy_stack_is_ok_in_every_line_and_nothing_is_changed(
    account: Account, stack: DeployedStack, answers: Answers, shown: list[str]
) -> None:
    answers.restore()
    answers.give("lambda", "GetAccountSettings", AccountLimit={})
    answers.give("service-quotas", "GetServiceQuota", Quota={"Value": 6.0})

    findings = examine(account, stack)

    assert {name: one for name, one in findings.items() if one.verdict is not Verdict.OK} == {}
    assert list(findings) == ["stack", *CHECKS]
    operations = {tuple(command.split()[1:3]) for command in shown}
    assert [name for _, name in operations if not name.startswith(READS)] == []
    assert {permission(*one) for one in operations} <= allowed()


def permission(service: str, operation: str) -> str:
    name = f"{service}:{''.join(word.capitalize() for word in operation.split('-'))}"
    return PERMISSIONS.get(name, name)


def allowed() -> set[str]:
    """Return what the policy for this command allows; and what everybody may ask."""
    policy = (ROOT / "infra" / "deployer" / "doctor.json").read_text(encoding="utf-8")
    return {*re.findall(r'"([a-z0-9]+:[A-Z][A-Za-z]+)"', policy)} | {"sts:GetCallerIdentity"}


def test_the_page_has_each_line_in_the_order_of_the_report() -> None:
    lines = PAGE.split("## The lines")[1]

    assert re.findall(r"^\| `([a-z ]+)` \|", lines, re.MULTILINE) == ["stack", *CHECKS]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDeniedException", "is denied"),
        ("ThrottlingException", "could not ask"),
        ("InternalFailure", "could not ask"),
    ],
)
def test_what_aws_does_not_answer_is_unknown_and_never_absent(
    account: Account, stack: DeployedStack, answers: Answers, code: str, said: str
) -> None:
    answers.refuse_all(code)

    findings = examine(account, stack)

    asks_nothing = {"stack", "settings", "reconcile"}
    told = {name: one for name, one in findings.items() if name not in asks_nothing}
    assert {one.verdict for one in told.values()} == {Verdict.UNKNOWN}
    assert [name for name, one in told.items() if said not in one.found] == []


def test_a_denied_permission_is_named_with_whom_to_allow_it(
    account: Account, stack: DeployedStack, answers: Answers
) -> None:
    refused = "User: arn:x is not authorized to perform: events:DescribeRule on resource: y"
    answers.refuse("events", "DescribeRule", "AccessDeniedException", refused)
    answers.refuse("s3", "GetBucketNotificationConfiguration", "AccessDenied", "Access Denied")

    findings = examine(account, stack)

    assert findings["sweep"].found == "could not ask: events:DescribeRule is denied"
    assert findings["input"].found == "could not ask: s3:GetBucketNotification is denied"
    assert findings["input"].next_step == "Allow s3:GetBucketNotification to your own role"


def test_credentials_that_expire_meanwhile_end_the_examination(
    account: Account, stack: DeployedStack, answers: Answers
) -> None:
    answers.refuse("iam", "ListRolePolicies", "ExpiredToken")

    with pytest.raises(CredentialsError):
        examine(account, stack)


@pytest.mark.parametrize("status", ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_FAILED"])
def test_of_a_stack_without_resources_only_the_state_is_told(
    account: Account, stack: DeployedStack, answers: Answers, status: str
) -> None:
    answers.give("cloudformation", "DescribeStackEvents", StackEvents=[])
    outputs = stack.outputs if status == "DELETE_FAILED" else {}

    findings = examine(account, replace(stack, status=status, outputs=outputs))

    assert list(findings) == ["stack"]
    assert findings["stack"].verdict is Verdict.BROKEN


@pytest.mark.parametrize("status", statuses())
def test_each_state_of_a_stack_that_is_not_good_has_a_way_forward(
    account: Account, stack: DeployedStack, answers: Answers, status: str
) -> None:
    answers.give("cloudformation", "DescribeStackEvents", StackEvents=[])

    finding = state(account, replace(stack, status=status))

    if status in GOOD:
        assert finding.verdict is Verdict.OK
    else:
        assert finding.commands
        assert NAME in finding.commands[0]
    settled = {*GOOD, *UNDONE, *WAYS_FORWARD, "DELETE_COMPLETE"}
    assert status in settled or status.endswith("_IN_PROGRESS")


def test_a_failed_update_is_told_with_what_failed_first(
    account: Account, stack: DeployedStack, answers: Answers
) -> None:
    answers.give("cloudformation", "DescribeStackEvents", StackEvents=EVENTS)

    finding = state(account, replace(stack, status="UPDATE_ROLLBACK_COMPLETE"))

    assert finding.verdict is Verdict.WARNING
    assert finding.found.endswith(". Queue: the name is taken")


def test_a_failed_update_whose_events_are_denied_is_told_all_the_same(
    account: Account, stack: DeployedStack, answers: Answers
) -> None:
    answers.refuse("cloudformation", "DescribeStackEvents", "AccessDenied")

    finding = state(account, replace(stack, status="UPDATE_ROLLBACK_COMPLETE"))

    assert finding.verdict is Verdict.WARNING
    assert "What failed could not be asked" in finding.found


def event(logical: str, status: str, reason: str = "") -> dict[str, str]:
    physical = "the-stack" if logical == NAME else logical
    return {
        "StackId": "the-stack",
        "PhysicalResourceId": physical,
        "LogicalResourceId": logical,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


EVENTS = [  # the newest first
    event(NAME, "UPDATE_ROLLBACK_COMPLETE"),
    event("Cluster", "UPDATE_FAILED", "Resource update cancelled"),
    event("Queue", "UPDATE_FAILED", "the name is taken"),
    event(NAME, "UPDATE_IN_PROGRESS", "User Initiated"),
    event("Dispatcher", "CREATE_FAILED", "of an earlier update"),
]


def test_the_worst_verdict_counts_and_what_is_unknown_is_less_than_a_warning() -> None:
    findings: list[Finding] = [ok("a"), unknown("b", "c"), warning("d", "e"), broken("f", "g")]

    worsts = [worst({str(n): one for n, one in enumerate(findings[:end])}) for end in (1, 2, 3, 4)]

    assert worsts == [one.verdict for one in findings]


@pytest.mark.parametrize("arguments", [["--stack", NAME], []])
def test_the_command_prints_json_for_programs_and_its_status_is_that_of_the_worst(
    answers: Answers, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    answers.restore()  # the command has clients of its own

    status = main(["doctor", *arguments, "--json"])

    printed = json.loads(capsys.readouterr().out)
    assert (printed["version"], printed["stack"], printed["region"]) == (1, NAME, REGION)
    assert [one["name"] for one in printed["checks"]] == ["stack", *CHECKS]
    assert {one["status"] for one in printed["checks"]} == {"ok", "unknown"}  # moto has no quotas
    assert (printed["status"], status) == ("unknown", 0)


def test_something_broken_ends_with_1_and_the_calls_are_shown_beside_the_report(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = account.client("logs")
    logs.delete_log_group(logGroupName=f"/ecs/{NAME}-worker")

    status = main(["doctor", NAME, "--show-commands"])
    logs.create_log_group(logGroupName=f"/ecs/{NAME}-worker")

    printed = capsys.readouterr()
    assert status == 1
    assert "no worker starts without its log" in printed.out
    shown = printed.err.splitlines()
    assert f"aws cloudformation describe-stacks --stack-name {NAME}" in shown
    assert [line for line in shown if not line.startswith("aws ")] == []


def test_a_stack_that_is_not_there_ends_with_the_next_command(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert account.region == REGION

    status = main(["doctor", "no-such-stack"])

    assert status == 1
    assert "there is no stack no-such-stack" in capsys.readouterr().err


def test_a_stack_of_somebody_else_is_not_examined(account: Account, stack: DeployedStack) -> None:
    with pytest.raises(AwsError, match="is not one of Tidegate"):
        examine(account, replace(stack, description="A shop"))


def test_without_credentials_the_status_is_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")

    assert main(["doctor", NAME]) == 4
    assert "no-such-profile" in capsys.readouterr().err
