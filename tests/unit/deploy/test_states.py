"""Each state that a stack may be in has a way forward that works and is said."""

import pytest

from tests.support.fakes.cloudformation import STACK, FakeStack
from tests.support.fakes.deploying import OWNER, REGION, Surroundings
from tidegate.aws.errors import AwsError
from tidegate.aws.stack import DeployedStack
from tidegate.deploy.cloudformation.states import States
from tidegate.deploy.destroy import Destruction
from tidegate.deploy.screen import Declined
from worker.errors import TidegateError

REFUSED = ("Group", "AWS::EC2::SecurityGroup", "DELETE_FAILED", "resource sg-1 has a dependent")


def states(around: Surroundings) -> States:
    return States(around.account, around.screen, around.cloudformation.pause)


def for_update(around: Surroundings) -> tuple[DeployedStack | None, DeployedStack | None]:
    return states(around).for_update("tide")


def destroy(around: Surroundings, *, retain_failed: bool = False) -> None:
    pause = around.cloudformation.pause
    Destruction(around.account, around.screen, pause, retain_failed).destroy("tide")


def failing_deletion(stack: FakeStack) -> list[tuple[str, str, str, str]]:
    return [REFUSED, (stack.name, STACK, "DELETE_FAILED", "failed to delete: [Group]")]


@pytest.mark.parametrize(
    "status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"]
)
def test_a_stack_at_rest_is_updated(around: Surroundings, status: str) -> None:
    around.cloudformation.add("tide", status)

    stack, remains = for_update(around)

    assert (stack is not None, remains) == (True, None)


def test_a_stack_that_only_holds_a_change_set_is_made(around: Surroundings) -> None:
    around.cloudformation.add("tide", "REVIEW_IN_PROGRESS", description="")

    assert for_update(around) == (None, None)


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"])
def test_a_stack_that_was_never_whole_is_given_up_after_a_question(
    around: Surroundings, status: str
) -> None:
    vpc = ("Vpc", "AWS::EC2::VPC", "CREATE_FAILED", "too many")
    around.cloudformation.add("tide", status, resources=[vpc])

    stack, remains = for_update(around)

    assert (stack, remains is not None) == (None, True)
    assert "Vpc (AWS::EC2::VPC): too many" in around.screen.text
    assert around.screen.asked == ["Delete what is left of tide and make it anew?"]


def test_who_declines_is_told_how_to_delete_the_stack_alone(around: Surroundings) -> None:
    around.cloudformation.add("tide", "ROLLBACK_COMPLETE")
    around.screen.yes = False

    with pytest.raises(Declined, match="tidegate destroy tide"):
        for_update(around)


def test_a_failed_rollback_is_continued(around: Surroundings) -> None:
    around.cloudformation.add("tide", "UPDATE_ROLLBACK_FAILED", resources=[REFUSED])

    stack, _ = for_update(around)

    assert stack is not None
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "has a dependent" in around.screen.text


def test_a_rollback_that_fails_again_names_the_resource_and_the_command_that_skips_it(
    around: Surroundings,
) -> None:
    around.cloudformation.add("tide", "UPDATE_ROLLBACK_FAILED")
    around.cloudformation.ends["continue_update_rollback"] = [
        ("Queue", "AWS::SQS::Queue", "UPDATE_FAILED", "it is gone"),
        ("tide", STACK, "UPDATE_ROLLBACK_FAILED", ""),
    ]

    with pytest.raises(AwsError) as caught:
        for_update(around)

    assert "Queue (AWS::SQS::Queue): it is gone" in str(caught.value)
    assert "--stack-name tide --resources-to-skip RESOURCE" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "next_step"),
    [
        ("DELETE_FAILED", "`tidegate destroy tide` deletes it"),
        ("UPDATE_FAILED", "`aws cloudformation rollback-stack --stack-name tide`"),
    ],
)
def test_a_stack_that_cannot_be_updated_says_why_and_what_to_type(
    around: Surroundings, status: str, next_step: str
) -> None:
    around.cloudformation.add("tide", status, resources=[REFUSED])

    with pytest.raises(AwsError) as caught:
        for_update(around)

    assert status in str(caught.value)
    assert "resource sg-1 has a dependent" in str(caught.value)
    assert next_step in str(caught.value)


def test_a_change_by_others_is_waited_for(around: Surroundings) -> None:
    stack = around.cloudformation.add("tide", "UPDATE_IN_PROGRESS")
    around.cloudformation.on_complete = lambda _: None
    stack.coming = [
        ("Queue", "AWS::SQS::Queue", "UPDATE_COMPLETE", ""),
        ("tide", STACK, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ""),
        ("tide", STACK, "UPDATE_COMPLETE", ""),
    ]

    found, _ = for_update(around)

    assert found is not None
    assert found.status == "UPDATE_COMPLETE"
    assert "is being changed: UPDATE_IN_PROGRESS (User Initiated)" in around.screen.text
    assert [event.resource for event in around.screen.events] == ["Queue", "tide", "tide"]


