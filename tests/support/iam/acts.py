"""The requests that each role must be allowed to make, and some that it must not.

AWS's service authorization reference names the resource and the context of each request. A request
that a role needs has the reason why it is made.
"""

from collections.abc import Mapping

from tests.support.iam.policy import Act
from tests.support.iam.roles import Arns

TO_ECS = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
AT_START = {"ecs:CreateAction": "RunTask"}
TO_LAMBDA = {"iam:PassedToService": "lambda.amazonaws.com"}


def needed(arns: Arns, model: str) -> Mapping[str, Mapping[Act, str]]:
    """Return, by role, each request that the role's work needs, with its reason."""
    cluster = {"ecs:cluster": arns.cluster}
    return {
        "DispatcherRole": {
            Act("sqs:SendMessage", arns.queue("Queue")): "send a message for each file",
            Act(
                "sqs:GetQueueAttributes", arns.queue("Queue")
            ): "count messages to find how many tasks are needed",
            Act("sqs:ListQueueTags", arns.queue("Queue")): "see whether the stack is paused",
            Act("sqs:SendMessage", arns.queue("UndispatchedQueue")): "keep events that failed",
            Act("sqs:ReceiveMessage", arns.queue("UndispatchedQueue")): "replay events that failed",
            Act(
                "sqs:DeleteMessage", arns.queue("UndispatchedQueue")
            ): "delete events that were replayed",
            Act(
                "sqs:GetQueueAttributes", arns.queue("UndispatchedQueue")
            ): "let Lambda scale their replay",
            Act("ecs:ListTasks", "*", cluster): "list running and stopped tasks",
            Act("ecs:DescribeTasks", arns.task, cluster): "learn how the last task ended",
            Act("ecs:RunTask", arns.task_definition, cluster): "start a worker",
            Act("ecs:TagResource", arns.task, AT_START): "give a worker the stack's tags",
            Act("iam:PassRole", arns.role("TaskRole"), TO_ECS): "give the worker the task role",
            Act("iam:PassRole", arns.role("ExecutionRole"), TO_ECS): "give ECS the execution role",
            Act("logs:CreateLogStream", arns.log_stream("DispatcherLogGroup")): "open a log",
            Act("logs:PutLogEvents", arns.log_stream("DispatcherLogGroup")): "write log lines",
        },
        "TaskRole": {
            Act("sqs:GetQueueUrl", arns.queue("Queue")): "find the queue by name",
            Act(
                "sqs:GetQueueAttributes", arns.queue("Queue")
            ): "read visibility timeout and redrive policy",
            Act("sqs:ReceiveMessage", arns.queue("Queue")): "receive jobs",
            Act("sqs:ChangeMessageVisibility", arns.queue("Queue")): "heartbeats, backoff, release",
            Act("sqs:DeleteMessage", arns.queue("Queue")): "delete finished jobs",
            Act(
                "sqs:GetQueueUrl", arns.queue("DeadLetterQueue")
            ): "find the queue of the redrive policy's ARN",
            Act(
                "sqs:GetQueueAttributes", arns.queue("DeadLetterQueue")
            ): "read how large a dead letter may be",
            Act(
                "sqs:SendMessage", arns.queue("DeadLetterQueue")
            ): "send dead letters with a reason",
            Act(
                "s3:GetObject", arns.bucket("StackInputBucket", "a.csv")
            ): "read inputs of messages without a version",
            Act(
                "s3:GetObjectVersion", arns.bucket("StackInputBucket", "a.csv")
            ): "read the version that the message names",
            Act("s3:ListBucket", arns.bucket("StackInputBucket")): "get a 404 for a missing input",
            Act(
                "s3:PutObject", arns.bucket("StackOutputBucket", "p/a.csv")
            ): "write outputs and failure reports",
            Act(
                "s3:GetObject", arns.bucket("StackOutputBucket", "p/a.csv")
            ): "read the metadata of an existing output",
            Act(
                "s3:AbortMultipartUpload", arns.bucket("StackOutputBucket", "p/a.csv")
            ): "abort uploads",
            Act(
                "s3:ListBucket", arns.bucket("StackOutputBucket")
            ): "get a 404 for a missing output",
            Act("s3:GetObject", model): "read the model",
            Act("s3:GetObjectVersion", model): "read the version that WORKER_MODEL names",
        },
        "ExecutionRole": {
            Act("ecr:GetAuthorizationToken", "*"): "log in to the registry",
            Act("ecr:BatchCheckLayerAvailability", repository(arns)): "find the image's layers",
            Act("ecr:BatchGetImage", repository(arns)): "read the image's manifest",
            Act("ecr:GetDownloadUrlForLayer", repository(arns)): "download the image's layers",
            Act("logs:CreateLogStream", arns.log_stream("WorkerLogGroup")): "open the worker's log",
            Act("logs:PutLogEvents", arns.log_stream("WorkerLogGroup")): "write log lines",
        },
    }


