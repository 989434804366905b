"""The permissions of the template's roles, and the services that may assume them."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.template import (
    NOTHING,
    PARAMETERS,
    ROLES,
    TEMPLATE,
    arn_of,
    granted,
    listed,
    properties,
    resolve,
)
from tests.support.template import statements as statements_of

SERVICES = {
    "DispatcherRole": "lambda.amazonaws.com",
    "NotifierRole": "lambda.amazonaws.com",
    "ReconcilerRole": "lambda.amazonaws.com",
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


def test_the_dispatcher_tags_the_tasks_that_it_starts_and_nothing_else() -> None:
    statement = granted("DispatcherRole")["ecs:TagResource"]

    assert statement["Resource"] == granted("DispatcherRole")["ecs:DescribeTasks"]["Resource"]
    assert statement["Condition"] == {"StringEquals": {"ecs:CreateAction": "RunTask"}}


BOUNDARY = "arn:aws:iam::123456789012:policy/edge"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("boundary", "set_to"), [("", NOTHING), (BOUNDARY, BOUNDARY)])
def test_every_role_has_the_boundary_that_is_given(
    role: str, boundary: str, set_to: object
) -> None:
    known = {"PermissionsBoundary": boundary, "AWS::NoValue": NOTHING}

    assert resolve(properties(role)["PermissionsBoundary"], known) == set_to


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("path", "set_to"), [("/", NOTHING), ("/team/", "/team/")])
def test_every_role_has_the_path_that_is_given(role: str, path: str, set_to: object) -> None:
    known = {"RolePath": path, "AWS::NoValue": NOTHING}

    # CloudFormation replaces a role whose path is named for the first time, the default one too.
    assert resolve(properties(role)["Path"], known) == set_to


@pytest.mark.parametrize("role", ROLES)
def test_no_role_has_a_name_so_that_another_path_makes_another_role(role: str) -> None:
    # CloudFormation cannot replace a resource that has a name.
    assert "RoleName" not in properties(role)


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
        (
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/team/worker:1.2",
            "arn:aws-cn:ecr:*:*:repository/team/worker",
        ),
        (
            "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/worker:1.2",
            "arn:aws-us-gov:ecr:*:*:repository/worker",
        ),
    ],
)
def test_ecs_pulls_from_the_repository_of_the_image_alone(image: str, repository: str) -> None:
    resource = granted("ExecutionRole")["ecr:BatchGetImage"]["Resource"]
    partition = repository.split(":")[1]
    known = {"Image": image, "Repository.Arn": "arn:the-stacks-own", "AWS::Partition": partition}

    assert resolve(resource, known) == repository


def test_ecs_reads_the_one_secret_that_it_hands_to_the_worker() -> None:
    (secret,) = container_secrets()

    assert granted("ExecutionRole")["ssm:GetParameters"]["Resource"] == secret["ValueFrom"]


def container_secrets() -> list[dict[str, object]]:
    (container,) = properties("TaskDefinition")["ContainerDefinitions"]
    condition, secrets, _ = container["Secrets"]["Fn::If"]
    assert condition == "HasPredictorSecret"
    return listed(secrets)


def test_every_arn_is_of_the_partition_that_the_stack_is_in() -> None:
    arns = [text for text in strings(TEMPLATE["Resources"]) if text.startswith("arn:")]

    assert arns
    assert [arn for arn in arns if not arn.startswith("arn:${AWS::Partition}:")] == []


def strings(value: object) -> Iterator[str]:
    """Yield every string of a part of the template."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
