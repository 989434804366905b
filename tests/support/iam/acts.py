"""What each role must be able to do, and some of what it must not.

On which resource and in which context AWS judges a request is written in its service authorization
reference. An act of a role's own work has the reason why somebody makes it.
"""

from collections.abc import Mapping

from tests.support.iam.policy import Act
from tests.support.iam.roles import Arns

TO_ECS = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
TO_LAMBDA = {"iam:PassedToService": "lambda.amazonaws.com"}


def needed(arns: Arns, model: str) -> Mapping[str, Mapping[Act, str]]:
    """By role, each act that its work is made of, and what for."""
    cluster = {"ecs:cluster": arns.cluster}
    return {
        "DispatcherRole": {
            Act("sqs:SendMessage", arns.queue("Queue")): "a message for each file",
            Act("sqs:GetQueueAttributes", arns.queue("Queue")): "how many tasks are wanted",
            Act("sqs:SendMessage", arns.queue("UndispatchedQueue")): "events that fail are kept",
            Act("ecs:ListTasks", "*", cluster): "who is alive, and who has stopped",
            Act("ecs:DescribeTasks", arns.task, cluster): "how the newest one ended",
            Act("ecs:RunTask", arns.task_definition, cluster): "a worker is started",
            Act("iam:PassRole", arns.role("TaskRole"), TO_ECS): "under the task's role",
            Act("iam:PassRole", arns.role("ExecutionRole"), TO_ECS): "by the execution role",
            Act("logs:CreateLogStream", arns.log_stream("DispatcherLogGroup")): "it logs",
            Act("logs:PutLogEvents", arns.log_stream("DispatcherLogGroup")): "line by line",
        },
        "TaskRole": {
            Act("sqs:GetQueueUrl", arns.queue("Queue")): "the queue by its name",
            Act("sqs:GetQueueAttributes", arns.queue("Queue")): "its visibility and redrive policy",
            Act("sqs:ReceiveMessage", arns.queue("Queue")): "jobs come",
            Act("sqs:ChangeMessageVisibility", arns.queue("Queue")): "heartbeats, backoff, release",
            Act("sqs:DeleteMessage", arns.queue("Queue")): "jobs are done",
            Act("sqs:GetQueueUrl", arns.queue("DeadLetterQueue")): "the redrive policy has its ARN",
            Act("sqs:SendMessage", arns.queue("DeadLetterQueue")): "dead letters with a reason",
            Act(
                "s3:GetObject", arns.bucket("InputBucket", "a.csv")
            ): "inputs, where events are old",
            Act("s3:GetObjectVersion", arns.bucket("InputBucket", "a.csv")): "the version named",
            Act("s3:ListBucket", arns.bucket("InputBucket")): "a missing input is a 404",
            Act("s3:PutObject", arns.bucket("OutputBucket", "p/a.csv")): "outputs and reports",
            Act("s3:GetObject", arns.bucket("OutputBucket", "p/a.csv")): "whose output is there",
            Act(
                "s3:AbortMultipartUpload", arns.bucket("OutputBucket", "p/a.csv")
            ): "what is given up",
            Act("s3:ListBucket", arns.bucket("OutputBucket")): "an output that is gone is a 404",
            Act("s3:GetObject", model): "the model",
            Act("s3:GetObjectVersion", model): "and the one version of it that was named",
        },
        "ExecutionRole": {
            Act("ecr:GetAuthorizationToken", "*"): "the registry lets it in",
            Act("ecr:BatchCheckLayerAvailability", repository(arns)): "the image is pulled",
            Act("ecr:BatchGetImage", repository(arns)): "its manifest",
            Act("ecr:GetDownloadUrlForLayer", repository(arns)): "its layers",
            Act("logs:CreateLogStream", arns.log_stream("WorkerLogGroup")): "the worker's log",
            Act("logs:PutLogEvents", arns.log_stream("WorkerLogGroup")): "line by line",
        },
    }