def forbidden(arns: Arns, model: str) -> Mapping[str, tuple[Act, ...]]:
    """Return, by role, requests that an attacker with the role's credentials would try."""
    cluster = {"ecs:cluster": arns.cluster}
    elsewhere = {"ecs:cluster": arns.arn("ecs", "cluster/another")}
    objects = [
        arns.bucket("StackInputBucket", "a.csv"),
        arns.bucket("StackOutputBucket", "p/a.csv"),
        model,
    ]
    queues_of_jobs = [arns.queue(one) for one in ("Queue", "DeadLetterQueue")]
    queues = [*queues_of_jobs, arns.queue("UndispatchedQueue")]
    for_no_role = (
        *(Act(f"s3:Delete{what}", one) for one in objects for what in ("Object", "ObjectVersion")),
        *(Act(f"sqs:{what}Queue", one) for one in queues for what in ("Purge", "Delete")),
        *(Act("sqs:SetQueueAttributes", one) for one in queues),
        *(Act(f"s3:{what}", arns.bucket("StackOutputBucket")) for what in BUCKET_ACTS),
        Act("iam:PutRolePolicy", arns.role("TaskRole")),
        Act("iam:PassRole", arns.role("TaskRole"), TO_LAMBDA),
        Act("iam:PassRole", f"arn:aws:iam::{arns.account}:role/admin", TO_ECS),
        Act("sts:AssumeRole", f"arn:aws:iam::{arns.account}:role/admin"),
        Act("lambda:UpdateFunctionCode", arns.arn("lambda", "function:tidegate-dispatcher")),
        Act("ecs:RegisterTaskDefinition", "*"),
        Act("ecs:RunTask", arns.arn("ecs", "task-definition/another:1"), cluster),
        Act("ecs:RunTask", arns.task_definition, elsewhere),
        Act("ecs:StopTask", arns.task, cluster),
        Act("ecs:TagResource", arns.task),
        Act("ecs:TagResource", arns.arn("ecs", "task/another/1"), AT_START),
        Act("logs:DeleteLogGroup", arns.log_stream("WorkerLogGroup")),
    )
    return {
        "DispatcherRole": (
            *for_no_role,
            *(Act("s3:GetObject", one) for one in objects),
            *(Act("s3:PutObject", one) for one in objects),
            *(Act("sqs:ReceiveMessage", one) for one in queues_of_jobs),
            *(Act("sqs:DeleteMessage", one) for one in queues_of_jobs),
            Act("sqs:SendMessage", arns.queue("DeadLetterQueue")),
            Act("ecs:ListTasks", "*", elsewhere),
            Act("ecs:DescribeTasks", arns.arn("ecs", "task/another/1"), elsewhere),
            Act("iam:PassRole", arns.role("DispatcherRole"), TO_ECS),
            Act("logs:PutLogEvents", arns.log_stream("WorkerLogGroup")),
        ),
        "TaskRole": (
            *for_no_role,
            Act("s3:PutObject", arns.bucket("StackInputBucket", "a.csv")),
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
            *for_no_role,
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
    """Return the ARN of the repository that the image is pulled from."""
    return arns.arn("ecr", f"repository/{arns.names['Repository']}")
