"""The small Fargate: runs every task of a cluster as a real worker process.

The emulator registers the tasks that RunTask starts, and runs nothing. This agent runs one
`python -m worker` for each task, with the container's environment and the task role's credentials.
When the process exits, the agent does what ECS does: it stops the task and sends the dispatcher the
event. EventBridge accepts `aws.ecs` events from ECS alone, so the agent invokes the function
itself, as the rule would.

One difference from AWS remains: StopTask always records exit code 0; only the event has the real
exit code.
"""

import asyncio
import json
import logging
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tidegate.localcloud.cloud import CHECKOUT, Cloud, Credentials
from tidegate.localcloud.ecs_task import Container, exit_code, state_change_event
from tidegate.localcloud.processes import running
from tidegate.localcloud.stack import Stack

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import TaskTypeDef
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sts import STSClient

POLL_SECONDS = 0.2
RETRY_SECONDS = 1.0
NOT_RUN = 1  # the exit code of a task whose process could not be started
AWS_ERRORS = (BotoCoreError, ClientError)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class WorkerTask:
    """One task, and the process that stands for its container."""

    arn: str
    log: Path
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    pid: int | None = None
    exit_code: int | None = None
    exited: float | None = None  # on the monotonic clock
    over: bool = False  # the process has exited, and ECS and the dispatcher have its exit code


class Fargate:
    """Runs the tasks of one cluster, and remembers those that are over."""

    def __init__(self, cloud: Cloud, stack: Stack, image_environment: Mapping[str, str]) -> None:
        self._image_environment = image_environment
        self.tasks: dict[str, WorkerTask] = {}
        self._changed = asyncio.Condition()
        self._cloud = cloud
        self._stack = stack
        self._ecs: ECSClient = cloud.client("ecs")
        self._functions: LambdaClient = cloud.client("lambda")
        self._sts: STSClient = cloud.client("sts")

    @property
    def live(self) -> list[WorkerTask]:
        """Return the tasks that are not over."""
        return [task for task in self.tasks.values() if not task.over]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition on the tasks is true."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def serve(self) -> None:
        """Poll the cluster until cancelled: run new tasks, and end those that are to stop."""
        async with asyncio.TaskGroup() as group:
            while True:
                running_arns = await self._running_arns()
                for arn in running_arns - self.tasks.keys():
                    log = self._cloud.folder / f"worker-{arn.rpartition('/')[2]}.log"
                    self.tasks[arn] = WorkerTask(arn, log)
                    group.create_task(self._run(self.tasks[arn]))
                    await self._notify()
                for task in self.live:
                    if task.arn not in running_arns:
                        task.stop.set()
                await asyncio.sleep(POLL_SECONDS)

    async def _running_arns(self) -> set[str]:
        """List the running tasks; while the list fails, as during an update, nothing changes."""
        while True:
            try:
                return await asyncio.to_thread(self._list_running)
            except AWS_ERRORS as error:
                log.warning("tasks not listed: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _run(self, task: WorkerTask) -> None:
        """Run one task; one that cannot be run is over, and the others go on."""
        try:
            await self._run_process(task)
        except (*AWS_ERRORS, OSError) as error:
            log.warning("task %s not run: %s", task.arn.rpartition("/")[2], error)
            task.exit_code = NOT_RUN if task.exit_code is None else task.exit_code
        task.over = True
        await self._notify()

    async def _run_process(self, task: WorkerTask) -> None:
        """Run one task's process, and report its end to ECS and the dispatcher."""
        container = await asyncio.to_thread(self._container, task.arn)
        credentials = await asyncio.to_thread(self._assume, container.role)
        async with running(
            *(sys.executable, "-m", "worker"),
            environment={
                **self._image_environment,
                **container.environment,
                **self._cloud.environment(credentials),
            },
            folder=CHECKOUT,
            log=task.log,
        ) as process:
            task.pid = process.pid
            status = await _until_exit(process, task.stop, container.stop_seconds)
        task.exited, task.exit_code = time.monotonic(), exit_code(status)
        await asyncio.to_thread(self._report, task, task.exit_code)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _list_running(self) -> set[str]:
        pages = self._ecs.get_paginator("list_tasks").paginate(
            cluster=self._stack.cluster, desiredStatus="RUNNING"
        )
        return {arn for page in pages for arn in page["taskArns"]}

    def _describe(self, arn: str) -> "TaskTypeDef":
        (task,) = self._ecs.describe_tasks(cluster=self._stack.cluster, tasks=[arn])["tasks"]
        return task

    def _container(self, arn: str) -> Container:
        task = self._describe(arn)
        definition = self._ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])
        return Container.of(task, definition["taskDefinition"])

    def _assume(self, role: str) -> Credentials:
        issued = self._sts.assume_role(RoleArn=role, RoleSessionName="local-fargate")["Credentials"]
        return Credentials(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])

    def _report(self, task: WorkerTask, code: int) -> None:
        """Stop the task in ECS, and send the dispatcher its state change event."""
        stop_code = "UserInitiated" if task.stop.is_set() else "EssentialContainerExited"
        self._ecs.stop_task(
            cluster=self._stack.cluster,
            task=task.arn,
            reason=f"Essential container in task exited (exit code {code})",
        )
        event = state_change_event(self._describe(task.arn), exit_code=code, stop_code=stop_code)
        self._functions.invoke(
            FunctionName=self._stack.dispatcher_function,
            InvocationType="Event",
            Payload=json.dumps(event, default=str).encode(),
        )


async def _until_exit(process: Process, stop: asyncio.Event, stop_seconds: float) -> int:
    """Wait for the exit; once `stop` is set, send SIGTERM, and SIGKILL after the stop timeout."""
    exited = asyncio.ensure_future(process.wait())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({exited, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if process.returncode is None:
            process.terminate()
            await asyncio.wait({exited}, timeout=stop_seconds)
        if process.returncode is None:
            process.kill()
        return await exited
    finally:
        exited.cancel()
        stopping.cancel()


@asynccontextmanager
async def fargate(
    cloud: Cloud, stack: Stack, image_environment: Mapping[str, str]
) -> AsyncIterator[Fargate]:
    """Run the cluster's tasks for the length of the block; no process outlives the block."""
    agent = Fargate(cloud, stack, image_environment)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(agent.serve())
        try:
            yield agent
        finally:
            serving.cancel()
