import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import eventually
from tidegate.localcloud.fargate import WorkerTask
from tidegate.localcloud.stack_client import OUTPUT_PREFIX, report_key
from tidegate.localcloud.system import System

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import KeyValuePairTypeDef, RunTaskRequestTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def sqs(system: System) -> "SQSClient":
    client: SQSClient = system.cloud.client("sqs")
    return client


@pytest.fixture
def ecs(system: System) -> "ECSClient":
    client: ECSClient = system.cloud.client("ecs")
    return client


def start_task(system: System, ecs: "ECSClient", environment: Mapping[str, str]) -> str:
    pairs: list[KeyValuePairTypeDef] = [
        {"name": name, "value": value} for name, value in environment.items()
    ]
    answer = ecs.run_task(
        cluster=system.stack.cluster,
        taskDefinition=system.stack.task_definition,
        overrides={"containerOverrides": [{"name": "worker", "environment": pairs}]},
    )
    return answer["tasks"][0]["taskArn"]


def over(system: System, arn: str) -> WorkerTask | None:
    task = system.agent.tasks.get(arn)
    return task if task and task.over else None


def texts_of_logs(system: System) -> list[str]:
    """Return the logs of all tasks that have started a process."""
    logs = (task.log for task in system.agent.tasks.values())
    return [log.read_text() for log in logs if log.exists()]


def ended(system: System, ecs: "ECSClient", arn: str) -> tuple[str, str, int | None]:
    """Return the stop code, the reason and the exit code that ECS has of a stopped task."""
    (task,) = ecs.describe_tasks(cluster=system.stack.cluster, tasks=[arn])["tasks"]
    assert task["lastStatus"] == "STOPPED"
    (container,) = task["containers"]
    return task["stopCode"], task["stoppedReason"], container.get("exitCode")


def test_a_worker_has_the_rights_of_the_task_role_and_no_others(
    system: System, sqs: "SQSClient", ecs: "ECSClient"
) -> None:
    strangers = sqs.create_queue(QueueName="strangers")["QueueUrl"]

    arn = start_task(system, ecs, {"WORKER_QUEUE": strangers})

    eventually(lambda: over(system, arn))
    task = system.agent.tasks[arn]
    assert task.failure.startswith("exit code 1: worker failed: reading the attributes of")
    log = task.log.read_text()
    assert "denied" in log
    assert "assumed-role/tidegate-TaskRole" in log
    assert ended(system, ecs, arn) == (
        "EssentialContainerExited",
        "Essential container in task exited",
        1,
    )


def test_a_task_whose_image_is_not_in_the_repository_fails_to_start(
    system: System, ecs: "ECSClient"
) -> None:
    definition = ecs.describe_task_definition(taskDefinition=system.stack.task_definition)
    known = definition["taskDefinition"]
    (container,) = known["containerDefinitions"]
    absent = container["image"].replace(":latest", ":absent")
    revision = ecs.register_task_definition(
        family="tidegate-elsewhere",
        taskRoleArn=known["taskRoleArn"],
        executionRoleArn=known["executionRoleArn"],
        containerDefinitions=[{"name": "worker", "image": absent}],
    )["taskDefinition"]["taskDefinitionArn"]

    arn = ecs.run_task(cluster=system.stack.cluster, taskDefinition=revision)["tasks"][0]["taskArn"]

    eventually(lambda: over(system, arn))
    code, reason, exit_code = ended(system, ecs, arn)
    assert (code, exit_code) == ("TaskFailedToStart", None)
    assert reason.startswith("CannotPullContainerError: pull image manifest has been retried")
    assert f"{absent}: not found" in reason
    assert reason in system.agent.tasks[arn].failure


def test_a_client_token_starts_one_task(system: System, ecs: "ECSClient") -> None:
    request: RunTaskRequestTypeDef = {
        "cluster": system.stack.cluster,
        "taskDefinition": system.stack.task_definition,
        "clientToken": "one slot",
        "overrides": {
            "containerOverrides": [
                {"name": "worker", "environment": [{"name": "WORKER_QUEUE", "value": "none"}]}
            ]
        },
    }
    other: RunTaskRequestTypeDef = {**request, "startedBy": "somebody else"}
    first, again = ecs.run_task(**request), ecs.run_task(**request)

    assert [task["taskArn"] for task in again["tasks"]] == [first["tasks"][0]["taskArn"]]
    with pytest.raises(ecs.exceptions.ClientError, match="ConflictException"):
        ecs.run_task(**other)
    eventually(lambda: over(system, first["tasks"][0]["taskArn"]))


