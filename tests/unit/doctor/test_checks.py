"""Each check sees what is wrong, says it, and gives the command that mends it."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatcher.handler import PAUSED_TAG
from tests.support.stack_on_moto import ACCOUNT, ARTIFACTS, NAME, REGION, Answers
from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack
from tidegate.doctor.examination import examine
from tidegate.doctor.finding import Finding, Verdict

Check = Callable[[str], Finding]
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}-dispatcher"
INPUT = f"{NAME}-input-{ACCOUNT}-{REGION}"
QUEUES = {"queue": "jobs", "dead letters": "dead-letters", "undispatched": "undispatched"}


def attributes(account: Account, queue: str, **changed: str) -> dict[str, str]:
    url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{NAME}-{queue}"
    answer = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return {**answer["Attributes"], **changed}


def oldest(answers: Answers, age: timedelta) -> None:
    """Let CloudWatch have an age for the oldest message."""
    points = [
        {"Timestamp": datetime(2026, 1, 1, 12, minute, tzinfo=UTC), "Maximum": seconds}
        for minute, seconds in ((1, age.total_seconds()), (0, 1.0))
    ]
    answers.give("cloudwatch", "GetMetricStatistics", Datapoints=points)


def resources(account: Account, **more: str) -> list[dict[str, str]]:
    pages = account.client("cloudformation").get_paginator("list_stack_resources")
    listed = [
        one for page in pages.paginate(StackName=NAME) for one in page["StackResourceSummaries"]
    ]
    return [
        *listed,
        *({"LogicalResourceId": name, "PhysicalResourceId": own} for name, own in more.items()),
    ]


class TestQueues:
    def test_what_waits_is_counted(self, account: Account, answers: Answers, check: Check) -> None:
        oldest(answers, timedelta(minutes=5))
        counts = {"ApproximateNumberOfMessages": "1200"}
        answers.give("sqs", "GetQueueAttributes", Attributes=attributes(account, "jobs", **counts))

        finding = check("queue")

        assert finding.verdict is Verdict.OK
        assert finding.found == "1,200 waiting, the oldest for 5 min, 0 in flight or in backoff"

    def test_a_message_that_waits_for_more_than_an_hour_is_a_warning(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        oldest(answers, timedelta(hours=3))
        counts = {"ApproximateNumberOfMessages": "2"}
        answers.give("sqs", "GetQueueAttributes", Attributes=attributes(account, "jobs", **counts))

        finding = check("queue")

        assert finding.verdict is Verdict.WARNING
        assert "the oldest for 3 h" in finding.found
        assert finding.commands == (f"tidegate logs --stack {NAME}",)

    def test_a_pause_is_a_warning_with_the_way_out(self, answers: Answers, check: Check) -> None:
        answers.give("sqs", "ListQueueTags", Tags={PAUSED_TAG: "2026-01-01T12:00:00+00:00"})

        finding = check("queue")

        assert finding.verdict is Verdict.WARNING
        assert finding.found.startswith("the stack is paused since 2026-01-01T12:00:00+00:00")
        assert finding.commands == (f"tidegate resume --stack {NAME}",)

    @pytest.mark.parametrize("name", QUEUES)
    def test_a_queue_that_is_gone_is_broken(
        self, answers: Answers, check: Check, name: str
    ) -> None:
        answers.refuse("sqs", "GetQueueAttributes", "QueueDoesNotExist")

        finding = check(name)

        assert finding.verdict is Verdict.BROKEN
        assert finding.found == f"the queue {NAME}-{QUEUES[name]} is gone"

    def test_settings_that_somebody_changed_are_given_back_by_the_command(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        has = attributes(account, "jobs", VisibilityTimeout="30")
        policy = has.pop("RedrivePolicy")
        answers.give("sqs", "GetQueueAttributes", Attributes=has)

        finding = check("queue")

        assert finding.verdict is Verdict.WARNING
        assert "VisibilityTimeout is 30, not 120" in finding.found
        assert "RedrivePolicy is not set" in finding.found
        (command,) = finding.commands
        given = json.loads(command.split("--attributes '")[1].removesuffix("'"))
        assert given["VisibilityTimeout"] == "120"
        target = json.loads(policy)["deadLetterTargetArn"]
        assert json.loads(given["RedrivePolicy"])["deadLetterTargetArn"] == target

    def test_dead_letters_are_counted_with_their_age_and_the_way_back(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        oldest(answers, timedelta(days=3))
        counts = {"ApproximateNumberOfMessages": "7"}
        has = attributes(account, "dead-letters", **counts)
        answers.give("sqs", "GetQueueAttributes", Attributes=has)

        finding = check("dead letters")

        assert (finding.verdict, finding.found) == (Verdict.WARNING, "7, the oldest for 3 days")
        assert finding.commands == (
            f"tidegate failures --stack {NAME}",
            f"tidegate redrive --all --stack {NAME}",
        )

    def test_an_event_that_was_not_dispatched_is_broken(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        has = attributes(account, "undispatched", ApproximateNumberOfMessages="1")
        answers.give("sqs", "GetQueueAttributes", Attributes=has)
        answers.give("cloudwatch", "GetMetricStatistics", Datapoints=[])

        finding = check("undispatched")

        assert finding.verdict is Verdict.BROKEN
        assert finding.found == "events on which the dispatcher failed: 1"
        assert "create-event-source-mapping" in finding.commands[1]


def stopped(exit_code: int | None, **changed: object) -> dict[str, object]:
    container = {} if exit_code is None else {"exitCode": exit_code}
    return {
        "taskArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{NAME}/0123abcd",
        "stoppedAt": datetime.now(UTC) - timedelta(minutes=12),
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "worker"} | container],
    } | changed


def show_tasks(answers: Answers, *tasks: dict[str, object]) -> None:
    answers.give("ecs", "ListTasks", taskArns=[task["taskArn"] for task in tasks])
    answers.give("ecs", "DescribeTasks", tasks=list(tasks))


class TestWorkers:
    def test_the_newest_bad_end_is_told_with_the_workers_last_line(
        self, answers: Answers, check: Check
    ) -> None:
        earlier = datetime.now(UTC) - timedelta(minutes=50)
        show_tasks(answers, stopped(0, stoppedAt=earlier), stopped(1))
        line = {"message": '{"event": "worker failed", "error": "no such model"}\n'}
        answers.give("logs", "GetLogEvents", events=[line])

        finding = check("workers")

        assert finding.verdict is Verdict.BROKEN
        assert re.search(r"the last one ended \d+ min ago: exit code 1", finding.found)
        assert (
            'Its last line: {"event": "worker failed", "error": "no such model"}' in finding.found
        )
        assert finding.commands == (f"tidegate logs --stack {NAME}",)

    def test_a_worker_whose_image_was_not_pulled_has_no_log(
        self, answers: Answers, check: Check
    ) -> None:
        reason = "CannotPullContainerError: not found"
        show_tasks(answers, stopped(None, stopCode="TaskFailedToStart", stoppedReason=reason))
        answers.refuse("logs", "GetLogEvents", "ResourceNotFoundException")

        finding = check("workers")

        assert finding.verdict is Verdict.BROKEN
        assert finding.found.endswith(reason)

    @pytest.mark.parametrize(
        "task",
        [
            stopped(0),
            stopped(137, stopCode="SpotInterruption"),
            stopped(130, stopCode="UserInitiated"),
        ],
    )
    def test_a_worker_that_is_idle_or_taken_away_ended_well(
        self, answers: Answers, check: Check, task: dict[str, object]
    ) -> None:
        show_tasks(answers, task)

        finding = check("workers")

        assert finding.verdict is Verdict.OK
        assert re.fullmatch(r"1 running; the last one ended well \d+ min ago", finding.found)

    def test_a_cluster_that_is_gone(self, answers: Answers, check: Check) -> None:
        answers.refuse("ecs", "ListTasks", "ClusterNotFoundException")

        assert check("workers").found == f"the cluster {NAME} is gone"

    def test_a_task_definition_that_is_deregistered(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        definition = task_definition(account) | {"status": "INACTIVE"}
        answers.give("ecs", "DescribeTaskDefinition", taskDefinition=definition)

        finding = check("workers")

        assert finding.verdict is Verdict.BROKEN
        assert "is deregistered" in finding.found


class TestInput:
    def test_a_notification_that_is_gone_is_put_back_beside_the_others(
        self, answers: Answers, check: Check
    ) -> None:
        theirs = [{"TopicArn": "arn:aws:sns:us-east-1:1:t", "Events": ["s3:ObjectRemoved:*"]}]
        wired = {"TopicConfigurations": theirs, "LambdaFunctionConfigurations": []}
        answers.give("s3", "GetBucketNotificationConfiguration", **wired)

        finding = check("input")

        assert finding.verdict is Verdict.BROKEN
        assert f"{INPUT} does not notify the dispatcher" in finding.found
        (command,) = finding.commands
        put = json.loads(command.split("--notification-configuration '")[1].removesuffix("'"))
        assert put["TopicConfigurations"] == theirs
        assert put["LambdaFunctionConfigurations"] == [
            {"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:*"]}
        ]

    def test_a_bucket_that_may_not_invoke_the_dispatcher(
        self, answers: Answers, check: Check
    ) -> None:
        answers.give("lambda", "GetPolicy", Policy='{"Statement": []}')

        finding = check("input")

        assert finding.verdict is Verdict.BROKEN
        assert f"{INPUT} may not invoke the dispatcher" in finding.found
        (command,) = finding.commands
        assert f"--source-arn arn:aws:s3:::{INPUT} --source-account {ACCOUNT}" in command

    @pytest.mark.parametrize(
        ("name", "operation"),
        [("input", "GetBucketNotificationConfiguration"), ("output", "HeadBucket")],
    )
    def test_a_bucket_that_is_gone(
        self, answers: Answers, check: Check, name: str, operation: str
    ) -> None:
        answers.refuse("s3", operation, "404" if operation.startswith("Head") else "NoSuchBucket")

        finding = check(name)

        assert finding.verdict is Verdict.BROKEN
        assert finding.found == f"the bucket {NAME}-{name}-{ACCOUNT}-{REGION} is gone"

    def test_an_existing_bucket_needs_events_and_a_rule(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        set_parameter(account, answers, InputBucket=INPUT)
        answers.refuse("events", "DescribeRule", "ResourceNotFoundException")
        listed = resources(account, InputArrived=f"{NAME}-input")
        answers.give("cloudformation", "ListStackResources", StackResourceSummaries=listed)
        assert check("input").found.startswith(f"{INPUT} sends no events to EventBridge")

        answers.give("s3", "GetBucketNotificationConfiguration", EventBridgeConfiguration={})
        assert check("input").found == f"the rule {NAME}-input is gone: no file becomes a job"

        arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{NAME}-input"
        answers.give("events", "DescribeRule", Arn=arn, State="ENABLED")
        answers.give("events", "ListTargetsByRule", Targets=[{"Arn": FUNCTION}])
        answers.give("lambda", "GetPolicy", Policy=json.dumps({"Statement": [permission(arn)]}))
        assert check("input").verdict is Verdict.OK


def set_parameter(account: Account, answers: Answers, **changed: str) -> None:
    """Let the stack have other parameters."""
    (described,) = account.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
    for parameter in described["Parameters"]:
        name = parameter["ParameterKey"]
        parameter["ParameterValue"] = changed.get(name, parameter["ParameterValue"])
    answers.give("cloudformation", "DescribeStacks", Stacks=[described])


def permission(source: str) -> dict[str, object]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Condition": {"ArnLike": {"AWS:SourceArn": source}},
    }


class TestDispatcher:
    def test_a_function_that_is_gone(self, answers: Answers, check: Check) -> None:
        answers.refuse("lambda", "GetFunction", "ResourceNotFoundException")

        assert check("dispatcher").found == f"the function {NAME}-dispatcher is gone"

    def test_a_function_that_is_stopped_is_started_by_the_command(
        self, answers: Answers, check: Check
    ) -> None:
        stopped = {"ReservedConcurrentExecutions": 0}
        answers.alter("lambda", "GetFunction", Concurrency=stopped)

        finding = check("dispatcher")

        assert finding.verdict is Verdict.BROKEN
        assert finding.commands == (
            f"aws lambda delete-function-concurrency --function-name {NAME}-dispatcher",
        )

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"State": "Failed", "StateReason": "the key is gone"}, "cannot run: the key is gone"),
            (
                {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no such role"},
                "failed: no such role",
            ),
        ],
    )
    def test_a_function_that_cannot_run(
        self, answers: Answers, check: Check, changed: dict[str, str], said: str
    ) -> None:
        answers.alter("lambda", "GetFunction", Configuration=changed)

        finding = check("dispatcher")

        assert finding.verdict is Verdict.BROKEN
        assert said in finding.found

    def test_variables_that_somebody_changed_are_given_back_by_the_command(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        own = account.client("lambda").get_function(FunctionName=f"{NAME}-dispatcher")
        variables = own["Configuration"]["Environment"]["Variables"]
        changed = {**variables, "DISPATCHER_MAX_TASKS": "0", "OURS": "1"}
        del changed["DISPATCHER_CLUSTER"], changed["DISPATCHER_INPUT_PREFIX"]
        answers.alter(
            "lambda", "GetFunction", Configuration={"Environment": {"Variables": changed}}
        )

        finding = check("dispatcher")

        assert finding.verdict is Verdict.BROKEN
        assert "DISPATCHER_INPUT_PREFIX" not in finding.found  # empty, and Lambda may leave it out
        assert "DISPATCHER_MAX_TASKS is '0', not '4'" in finding.found
        assert f"DISPATCHER_CLUSTER is None, not '{NAME}'" in finding.found
        (command,) = finding.commands
        given = json.loads(command.split("--environment '")[1].removesuffix("'"))["Variables"]
        assert given == {name: str(value) for name, value in variables.items()} | {"OURS": "1"}


class TestReconcile:
    def test_it_says_that_it_is_off(self, check: Check) -> None:
        assert check("reconcile").found.startswith("off: ")

    def test_its_rule_is_looked_at_if_it_is_on(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        set_parameter(account, answers, Reconcile="NIGHTLY")
        listed = resources(account, ReconcileDue=f"{NAME}-due")
        answers.give("cloudformation", "ListStackResources", StackResourceSummaries=listed)
        for rule, verdict in (("ENABLED", Verdict.OK), ("DISABLED", Verdict.WARNING)):
            answers.give("events", "DescribeRule", State=rule)
            finding = check("reconcile")
            assert finding.verdict is verdict
            assert f"{NAME}-due" in finding.found
        assert finding.commands == (f"aws events enable-rule --name {NAME}-due",)

        answers.refuse("events", "DescribeRule", "ResourceNotFoundException")
        assert check("reconcile").verdict is Verdict.WARNING


@pytest.mark.parametrize(("name", "logical"), [("sweep", "Sweep"), ("task stopped", "TaskStopped")])
class TestRules:
    def test_a_rule_that_is_disabled_is_enabled_by_the_command(
        self, answers: Answers, check: Check, name: str, logical: str
    ) -> None:
        answers.alter("events", "DescribeRule", State="DISABLED")

        finding = check(name)

        assert finding.verdict is Verdict.BROKEN
        assert "is disabled" in finding.found
        assert finding.commands[0].startswith(f"aws events enable-rule --name {NAME}-{logical}-")

    def test_a_rule_without_a_target_and_permission(
        self, answers: Answers, check: Check, name: str, logical: str
    ) -> None:
        answers.alter("events", "ListTargetsByRule", Targets=[])
        answers.refuse("lambda", "GetPolicy", "ResourceNotFoundException")

        finding = check(name)

        assert "is not aimed at the dispatcher and may not invoke the dispatcher" in finding.found
        put, permit = finding.commands
        assert f'"Arn":"{FUNCTION}"' in put
        assert f":rule/{NAME}-{logical}-" in permit

    def test_a_rule_that_is_gone(
        self, answers: Answers, check: Check, name: str, logical: str
    ) -> None:
        answers.refuse("events", "DescribeRule", "ResourceNotFoundException")

        finding = check(name)

        assert finding.verdict is Verdict.BROKEN
        assert f"the rule {NAME}-{logical}-" in finding.found


def manifests(*architectures: str) -> str:
    listed = [{"platform": {"os": "linux", "architecture": one}} for one in architectures]
    return json.dumps({"manifests": listed})


class TestImage:
    @pytest.mark.parametrize("in_repository", [True, False])
    def test_an_image_that_is_not_there_is_pushed_by_the_command(
        self, answers: Answers, check: Check, *, in_repository: bool
    ) -> None:
        if in_repository:
            answers.give("ecr", "BatchGetImage", images=[])
        else:
            answers.refuse("ecr", "BatchGetImage", "RepositoryNotFoundException")

        finding = check("image")

        assert finding.verdict is Verdict.BROKEN
        assert finding.commands == (f"tidegate deploy {NAME}",)

    def test_an_image_for_another_processor(self, answers: Answers, check: Check) -> None:
        answers.give("ecr", "BatchGetImage", images=[{"imageManifest": manifests("arm64")}])

        finding = check("image")

        assert finding.verdict is Verdict.BROKEN
        assert "is for arm64, and the tasks are X86_64" in finding.found

    def test_an_image_for_several_processors(self, answers: Answers, check: Check) -> None:
        both = manifests("arm64", "amd64")
        answers.give("ecr", "BatchGetImage", images=[{"imageManifest": both}])

        assert check("image").verdict is Verdict.OK

    @pytest.mark.parametrize(
        ("architecture", "verdict"), [("amd64", Verdict.OK), ("arm64", Verdict.BROKEN)]
    )
    def test_a_single_image_says_its_processor_in_its_configuration(
        self, answers: Answers, check: Check, architecture: str, verdict: Verdict
    ) -> None:
        manifest = json.dumps({"config": {"digest": "sha256:ab"}})
        answers.give("ecr", "BatchGetImage", images=[{"imageManifest": manifest}])
        answers.give(
            "ecr",
            "GetDownloadUrlForLayer",
            downloadUrl=f'data:application/json,{{"architecture":"{architecture}"}}',
        )

        assert check("image").verdict is verdict

    def test_a_configuration_that_cannot_be_downloaded_is_unknown(
        self, account: Account, stack: DeployedStack, answers: Answers
    ) -> None:
        manifest = json.dumps({"config": {"digest": "sha256:ab"}})
        answers.give("ecr", "BatchGetImage", images=[{"imageManifest": manifest}])
        answers.give("ecr", "GetDownloadUrlForLayer", downloadUrl="http://127.0.0.1:1/gone")

        assert examine(account, stack)["image"].verdict is Verdict.UNKNOWN

    @pytest.mark.parametrize(
        "image", ["ghcr.io/team/worker:1", f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/w:1"]
    )
    def test_an_image_elsewhere_is_not_called_absent(
        self, account: Account, answers: Answers, check: Check, image: str
    ) -> None:
        definition = task_definition(account)
        definition["containerDefinitions"][0]["image"] = image
        answers.give("ecs", "DescribeTaskDefinition", taskDefinition=definition)

        finding = check("image")

        assert finding.verdict is Verdict.UNKNOWN
        assert image in finding.found


def task_definition(account: Account) -> dict[str, Any]:
    described = account.client("ecs").describe_task_definition(taskDefinition=f"{NAME}-worker")
    definition: dict[str, Any] = described["taskDefinition"]
    return definition


def set_variables(account: Account, answers: Answers, **variables: str) -> None:
    """Let the task definition give a worker these variables."""
    definition = task_definition(account)
    (container,) = definition["containerDefinitions"]
    given = {one["name"]: one["value"] for one in container["environment"]} | variables
    container["environment"] = [{"name": name, "value": value} for name, value in given.items()]
    answers.give("ecs", "DescribeTaskDefinition", taskDefinition=definition)


class TestModel:
    def test_a_model_that_is_not_there(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        set_variables(account, answers, WORKER_MODEL=f"s3://{ARTIFACTS}/other.pkl")

        finding = check("model")

        assert finding.verdict is Verdict.BROKEN
        assert finding.found == f"s3://{ARTIFACTS}/other.pkl is not there: no worker can start"
        assert finding.commands == (f"tidegate deploy {NAME} --model FILE",)

    def test_a_model_that_is_archived(self, answers: Answers, check: Check) -> None:
        answers.alter("s3", "HeadObject", StorageClass="GLACIER")

        assert "is archived (GLACIER)" in check("model").found

    def test_a_model_with_another_digest(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        set_variables(account, answers, WORKER_MODEL_SHA256="ab" * 32)
        digest = hashlib.sha256(b"a model").digest()
        answers.alter("s3", "HeadObject", ChecksumSHA256=base64.b64encode(digest).decode())

        finding = check("model")

        assert finding.verdict is Verdict.BROKEN
        assert f"has the digest {digest.hex()}, and the stack wants {'ab' * 32}" in finding.found

        set_variables(account, answers, WORKER_MODEL_SHA256=digest.hex())
        assert check("model").found.endswith("its digest is the stack's")

    def test_a_checksum_of_parts_is_not_compared_with_the_digest(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        set_variables(account, answers, WORKER_MODEL_SHA256="ab" * 32)
        parts = base64.b64encode(bytes(32)).decode() + "-2"
        answers.alter("s3", "HeadObject", ChecksumSHA256=parts)

        assert check("model").verdict is Verdict.OK


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ("MAX_REJECTED=2", "WORKER_MAX_REJECTED"),
            ("HEARTBEAT_SECONDS=100", "WORKER_HEARTBEAT_SECONDS"),  # with the queue's timeout
        ],
    )
    def test_a_setting_that_a_worker_refuses(
        self, account: Account, answers: Answers, check: Check, settings: str, named: str
    ) -> None:
        set_parameter(account, answers, WorkerSettings=settings)

        finding = check("settings")

        assert finding.verdict is Verdict.BROKEN
        assert named in finding.found

    def test_the_users_own_variables_are_not_the_workers(
        self, check: Check, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WORKER_MAX_REJECTED", "nonsense")

        assert check("settings").verdict is Verdict.OK


class TestNetwork:
    def test_a_security_group_that_lets_nothing_out(self, answers: Answers, check: Check) -> None:
        closed = [{"GroupId": "sg-1", "IpPermissionsEgress": []}]
        answers.give("ec2", "DescribeSecurityGroups", SecurityGroups=closed)

        finding = check("network")

        assert finding.verdict is Verdict.BROKEN
        assert "sg-1 lets no HTTPS out" in finding.found

    def test_a_subnet_without_a_way_out_needs_endpoints(
        self, answers: Answers, check: Check
    ) -> None:
        answers.give("ec2", "DescribeRouteTables", RouteTables=[])

        assert "no endpoints for sqs, logs, ecr.api, ecr.dkr" in check("network").found

        names = [f"com.amazonaws.{REGION}.{one}" for one in ("s3", "sqs", "logs")]
        names += [f"com.amazonaws.{REGION}.ecr.{one}" for one in ("api", "dkr")]
        endpoints = [{"ServiceName": name} for name in names]
        answers.give("ec2", "DescribeVpcEndpoints", VpcEndpoints=endpoints)

        assert check("network").verdict is Verdict.OK

    def test_a_gateway_is_of_no_use_without_a_public_address(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        own = account.client("lambda").get_function(FunctionName=f"{NAME}-dispatcher")
        variables = own["Configuration"]["Environment"]["Variables"]
        variables["DISPATCHER_ASSIGN_PUBLIC_IP"] = "DISABLED"
        configuration = {"Environment": {"Variables": variables}}
        answers.alter("lambda", "GetFunction", Configuration=configuration)

        assert "workers get no public address" in check("network").found

    def test_fewer_addresses_than_tasks(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        subnets = account.client("ec2").describe_subnets()["Subnets"]
        own = [one for one in subnets if any(tag["Key"] == "Name" for tag in one.get("Tags", []))]
        few = [one | {"AvailableIpAddressCount": 1} for one in own]
        answers.give("ec2", "DescribeSubnets", Subnets=few)

        finding = check("network")

        assert finding.verdict is Verdict.WARNING
        assert finding.found == "2 addresses are free, and MaxTasks is 4"

    def test_a_subnet_that_is_gone(self, answers: Answers, check: Check) -> None:
        answers.refuse("ec2", "DescribeSubnets", "InvalidSubnetID.NotFound", "no subnet-1")

        finding = check("network")

        assert finding.verdict is Verdict.BROKEN
        assert "no subnet-1" in finding.found


class TestQuotas:
    def test_fewer_vcpus_than_the_workers_need(self, answers: Answers, check: Check) -> None:
        answers.give("service-quotas", "GetServiceQuota", Quota={"Value": 2.0})

        finding = check("quotas")

        assert finding.verdict is Verdict.WARNING
        assert "4 workers (MaxTasks) need 4 vCPUs" in finding.found
        assert "may have 2: 2 workers" in finding.found
        assert "--quota-code L-3032A538 --desired-value 4" in finding.commands[0]

    def test_without_a_quota_of_its_own_the_account_has_the_default(
        self, answers: Answers, check: Check
    ) -> None:
        answers.refuse("service-quotas", "GetServiceQuota", "NoSuchResourceException")
        answers.give("service-quotas", "GetAWSDefaultServiceQuota", Quota={"Value": 6.0})

        assert check("quotas").found == "4 workers need 4 of 6 vCPUs of Fargate"

    def test_executions_that_others_have_reserved(self, answers: Answers, check: Check) -> None:
        none = {"UnreservedConcurrentExecutions": 0}
        answers.give("lambda", "GetAccountSettings", AccountLimit=none)

        finding = check("quotas")

        assert finding.verdict is Verdict.BROKEN
        assert "--service-code lambda --quota-code L-B99A9384" in finding.commands[0]


def role(account: Account, logical: str) -> str:
    (name,) = (
        one["RoleName"]
        for one in account.client("iam").list_roles()["Roles"]
        if one["RoleName"].startswith(f"{NAME}-{logical}-")
    )
    return str(name)


@contextmanager
def policy(account: Account, named: dict[str, str], document: object) -> Iterator[None]:
    """Give a role another policy for the length of the block."""
    iam = account.client("iam")
    before = iam.get_role_policy(**named)["PolicyDocument"]
    iam.put_role_policy(**named, PolicyDocument=json.dumps(document))
    yield
    iam.put_role_policy(**named, PolicyDocument=json.dumps(before))


MORE = {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}


class TestRoles:
    def test_statements_that_are_lost_or_changed_are_given_back_by_the_command(
        self, account: Account, check: Check
    ) -> None:
        named = {"RoleName": role(account, "TaskRole"), "PolicyName": "predict"}
        whole = account.client("iam").get_role_policy(**named)["PolicyDocument"]
        kept = [one for one in whole["Statement"] if one["Sid"] != "DeadLetter"]
        changed = [one | {"Resource": "*"} if one["Sid"] == "ReadInput" else one for one in kept]
        with policy(account, named, whole | {"Statement": changed}):
            finding = check("task role")

        assert finding.verdict is Verdict.BROKEN
        assert "lacks the statements DeadLetter, ReadInput of the template" in finding.found
        (command,) = finding.commands
        assert json.loads(command.split("--policy-document '")[1].removesuffix("'")) == whole

    def test_a_statement_more_is_a_warning(self, account: Account, check: Check) -> None:
        named = {"RoleName": role(account, "DispatcherRole"), "PolicyName": "dispatch"}
        whole = account.client("iam").get_role_policy(**named)["PolicyDocument"]
        with policy(account, named, whole | {"Statement": [*whole["Statement"], MORE]}):
            finding = check("dispatcher role")

        assert finding.verdict is Verdict.WARNING
        assert finding.found.endswith("has more than the template gives: the statement All")

    def test_a_policy_more_is_a_warning(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        named = {"RoleName": role(account, "ExecutionRole"), "PolicyName": "by-hand"}
        iam = account.client("iam")
        document = {"Version": "2012-10-17", "Statement": [MORE]}
        iam.put_role_policy(**named, PolicyDocument=json.dumps(document))
        admin = "arn:aws:iam::aws:policy/AdministratorAccess"
        answers.alter("iam", "ListAttachedRolePolicies", AttachedPolicies=[{"PolicyArn": admin}])

        finding = check("execution role")
        iam.delete_role_policy(**named)

        assert finding.verdict is Verdict.WARNING
        assert finding.found.endswith(f"the policy by-hand, {admin}")
        delete, detach = finding.commands
        assert delete.startswith("aws iam delete-role-policy")
        assert detach.startswith("aws iam detach-role-policy")

    def test_a_role_that_is_gone(self, answers: Answers, check: Check) -> None:
        answers.refuse("iam", "ListRolePolicies", "NoSuchEntity")

        assert check("task role").verdict is Verdict.BROKEN


class TestWatching:
    def test_a_log_that_is_gone_is_made_by_the_command(
        self, answers: Answers, check: Check
    ) -> None:
        similar = [{"logGroupName": f"/ecs/{NAME}-worker-2"}]
        answers.give("logs", "DescribeLogGroups", logGroups=similar)

        finding = check("logs")

        assert finding.verdict is Verdict.BROKEN
        assert finding.commands == (
            f"aws logs create-log-group --log-group-name /aws/lambda/{NAME}-dispatcher",
            f"aws logs create-log-group --log-group-name /ecs/{NAME}-worker",
        )

    def test_an_alarm_that_is_raised_says_its_text(
        self, account: Account, answers: Answers, check: Check
    ) -> None:
        listed = resources(account, NoStart=f"{NAME}-no-start", Waiting=f"{NAME}-waiting")
        answers.give("cloudformation", "ListStackResources", StackResourceSummaries=listed)
        alarms = [
            {
                "AlarmName": f"{NAME}-no-start",
                "StateValue": "ALARM",
                "AlarmDescription": "Refused.",
            },
            {"AlarmName": f"{NAME}-waiting", "StateValue": "OK", "AlarmDescription": "Long."},
        ]
        answers.give("cloudwatch", "DescribeAlarms", MetricAlarms=alarms)

        finding = check("alarms")

        assert finding.verdict is Verdict.WARNING
        assert finding.found == f"{NAME}-no-start: Refused."