def test_a_deletion_by_others_is_waited_for_and_the_stack_is_made_anew(
    around: Surroundings,
) -> None:
    stack = around.cloudformation.add("tide", "CREATE_COMPLETE")
    around.cloudformation.delete_stack(StackName="tide")
    assert stack.status == "DELETE_IN_PROGRESS"

    assert for_update(around) == (None, None)


def test_a_stack_of_another_template_is_never_touched(around: Surroundings) -> None:
    around.cloudformation.add("tide", "CREATE_COMPLETE", description="The shop")

    with pytest.raises(AwsError, match="not one of Tidegate"):
        for_update(around)
    with pytest.raises(AwsError, match="not one of Tidegate"):
        destroy(around)

    assert {*around.calls} == {"describe_stacks"}


@pytest.mark.parametrize("status", [None, "REVIEW_IN_PROGRESS"])
def test_nothing_is_built_for_a_stack_that_is_not_there(
    around: Surroundings, status: str | None
) -> None:
    if status:
        around.cloudformation.add("tide", status, description="")

    with pytest.raises(AwsError, match="`tidegate deploy tide --model FILE` makes it"):
        states(around).require_updatable("tide")


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "DELETE_FAILED", "DELETE_IN_PROGRESS"])
def test_nothing_is_built_for_a_stack_that_cannot_be_updated(
    around: Surroundings, status: str
) -> None:
    around.cloudformation.add("tide", status)

    with pytest.raises(AwsError, match="cannot be updated"):
        states(around).require_updatable("tide")


def test_destroy_stops_the_dispatcher_deletes_the_stack_and_says_what_stays(
    around: Surroundings,
) -> None:
    stack = around.cloudformation.add("tide", "CREATE_COMPLETE")
    around.bring_up(stack)
    around.screen.commands.clear()

    destroy(around)

    commands = [" ".join(command.split()[1:3]) for command in around.screen.commands]
    assert commands[0] == "lambda put-function-concurrency"
    assert around.cloudformation.stacks == {}
    assert f"kept: s3://tide-input-{OWNER}-{REGION}, the files" in around.screen.said
    assert "tide-deploy" not in around.screen.text  # it is not there


def test_destroy_can_be_repeated(around: Surroundings) -> None:
    around.bring_up(around.cloudformation.add("tide", "CREATE_COMPLETE"))
    destroy(around)
    around.screen.said.clear()

    destroy(around)

    assert "there is no stack tide in eu-west-1" in around.screen.text
    assert f"kept: s3://tide-output-{OWNER}-{REGION}" in around.screen.text


def test_destroy_of_an_empty_stack_asks_nothing(around: Surroundings) -> None:
    around.cloudformation.add("tide", "REVIEW_IN_PROGRESS", description="")

    destroy(around)

    assert around.cloudformation.stacks == {}
    assert around.screen.asked == []


def test_destroy_names_termination_protection_before_anything_is_stopped(
    around: Surroundings,
) -> None:
    around.cloudformation.add("tide", "CREATE_COMPLETE", protected=True)

    with pytest.raises(AwsError, match="update-termination-protection --stack-name tide"):
        destroy(around)

    assert around.screen.commands == []


def test_destroy_says_what_refused_and_how_to_leave_it_behind(around: Surroundings) -> None:
    stack = around.cloudformation.add("tide", "CREATE_COMPLETE")
    around.cloudformation.ends["delete_stack"] = failing_deletion(stack)

    with pytest.raises(AwsError) as caught:
        destroy(around)

    assert "Group (AWS::EC2::SecurityGroup): resource sg-1 has a dependent" in str(caught.value)
    assert "`tidegate destroy tide --retain-failed`" in str(caught.value)


def test_destroy_leaves_behind_what_refuses_only_if_asked(around: Surroundings) -> None:
    stack = around.cloudformation.add("tide", "DELETE_FAILED")
    around.cloudformation.ends["delete_stack"] = failing_deletion(stack)

    destroy(around, retain_failed=True)

    assert around.cloudformation.stacks == {}
    assert "left behind: Group" in around.screen.text
    assert "delete_stack['Group']" in around.calls


def test_destroy_goes_on_after_a_half_done_one(around: Surroundings) -> None:
    """The function and the cluster are gone already."""
    around.cloudformation.add("tide", "DELETE_FAILED")

    destroy(around)

    assert around.cloudformation.stacks == {}


def test_who_declines_to_destroy_changes_nothing(around: Surroundings) -> None:
    around.cloudformation.add("tide", "CREATE_COMPLETE")
    around.screen.yes = False

    with pytest.raises(TidegateError):
        destroy(around)

    assert around.screen.commands == []
    assert around.cloudformation.stacks["tide"].status == "CREATE_COMPLETE"