def test_when_a_worker_has_left_its_task_is_stopped_and_the_dispatcher_looks_again(
    system: System, sqs: "SQSClient", ecs: "ECSClient"
) -> None:
    elsewhere = open_queue(sqs, "elsewhere")
    job = {
        "bucket": system.stack.input_bucket,
        "key": "never uploaded.csv",
        "output_bucket": system.stack.output_bucket,
        "output_key": OUTPUT_PREFIX,
    }
    # Sent without an upload: only the end of another worker can start a worker for this message.
    sqs.send_message(QueueUrl=system.stack.queue_url, MessageBody=json.dumps(job))

    arn = start_task(system, ecs, {"WORKER_QUEUE": elsewhere, "WORKER_IDLE_SECONDS": "0"})

    eventually(lambda: over(system, arn))
    assert ended(system, ecs, arn)[-1] == 0
    assert system.agent.tasks[arn].failure == ""
    eventually(lambda: is_in_output(system, report_key("never uploaded.csv")))
    eventually(lambda: not system.agent.live)
    (log,) = [text for text in texts_of_logs(system) if "never uploaded.csv" in text]
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (numbers,) = [line for line in lines if line["event"] == "numbers"]
    assert (numbers["Stack"], numbers["failed"]) == (system.stack.cluster, 1)
    assert numbers["aws_calls"] > 5
    left = lines[-1]
    assert (left["event"], left["reason"]) == ("worker left", "idle")
    assert left["failures"] == {"NoSuchInput": 1}
    assert left["billed_seconds"] >= 60
    assert left["dollars"] > 0
    assert left["capacity"] == "FARGATE"


def test_stopping_a_task_ends_its_process(system: System, ecs: "ECSClient") -> None:
    arn = start_task(system, ecs, {"WORKER_IDLE_SECONDS": "-1"})
    eventually(lambda: arn in system.agent.tasks and system.agent.tasks[arn].pid)
    pid = system.agent.tasks[arn].pid

    stopping = ecs.stop_task(cluster=system.stack.cluster, task=arn, reason="enough")["task"]

    assert (stopping["desiredStatus"], stopping["lastStatus"]) == ("STOPPED", "STOPPING")
    eventually(lambda: over(system, arn))
    assert not Path(f"/proc/{pid}").exists()
    code, reason, exit_code = ended(system, ecs, arn)
    assert (code, reason) == ("UserInitiated", "enough")
    # 143 when SIGTERM comes before the worker has installed its signal handlers.
    assert exit_code in {0, 143}
    assert system.agent.tasks[arn].failure == ""


def test_a_message_that_was_sent_to_the_dead_letter_queue_itself_is_moved_to_a_named_queue_alone(
    sqs: "SQSClient",
) -> None:
    dead = sqs.create_queue(QueueName="moved-dead")["QueueUrl"]
    dead_arn = arn_of(sqs, dead)
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "3"})
    queue = sqs.create_queue(QueueName="moved", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="a job")

    sqs.start_message_move_task(SourceArn=dead_arn)
    (failed,) = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
    assert (failed["Status"], failed["FailureReason"]) == (
        "FAILED",
        "CouldNotDetermineMessageSource",
    )

    sqs.start_message_move_task(SourceArn=dead_arn, DestinationArn=arn_of(sqs, queue))
    (ended,) = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
    assert (ended["Status"], ended["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    (moved,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert moved["Body"] == "a job"
    with pytest.raises(sqs.exceptions.ClientError, match="must be configured as a Dead Letter"):
        sqs.start_message_move_task(SourceArn=arn_of(sqs, queue))


def arn_of(sqs: "SQSClient", url: str) -> str:
    known = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return known["Attributes"]["QueueArn"]


def open_queue(sqs: "SQSClient", name: str) -> str:
    """Make a queue that everybody in the account may use."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}],
    }
    return sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(policy)})["QueueUrl"]


def is_in_output(system: System, key: str) -> bool:
    s3: S3Client = system.cloud.client("s3")
    with suppress(s3.exceptions.ClientError):
        return bool(s3.head_object(Bucket=system.stack.output_bucket, Key=key))
    return False
