"""What the template grants, keeps and costs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

from dispatcher.handler import PREFIX, WORKER_CONTAINER, Settings
from worker.settings import Settings as WorkerSettings

ROOT = Path(__file__).parents[2]
BILLED_WHILE_IDLE = (
    "AWS::EC2::NatGateway",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::EIP",
    "AWS::EC2::Instance",
    "AWS::ECS::Service",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::KMS::Key",
    "AWS::SecretsManager::Secret",
    "AWS::CloudWatch::Dashboard",
)


TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "infra" / "cloudformation.yaml").read_text())
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
ROLES = [name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::IAM::Role"]


def properties(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", RESOURCES[name]["Properties"])


def arn_of(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, "Arn"]}


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: found for name, found in RESOURCES.items() if found["Type"] == kind}


def statements(role: str) -> Iterator[dict[str, Any]]:
    for policy in properties(role)["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def granted(role: str) -> dict[str, dict[str, Any]]:
    """Give each action of a role with the one statement that allows it."""
    return {action: found for found in statements(role) for action in listed(found["Action"])}


def container() -> dict[str, Any]:
    (only,) = properties("TaskDefinition")["ContainerDefinitions"]
    return cast("dict[str, Any]", only)


# Least privilege


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


@pytest.mark.parametrize(
    ("role", "service"),
    [
        ("DispatcherRole", "lambda.amazonaws.com"),
        ("TaskRole", "ecs-tasks.amazonaws.com"),
        ("ExecutionRole", "ecs-tasks.amazonaws.com"),
    ],
)
def test_each_role_is_of_one_service(role: str, service: str) -> None:
    (statement,) = properties(role)["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": service}


def test_the_workers_may_do_to_the_queues_what_they_do_and_no_more() -> None:
    allowed = {found["Sid"]: listed(found["Action"]) for found in statements("TaskRole")}

    assert set(allowed["WorkOffTheQueue"]) == {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
    }
    assert set(allowed["DeadLetter"]) == {
        "sqs:SendMessage",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
    }


def test_the_workers_write_to_the_output_bucket_alone() -> None:
    assert granted("TaskRole")["s3:PutObject"]["Resource"] == {"Fn::Sub": "${OutputBucket.Arn}/*"}


def test_the_workers_can_tell_a_missing_key_from_a_forbidden_one() -> None:
    buckets = granted("TaskRole")["s3:ListBucket"]["Resource"]

    assert buckets == [properties("InputMayInvokeDispatcher")["SourceArn"], arn_of("OutputBucket")]


@pytest.mark.parametrize(
    ("model", "object_arn"),
    [
        ("s3://models/iris/model.joblib", "arn:aws:s3:::models/iris/model.joblib"),
        ("s3://models/m.pkl?versionId=a.B_c-1", "arn:aws:s3:::models/m.pkl"),
    ],
)
def test_the_workers_read_exactly_the_object_that_is_the_model(model: str, object_arn: str) -> None:
    (statement,) = (found for found in statements("TaskRole") if found["Sid"] == "ReadTheModel")

    assert re.fullmatch(TEMPLATE["Parameters"]["Model"]["AllowedPattern"], model)
    assert resolve(statement["Resource"], {"Model": model}) == object_arn


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/worker:1.2", "team/worker"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/worker", "worker"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/worker@sha256:ab", "worker"),
        ("ghcr.io/team/worker:1.2", ""),
    ],
)
def test_ecs_pulls_from_the_repository_of_the_image_alone(image: str, repository: str) -> None:
    resource = granted("ExecutionRole")["ecr:BatchGetImage"]["Resource"]

    assert resolve(resource, {"Image": image}) == f"arn:aws:ecr:*:*:repository/{repository}"


@pytest.mark.parametrize(
    "model", ["models/m.pkl", "s3://models", "s3://models/*", "s3://models/m?x=1", "/etc/passwd"]
)
def test_what_is_no_single_object_is_refused_as_a_model(model: str) -> None:
    assert not re.fullmatch(TEMPLATE["Parameters"]["Model"]["AllowedPattern"], model)


def resolve(value: Any, parameters: dict[str, str]) -> Any:  # noqa: ANN401 - YAML's own shapes
    """Evaluate the intrinsic functions that a policy's resource is built with."""
    match value:
        case {"Ref": name}:
            return parameters[name]
        case {"Fn::Sub": [str(text), dict(extra)]}:
            named = {name: resolve(part, parameters) for name, part in extra.items()}
            return resolve({"Fn::Sub": text}, parameters | named)
        case {"Fn::Sub": str(text)}:
            known = parameters | {"AWS::Partition": "aws"}
            return re.sub(r"\$\{([\w:]+)\}", lambda found: known[found[1]], text)
        case {"Fn::Select": [index, parts]}:
            return resolve(parts, parameters)[int(index)]
        case {"Fn::Split": [separator, text]}:
            return resolve(text, parameters).split(separator)
    return value


