"""Without any one statement of its role, a worker or the dispatcher fails on the local cloud.

The worker is a real process, the dispatcher its real code. Each runs under a copy of its role, on
buckets and queues of the test's own. What the emulator does not check, or nobody calls there, is
judged by the documents alone (test_roles.py): NOT_ENFORCED has the list.
"""

import asyncio
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dispatcher.handler import Dispatcher, Fleet, Settings
from tests.support.fakes.dispatcher import decisions
from tests.support.iam.roles import ROLES, Arns, arns, copied, statements
from tests.support.scenario import REGION as ENDPOINT_REGION
from tests.support.scenario import Endpoint
from tidegate.localcloud.cloud import REGION, Cloud, Credentials
from tidegate.localcloud.stack import ARTIFACTS, NAME
from tidegate.localcloud.system import System

NOT_ENFORCED = {
    "KeepWhatFailed": "Lambda itself sends what failed, past the role in the emulator",
    "ReplayWhatFailed": "Lambda itself receives what is replayed, past the role in the emulator",
    "GiveWorkersTheirRoles": "the emulator does not check iam:PassRole",
    "TagWorkers": "the emulator does not check ecs:TagResource for the tags of a new task",
    "TellMissingFromForbidden": "the emulator says 404 of a missing key in any case",
    "Log": "the emulator writes the function's log itself",
}

EVENT = {
    "Records": [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "in"}, "object": {"key": "a.csv"}},
        }
    ]
}
GOOD = b"id,sepal_length,sepal_width,petal_length,petal_width\n1,5,3,1,0\n"
NOTHING = "nothing"
WORKERS_DONE = {"p/good.csv", "p/_failed/broken.csv.json", "p/_failed/gone.csv.json"}


@pytest.fixture(scope="module")
def names(system: System) -> Arns:
    return arns(system.cloud)


Statements = list[dict[str, Any]]


def without(system: System, role: str) -> dict[str, Statements]:
    """Return the statements of a role without one of them, by the Sid that is left out."""
    granted = statements(system.cloud, role)
    less = {
        str(one["Sid"]): [other for other in granted if other is not one]
        for one in granted
        if one["Sid"] not in NOT_ENFORCED
    }
    return {NOTHING: granted, **less}


async def worked(
    system: System, names: Arns, number: int, granted: Statements
) -> tuple[int, set[str], int, int]:
    """Run a worker on three jobs; return its status, objects, messages and dead letters left."""
    endpoint = Endpoint(system.cloud.url, f"at-work-{number}")
    endpoint.submit("good.csv", GOOD)
    endpoint.submit("broken.csv", b"1,2,3\n4,5,6\n")
    endpoint.send(json.dumps(endpoint.job("gone.csv")))
    renamed = {
        names.names["StackInputBucket"]: endpoint.input,
        names.names["StackOutputBucket"]: endpoint.output,
        names.queue("Queue"): arn_of(endpoint, endpoint.queue),
        names.queue("DeadLetterQueue"): arn_of(endpoint, endpoint.dead),
    }
    with copied(system.cloud, endpoint.name, granted, renamed) as credentials:
        ended = await endpoint.worker(
            **system.cloud.environment(credentials) | {"AWS_REGION": ENDPOINT_REGION},
            WORKER_MODEL=f"s3://{ARTIFACTS}/model.pkl",
            WORKER_IDLE_SECONDS="0",
            WORKER_CONSUMERS="1",
        )
    counts = [endpoint.left(queue) for queue in (endpoint.queue, endpoint.dead)]
    return (ended.status, endpoint.keys(), counts[0], counts[1])


def arn_of(endpoint: Endpoint, queue: str) -> str:
    answer = endpoint.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]


async def test_a_worker_fails_at_something_without_any_one_statement_of_its_role(
    system: System, names: Arns
) -> None:
    kinds = without(system, names.names["TaskRole"])
    outcomes = await asyncio.gather(
        *(worked(system, names, number, kinds[sid]) for number, sid in enumerate(kinds))
    )
    done, *others = outcomes
    assert done == (0, WORKERS_DONE, 0, 2)
    for sid, outcome in zip(list(kinds)[1:], others, strict=True):
        assert outcome != done, f"{sid} is for show"


def dispatched(system: System, names: Arns, name: str, granted: Statements) -> tuple[int, int]:
    """How many messages and tasks come of one event, where a task has stopped before.

    Raises ClientError if no message is sent, as the dispatcher does.
    """
    ecs, sqs = system.cloud.client("ecs"), system.cloud.client("sqs")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    cluster = ecs.create_cluster(clusterName=name)["cluster"]["clusterArn"]
    run = {"cluster": name, "taskDefinition": names.task_definition}
    before = ecs.run_task(**run)["tasks"][0]["taskArn"]
    ecs.stop_task(cluster=name, task=before)
    renamed = {
        names.queue("Queue"): names.arn("sqs", name),
        names.cluster: cluster,
        names.arn("ecs", f"task/{names.names['Cluster']}/"): names.arn("ecs", f"task/{name}/"),
    }
    with copied(system.cloud, name, granted, renamed) as credentials:
        dispatcher(system.cloud, credentials, names, queue, name).handle(EVENT)
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    tasks = ecs.list_tasks(cluster=name, desiredStatus="RUNNING")["taskArns"]
    return int(counts["ApproximateNumberOfMessages"]), len(tasks)