def forbidden(arns: Arns, model: str) -> Mapping[str, tuple[Act, ...]]:
    """By role, acts that somebody who took it over would try."""
    cluster = {"ecs:cluster": arns.cluster}
    elsewhere = {"ecs:cluster": arns.arn("ecs", "cluster/another")}
    objects = [arns.bucket("InputBucket", "a.csv"), arns.bucket("OutputBucket", "p/a.csv"), model]
    queues = [arns.queue(one) for one in ("Queue", "DeadLetterQueue", "UndispatchedQueue")]
    nobodys = (
        *(Act(f"s3:Delete{what}", one) for one in objects for what in ("Object", "ObjectVersion")),
        *(Act(f"sqs:{what}Queue", one) for one in queues for what in ("Purge", "Delete")),
        *(Act("sqs:SetQueueAttributes", one) for one in queues),
        *(Act(f"s3:{what}", arns.bucket("OutputBucket")) for what in BUCKET_ACTS),
        Act("iam:PutRolePolicy", arns.role("TaskRole")),
        Act("iam:PassRole", arns.role("TaskRole"), TO_LAMBDA),
        Act("iam:PassRole", f"arn:aws:iam::{arns.account}:role/admin", TO_ECS),
        Act("sts:AssumeRole", f"arn:aws:iam::{arns.account}:role/admin"),
        Act("lambda:UpdateFunctionCode", arns.arn("lambda", "function:tidegate-dispatcher")),
        Act("ecs:RegisterTaskDefinition", "*"),
        Act("ecs:RunTask", arns.arn("ecs", "task-definition/another:1"), cluster),
        Act("ecs:RunTask", arns.task_definition, elsewhere),
        Act("ecs:StopTask", arns.task, cluster),
        Act("logs:DeleteLogGroup", arns.log_stream("WorkerLogGroup")),
    )
    return {
        "DispatcherRole": (
            *nobodys,
            *(Act("s3:GetObject", one) for one in objects),
            *(Act("s3:PutObject", one) for one in objects),
            *(Act("sqs:ReceiveMessage", one) for one in queues),
            *(Act("sqs:DeleteMessage", one) for one in queues),
            Act("sqs:SendMessage", arns.queue("DeadLetterQueue")),
            Act("ecs:ListTasks", "*", elsewhere),
            Act("ecs:DescribeTasks", arns.arn("ecs", "task/another/1"), elsewhere),
            Act("iam:PassRole", arns.role("DispatcherRole"), TO_ECS),
            Act("logs:PutLogEvents", arns.log_stream("WorkerLogGroup")),
        ),
        "TaskRole": (
            *nobodys,
            Act("s3:PutObject", arns.bucket("InputBucket", "a.csv")),
            Act("s3:PutObject", model),
            Act("s3:GetObject", "arn:aws:s3:::another/a.csv"),
            Act("s3:GetObject", f"{model}.of-another"),
            Act("sqs:SendMessage", arns.queue("Queue")),
            Act("sqs:ReceiveMessage", arns.queue("DeadLetterQueue")),
            Act("sqs:DeleteMessage", arns.queue("DeadLetterQueue")),
            Act("sqs:ReceiveMessage", arns.queue("UndispatchedQueue")),
            Act("ecs:RunTask", arns.task_definition, cluster),
            Act("iam:PassRole", arns.role("TaskRole"), TO_ECS),
            Act("ecr:GetAuthorizationToken", "*"),
        ),
        "ExecutionRole": (
            *nobodys,
            *(Act("s3:GetObject", one) for one in objects),
            *(Act("sqs:ReceiveMessage", one) for one in queues),
            Act("ecr:PutImage", repository(arns)),
            Act("ecr:BatchDeleteImage", repository(arns)),
            Act("ecr:BatchGetImage", arns.arn("ecr", "repository/another")),
            Act("logs:PutLogEvents", arns.log_stream("DispatcherLogGroup")),
            Act("ecs:RunTask", arns.task_definition, cluster),
        ),
    }


BUCKET_ACTS = (
    "DeleteBucket",
    "PutBucketPolicy",
    "PutLifecycleConfiguration",
    "PutBucketVersioning",
)


def repository(arns: Arns) -> str:
    """The repository that the image is pulled from."""
    return arns.arn("ecr", f"repository/{arns.names['Repository']}")
