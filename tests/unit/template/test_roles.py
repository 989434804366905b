"""The permissions of the template's roles, and the services that may assume them."""

import re
from collections import Counter

import pytest

from tests.support.template import PARAMETERS, ROLES, arn_of, granted, listed, properties, resolve
from tests.support.template import statements as statements_of

SERVICES = {
    "DispatcherRole": "lambda.amazonaws.com",
    "TaskRole": "ecs-tasks.amazonaws.com",
    "ExecutionRole": "ecs-tasks.amazonaws.com",
}


def test_the_dispatcher_may_pass_exactly_the_two_roles_of_the_task_and_to_ecs_alone() -> None:
    statement = granted("DispatcherRole")["iam:PassRole"]

    assert statement["Resource"] == [
        properties("TaskDefinition")["TaskRoleArn"],
        properties("TaskDefinition")["ExecutionRoleArn"],
    ]
    assert statement["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }


def test_nobody_else_may_pass_a_role() -> None:
    passing = [role for role in ROLES if "iam:PassRole" in granted(role)]

    assert passing == ["DispatcherRole"]


@pytest.mark.parametrize("action", ["ecs:RunTask", "ecs:ListTasks", "ecs:DescribeTasks"])
def test_the_dispatcher_touches_tasks_of_its_own_cluster_alone(action: str) -> None:
    statement = granted("DispatcherRole")[action]

    assert statement["Condition"] == {"ArnEquals": {"ecs:cluster": arn_of("Cluster")}}


def test_the_dispatcher_starts_the_workers_family_alone() -> None:
    (family,) = properties("TaskDefinition")["Family"].values()

    resource = granted("DispatcherRole")["ecs:RunTask"]["Resource"]["Fn::Sub"]

    assert resource.endswith(f":task-definition/{family}:*")


@pytest.mark.parametrize("role", ROLES)
def test_no_role_has_a_managed_policy(role: str) -> None:
    assert "ManagedPolicyArns" not in properties(role)


@pytest.mark.parametrize("role", ROLES)
def test_no_role_is_allowed_a_wildcard_of_actions(role: str) -> None:
    assert [action for action in granted(role) if "*" in action] == []


@pytest.mark.parametrize("role", ROLES)
def test_only_actions_that_take_no_resource_are_allowed_on_all(role: str) -> None:
    on_all = {action for action, found in granted(role).items() if found["Resource"] == "*"}

    assert on_all <= {"ecs:ListTasks", "ecr:GetAuthorizationToken"}


@pytest.mark.parametrize("role", ROLES)
def test_every_statement_has_a_name_of_its_own(role: str) -> None:
    names = Counter(statement["Sid"] for statement in statements_of(role))

    assert set(names.values()) == {1}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_of_one_service(role: str) -> None:
    (statement,) = properties(role)["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": SERVICES[role]}
    assert statement["Action"] == "sts:AssumeRole"


@pytest.mark.parametrize("role", ["TaskRole", "ExecutionRole"])
def test_ecs_takes_the_tasks_roles_for_tasks_of_this_account_and_region_alone(role: str) -> None:
    (statement,) = properties(role)["AssumeRolePolicyDocument"]["Statement"]
    (source,) = statement["Condition"]["ArnLike"].values()

    assert statement["Condition"]["StringEquals"] == {
        "aws:SourceAccount": {"Ref": "AWS::AccountId"}
    }
    assert source["Fn::Sub"].endswith(":ecs:${AWS::Region}:${AWS::AccountId}:*")


def test_the_workers_may_do_to_the_queues_what_they_do_and_no_more() -> None:
    allowed = {found["Sid"]: listed(found["Action"]) for found in statements_of("TaskRole")}

    assert set(allowed["WorkOffTheQueue"]) == {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
    }
    assert set(allowed["DeadLetter"]) == {
        "sqs:SendMessage",
        "sqs:GetQueueUrl",
        "sqs:GetQueueAttributes",
    }


@pytest.mark.parametrize(
    ("model", "object_arn"),
    [
        ("s3://models/iris/model.joblib", "arn:aws:s3:::models/iris/model.joblib"),
        ("s3://models/m.pkl?versionId=a.B_c-1", "arn:aws:s3:::models/m.pkl"),
    ],
)
def test_the_workers_read_exactly_the_object_that_is_the_model(model: str, object_arn: str) -> None:
    (statement,) = (found for found in statements_of("TaskRole") if found["Sid"] == "ReadTheModel")

    assert re.fullmatch(PARAMETERS["Model"]["AllowedPattern"], model)
    assert resolve(statement["Resource"], {"Model": model}) == object_arn


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("", "arn:the-stacks-own"),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/worker:1.2",
            "arn:aws:ecr:*:*:repository/team/worker",
        ),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/worker@sha256:ab",
            "arn:aws:ecr:*:*:repository/worker",
        ),
        ("ghcr.io/team/worker:1.2", "arn:aws:ecr:*:*:repository/"),
    ],
)
def test_ecs_pulls_from_the_repository_of_the_image_alone(image: str, repository: str) -> None:
    resource = granted("ExecutionRole")["ecr:BatchGetImage"]["Resource"]
    known = {"Image": image, "Repository.Arn": "arn:the-stacks-own"}

    assert resolve(resource, known) == repository


def test_ecs_reads_the_one_secret_that_it_hands_to_the_worker() -> None:
    (secret,) = container_secrets()

    assert granted("ExecutionRole")["ssm:GetParameters"]["Resource"] == secret["ValueFrom"]


def container_secrets() -> list[dict[str, object]]:
    (container,) = properties("TaskDefinition")["ContainerDefinitions"]
    condition, secrets, _ = container["Secrets"]["Fn::If"]
    assert condition == "HasPredictorSecret"
    return listed(secrets)
