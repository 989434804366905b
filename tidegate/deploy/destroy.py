"""Takes a stack down: the dispatcher first, then the workers, then the stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from tidegate.aws import input_bucket
from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError, found
from tidegate.aws.stack import DeployedStack
from tidegate.deploy.artifacts import NOT_THERE, default_name, name_known_to
from tidegate.deploy.cloudformation.deletion import EMPTY, delete_stack
from tidegate.deploy.cloudformation.events import Pause
from tidegate.deploy.cloudformation.states import States
from tidegate.deploy.screen import Screen
from worker.advice.answers import ACCESS_DENIED
from worker.aws.errors import error_code

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_s3 import S3Client

PAUSE_SECONDS = 3
TASKS_PER_CALL = 100


@dataclass(frozen=True, slots=True)
class Destruction:
    """Deletes a stack; what a run before has deleted already is no error."""

    account: Account
    screen: Screen
    pause: Pause
    retain_failed: bool = False

    def destroy(self, name: str) -> None:
        """Delete the stack of that name, and say what stays."""
        stack = States(self.account, self.screen, self.pause).at_rest(name)
        if stack is None:
            where = f"in {self.account.region} of the account {self.account.id}"
            self.screen.say(f"there is no stack {name} {where}: nothing to delete")
            self._say_what_stays(name, {}, default_name(self.account, name))
            return
        _require_unprotected(stack)
        artifacts = None
        if stack.status != EMPTY:
            artifacts = name_known_to(self.account, stack.id)
            self.screen.ask(
                f"Delete the stack {name}? Its buckets, with all files, stay.", "nothing was done"
            )
            self._stop_dispatcher(name)
            self._stop_workers(name)
            if undone := input_bucket.undo(self.account, stack):
                self.screen.say(undone)
        delete_stack(
            self.account,
            stack,
            screen=self.screen,
            pause=self.pause,
            retain_failed=self.retain_failed,
        )
        self.screen.say(
            "gone: images, logs and queues; a file that waited in a queue is still among the files"
        )
        self._say_what_stays(name, stack.outputs, artifacts or default_name(self.account, name))

    def _stop_dispatcher(self, name: str) -> None:
        """Stop the dispatcher first, as nothing else starts workers."""
        client = self.account.client("lambda")
        found(
            lambda: client.put_function_concurrency(
                FunctionName=f"{name}-dispatcher", ReservedConcurrentExecutions=0
            ),
            "ResourceNotFoundException",
        )

    def _stop_workers(self, name: str) -> None:
        """Stop the workers, which release their messages, and wait until they have ended."""
        client: ECSClient = self.account.client("ecs")
        while tasks := self._tasks(client, name, "RUNNING"):
            for task in tasks:
                found(
                    lambda task=task: client.stop_task(cluster=name, task=task),  # type: ignore[misc]
                    "InvalidParameterException",  # it has ended
                )
            self.pause(PAUSE_SECONDS)
        stopping = self._tasks(client, name, "STOPPED")
        while stopping:
            described = [
                task
                for first in range(0, len(stopping), TASKS_PER_CALL)
                for task in client.describe_tasks(
                    cluster=name, tasks=stopping[first : first + TASKS_PER_CALL]
                )["tasks"]
            ]
            stopping = [one["taskArn"] for one in described if one["lastStatus"] != "STOPPED"]
            if stopping:
                self.screen.show_wait(f"{len(stopping)} workers are stopping")
                self.pause(PAUSE_SECONDS)
        self.screen.show_wait("")

    def _tasks(self, client: "ECSClient", cluster: str, status: str) -> list[str]:
        try:
            pages = client.get_paginator("list_tasks").paginate(
                cluster=cluster,
                desiredStatus=status,  # type: ignore[arg-type]  # one of ECS's words
            )
            return [arn for page in pages for arn in page["taskArns"]]
        except ClientError as error:
            if error_code(error) == "ClusterNotFoundException":
                return []
            raise

    def _say_what_stays(self, name: str, outputs: Mapping[str, str], artifacts: str) -> None:
        where = f"{self.account.id}-{self.account.region}"
        held = {
            outputs.get("InputBucket", f"{name}-input-{where}"): "the files",
            outputs.get("OutputBucket", f"{name}-output-{where}"): (
                "the predictions and failure reports"
            ),
            artifacts: "the models and the dispatcher's code",
        }
        kept = [bucket for bucket in held if self._is_there(bucket)]
        for bucket in kept:
            self.screen.say(f"kept: s3://{bucket}, {held[bucket]}")
        if kept:
            self.screen.say("A stack may have this name again once the buckets are removed.")

    def _is_there(self, bucket: str) -> bool:
        client: S3Client = self.account.client("s3")
        try:
            return found(lambda: client.head_bucket(Bucket=bucket), *NOT_THERE) is not None
        except ClientError as error:
            if error_code(error) in ACCESS_DENIED:
                return True  # S3 denies what is there: the bucket of another account, say
            raise


def _require_unprotected(stack: DeployedStack) -> None:
    if stack.protected:
        raise AwsError(
            f"the stack {stack.name} is protected from deletion, and nothing was done:"
            f" `aws cloudformation update-termination-protection --stack-name {stack.name}"
            " --no-enable-termination-protection` lifts the protection"
        )