# What S3, SQS and ECS need to be told


def test_the_bucket_is_made_after_the_permission_that_its_notification_needs() -> None:
    assert RESOURCES["InputBucket"]["DependsOn"] == "InputMayInvokeDispatcher"


def test_the_permission_is_for_this_bucket_of_this_account() -> None:
    permission = properties("InputMayInvokeDispatcher")
    (bucket,) = properties("InputBucket")["BucketName"].values()

    assert permission["SourceArn"]["Fn::Sub"].endswith(f":s3:::{bucket}")
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


@pytest.mark.parametrize("bucket", of_type("AWS::S3::Bucket"))
def test_every_bucket_is_kept_versioned_encrypted_private_and_clean(bucket: str) -> None:
    told = properties(bucket)

    assert RESOURCES[bucket]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert told["VersioningConfiguration"] == {"Status": "Enabled"}
    assert told["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(told["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = told["LifecycleConfiguration"]["Rules"]
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] >= 1


@pytest.mark.parametrize("bucket", of_type("AWS::S3::Bucket"))
def test_every_bucket_refuses_what_is_not_tls(bucket: str) -> None:
    (statement,) = properties(f"{bucket}Policy")["PolicyDocument"]["Statement"]

    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


@pytest.mark.parametrize("bucket", of_type("AWS::S3::Bucket"))
def test_bucket_names_differ_by_stack_account_and_region(bucket: str) -> None:
    name = properties(bucket)["BucketName"]["Fn::Sub"]

    assert set(re.findall(r"\$\{([\w:]+)\}", name)) == {
        "AWS::StackName",
        "AWS::AccountId",
        "AWS::Region",
    }


def test_every_name_that_is_given_has_the_stacks_name_in_it() -> None:
    given = [
        told[key]
        for told in (found["Properties"] for found in RESOURCES.values())
        for key in ("QueueName", "FunctionName", "LogGroupName", "ClusterName", "Family", "Name")
        if key in told and "Permission" not in told.get("Action", "") and "SourceArn" not in told
    ]

    assert given
    assert all("AWS::StackName" in str(name) for name in given)


def test_dead_letters_are_kept_for_14_days_and_longer_than_jobs() -> None:
    dead, waiting = (
        properties(queue)["MessageRetentionPeriod"] for queue in ("DeadLetterQueue", "Queue")
    )

    assert dead == 14 * 24 * 3600 > waiting


def test_a_message_is_received_five_times_at_least_before_it_is_given_up() -> None:
    count = TEMPLATE["Parameters"]["MaxReceiveCount"]
    redrive = properties("Queue")["RedrivePolicy"]

    assert redrive["deadLetterTargetArn"] == arn_of("DeadLetterQueue")
    assert redrive["maxReceiveCount"] == {"Ref": "MaxReceiveCount"}
    assert count["Default"] >= count["MinValue"] >= 5


def test_events_that_the_dispatcher_failed_on_are_kept() -> None:
    queue = arn_of("UndispatchedQueue")

    assert properties("Dispatcher")["DeadLetterConfig"] == {"TargetArn": queue}
    assert queue in [found["Resource"] for found in statements("DispatcherRole")]


def test_ecs_waits_longer_for_a_worker_to_stop_than_its_drain_takes() -> None:
    drain = WorkerSettings.model_fields["drain_seconds"].default

    assert drain < container()["StopTimeout"] <= 120


def test_the_worker_finds_its_settings_by_their_names() -> None:
    told = [
        entry if "Name" in entry else entry["Fn::If"][1] for entry in container()["Environment"]
    ]
    known = {f"WORKER_{field.upper()}" for field in WorkerSettings.model_fields}

    assert {entry["Name"] for entry in told} <= known
    assert {"WORKER_QUEUE", "WORKER_MODEL"} <= {entry["Name"] for entry in told}


