"""What the nightly reconcile adds to a stack, and that nothing of it is there unless asked for."""

import pytest

from tests.support.iam.policy import denied, is_allowed, listed
from tests.support.iam.reconcile import FORBIDDEN, NEEDED, statements, table
from tests.support.template import RESOURCES, ROOT, Deployed, arn_of, condition, properties, resolve

ADDED = {
    *("Reconciler", "ReconcilerLogGroup", "ReconcilerRole"),
    *("ReconcileDue", "ReconcileDueMayInvokeReconciler", "ReconcilerFails"),
}
ALARMS = {"AlarmEmail": "me@example.com"}


def made(**parameters: str) -> set[str]:
    """Return the resources of these parameters."""
    deployed = Deployed(**parameters)
    return {
        name
        for name, resource in RESOURCES.items()
        if "Condition" not in resource or condition(resource["Condition"], deployed)
    }


def test_a_stack_that_does_not_ask_for_it_has_nothing_of_it() -> None:
    assert not made(**ALARMS) & ADDED


def test_what_is_made_is_what_was_asked_for() -> None:
    assert made(**ALARMS, Reconcile="NIGHTLY") - made(**ALARMS) == ADDED
    assert made(Reconcile="NIGHTLY") - made() == ADDED - {"ReconcilerFails"}


def test_the_schedule_may_invoke_it() -> None:
    (target,) = properties("ReconcileDue")["Targets"]
    permission = properties("ReconcileDueMayInvokeReconciler")
    assert target == {"Id": "reconciler", "Arn": arn_of("Reconciler")}
    assert permission["SourceArn"] == arn_of("ReconcileDue")


def test_it_invokes_itself_by_the_name_that_it_has() -> None:
    function = properties("Reconciler")
    assert (
        function["Environment"]["Variables"]["RECONCILER_FUNCTION"]
        == function["FunctionName"]
        == {"Fn::Sub": "${AWS::StackName}-reconciler"}
    )


@pytest.mark.parametrize(
    ("parameters", "buckets"),
    [
        ({}, ("<StackInputBucket>", "<StackOutputBucket>")),
        ({"InputBucket": "lake", "OutputBucket": "pond"}, ("lake", "pond")),
    ],
)
def test_it_looks_into_the_buckets_of_the_stack(
    parameters: dict[str, str], buckets: tuple[str, str]
) -> None:
    variables = properties("Reconciler")["Environment"]["Variables"]
    text = resolve(variables, Deployed(**parameters))
    assert (text["RECONCILER_BUCKET"], text["RECONCILER_OUTPUT_BUCKET"]) == buckets


def test_the_role_may_do_all_that_its_work_takes_and_nothing_else() -> None:
    granted = statements("ReconcilerRole")
    assert [str(act) for act in denied(granted, NEEDED["ReconcilerRole"])] == []
    assert [str(act) for act in FORBIDDEN if is_allowed(granted, act)] == []


def test_without_any_one_action_or_resource_some_of_the_work_is_denied() -> None:
    granted = statements("ReconcilerRole")
    for statement in granted:
        for part in ("Action", "Resource"):
            for one in listed(statement[part]):
                rest = [other for other in listed(statement[part]) if other != one]
                smaller = statement | {part: rest}
                others = [smaller if other is statement else other for other in granted]
                needed = NEEDED["ReconcilerRole"]
                assert denied(others, needed), f"{one} of {statement['Sid']} is for show"


def test_the_table_of_these_rights_is_in_the_page_of_roles() -> None:
    assert (ROOT / "docs" / "roles.md").read_text("utf-8").endswith(table())