def dispatcher(cloud: Cloud, who: Credentials, names: Arns, queue: str, cluster: str) -> Dispatcher:
    session = boto3.Session(who.key_id, who.secret, who.token, region_name=REGION)
    settings = Settings.from_environment(
        {
            "DISPATCHER_QUEUE_URL": queue,
            "DISPATCHER_OUTPUT_BUCKET": names.names["StackOutputBucket"],
            "DISPATCHER_OUTPUT_KEY": "p",
            "DISPATCHER_SUFFIXES": ".csv",
            "DISPATCHER_CLUSTER": cluster,
            "DISPATCHER_TASK_DEFINITION": names.task_definition,
            "DISPATCHER_SUBNETS": "subnet-1",
            "DISPATCHER_SECURITY_GROUPS": "sg-1",
            "DISPATCHER_ASSIGN_PUBLIC_IP": "ENABLED",
            "DISPATCHER_CAPACITY": "FARGATE",
            "DISPATCHER_MAX_TASKS": "1",
            "DISPATCHER_MESSAGES_PER_TASK": "1",
        }
    )
    ecs = session.client("ecs", endpoint_url=cloud.url)
    return Dispatcher(settings, session.client("sqs", endpoint_url=cloud.url), Fleet(settings, ecs))


def test_the_dispatcher_fails_at_something_without_any_one_statement_of_its_role(
    system: System, names: Arns, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = without(system, names.names["DispatcherRole"])
    assert dispatched(system, names, "at-work", kinds.pop(NOTHING)) == (1, 1)
    assert tags_of_the_task(system.cloud, "at-work")["aws:cloudformation:stack-name"] == NAME
    for sid, granted in kinds.items():
        try:
            dispatched(system, names, f"without-{sid}", granted)
        except ClientError as error:
            refused = str(error)
        else:  # the message is sent, and the start of a worker is refused
            last = decisions(capsys)[-1]
            assert last["decision"] == "start refused"
            refused = last["why"]
        assert "AccessDenied" in refused, f"{sid} is for show"


def tags_of_the_task(cloud: Cloud, cluster: str) -> dict[str, str]:
    """Return the tags of the only task: its definition's, which are the stack's."""
    ecs = cloud.client("ecs")
    running = ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]
    (task,) = ecs.describe_tasks(cluster=cluster, tasks=running, include=["TAGS"])["tasks"]
    return {tag["key"]: tag["value"] for tag in task["tags"]}


def tries(names: Arns) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    """Return, by role, calls that an attacker with the role would make."""
    input_, output = names.names["StackInputBucket"], names.names["StackOutputBucket"]
    queue, dead = names.names["Queue"], names.names["DeadLetterQueue"]
    start = {"cluster": names.names["Cluster"], "taskDefinition": names.task_definition}
    objects = [(input_, "a.csv"), (output, "p/a.csv"), (ARTIFACTS, "model.pkl")]
    anybodys = [
        *(("s3", "delete_object", {"Bucket": at, "Key": key}) for at, key in objects),
        *(("sqs", "purge_queue", {"QueueUrl": one}) for one in (queue, dead)),
        ("sqs", "receive_message", {"QueueUrl": dead}),
        ("s3", "delete_bucket_policy", {"Bucket": output}),
        ("iam", "create_role", {"RoleName": "x", "AssumeRolePolicyDocument": "{}"}),
        ("lambda", "get_function", {"FunctionName": names.names["Dispatcher"]}),
    ]
    return {
        "DispatcherRole": [
            *anybodys,
            *(("s3", "get_object", {"Bucket": at, "Key": key}) for at, key in objects),
            ("s3", "list_objects_v2", {"Bucket": input_}),
            ("sqs", "receive_message", {"QueueUrl": queue}),
            ("sqs", "send_message", {"QueueUrl": dead, "MessageBody": "x"}),
            ("ecs", "stop_task", {"cluster": names.names["Cluster"], "task": "0" * 32}),
            ("ecs", "list_tasks", {"cluster": "another"}),
        ],
        "TaskRole": [
            *anybodys,
            ("s3", "put_object", {"Bucket": input_, "Key": "a.csv", "Body": b"x"}),
            ("s3", "put_object", {"Bucket": ARTIFACTS, "Key": "model.pkl", "Body": b"x"}),
            ("s3", "get_object", {"Bucket": ARTIFACTS, "Key": "another.pkl"}),
            ("sqs", "send_message", {"QueueUrl": queue, "MessageBody": "x"}),
            ("ecs", "run_task", start),
            ("ecs", "list_tasks", {"cluster": names.names["Cluster"]}),
        ],
        "ExecutionRole": [
            *anybodys,
            *(("s3", "get_object", {"Bucket": at, "Key": key}) for at, key in objects),
            ("sqs", "receive_message", {"QueueUrl": queue}),
            ("ecs", "run_task", start),
        ],
    }


@pytest.mark.parametrize("role", ROLES)
def test_who_took_a_role_over_is_denied_all_that_is_not_its_work(
    system: System, names: Arns, role: str
) -> None:
    granted = statements(system.cloud, names.names[role])
    with copied(system.cloud, f"thief-{role}", granted, {}) as who:
        session = boto3.Session(who.key_id, who.secret, who.token, region_name=REGION)
        for service, method, arguments in tries(names)[role]:
            client: Any = session.client(service, endpoint_url=system.cloud.url)  # type: ignore[call-overload] # any service
            with pytest.raises(ClientError) as denied:
                getattr(client, method)(**arguments)
            code = denied.value.response["Error"]["Code"]
            assert code in {"AccessDenied", "AccessDeniedException"}, (method, arguments)