def test_the_dispatcher_is_told_every_setting_that_it_reads_and_no_other() -> None:
    told = properties("Dispatcher")["Environment"]["Variables"]

    assert set(told) == {PREFIX + field.upper() for field in Settings.__slots__}


def test_the_settings_of_the_dispatcher_are_the_public_ones() -> None:
    assert set(properties("Dispatcher")["Environment"]["Variables"]) == {
        "DISPATCHER_QUEUE_URL",
        "DISPATCHER_OUTPUT_BUCKET",
        "DISPATCHER_OUTPUT_KEY",
        "DISPATCHER_SUFFIXES",
        "DISPATCHER_CLUSTER",
        "DISPATCHER_TASK_DEFINITION",
        "DISPATCHER_SUBNETS",
        "DISPATCHER_SECURITY_GROUPS",
        "DISPATCHER_ASSIGN_PUBLIC_IP",
        "DISPATCHER_CAPACITY",
        "DISPATCHER_MAX_TASKS",
        "DISPATCHER_MESSAGES_PER_TASK",
    }


def test_the_dispatcher_knows_the_container_by_its_name() -> None:
    assert container()["Name"] == WORKER_CONTAINER


def test_stopped_tasks_of_this_cluster_and_family_reach_the_dispatcher() -> None:
    rule = properties("TaskStopped")
    (family,) = properties("TaskDefinition")["Family"].values()

    assert rule["EventPattern"]["detail"] == {
        "lastStatus": ["STOPPED"],
        "clusterArn": [arn_of("Cluster")],
        "group": [{"Fn::Sub": f"family:{family}"}],
    }


@pytest.mark.parametrize("rule", of_type("AWS::Events::Rule"))
def test_every_rule_may_invoke_the_dispatcher(rule: str) -> None:
    (target,) = properties(rule)["Targets"]

    assert target["Arn"] == arn_of("Dispatcher")
    assert properties(f"{rule}MayInvokeDispatcher")["SourceArn"] == arn_of(rule)


def test_the_sweep_comes_every_five_minutes() -> None:
    assert properties("Sweep")["ScheduleExpression"] == "rate(5 minutes)"


# What it costs


def test_nothing_is_billed_while_idle() -> None:
    assert [name for kind in BILLED_WHILE_IDLE for name in of_type(kind)] == []
    assert {"Name": "containerInsights", "Value": "disabled"} in properties("Cluster")[
        "ClusterSettings"
    ]


def test_alarms_which_have_a_price_are_made_for_those_who_ask() -> None:
    assert TEMPLATE["Parameters"]["AlarmTopic"]["Default"] == ""
    assert {alarm["Condition"] for alarm in of_type("AWS::CloudWatch::Alarm").values()} == {
        "HasAlarmTopic"
    }


def test_logs_do_not_grow_for_ever() -> None:
    groups = of_type("AWS::Logs::LogGroup")

    assert len(groups) == 2
    assert all("RetentionInDays" in group["Properties"] for group in groups.values())


# What others rely on


def test_the_parameters_are_those_that_are_documented() -> None:
    assert set(TEMPLATE["Parameters"]) == {
        *("Image", "Model", "ModelSha256", "Architecture", "TaskCpu", "TaskMemory"),
        *("Subnets", "SecurityGroups", "AssignPublicIp", "Capacity"),
        *("Suffixes", "OutputKey", "MaxTasks", "MessagesPerTask", "IdleSeconds"),
        *("VisibilitySeconds", "MaxReceiveCount", "LogDays", "AlarmTopic"),
    }


def test_every_parameter_is_shown_in_a_group() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    shown = [name for group in groups for name in group["Parameters"]]

    assert sorted(shown) == sorted(TEMPLATE["Parameters"])


def test_the_outputs_are_those_that_are_documented() -> None:
    assert set(TEMPLATE["Outputs"]) >= {
        *("InputBucket", "OutputBucket", "QueueUrl", "DeadLetterQueueUrl"),
        *("Cluster", "TaskDefinition"),
        *("DispatcherFunction", "WorkerLogGroup", "DispatcherLogGroup"),
    }
