"""The local Fargate: runs every task of a cluster as a real worker process.

The local cloud registers what RunTask starts and runs nothing. This agent gives each task a
`python -m worker` with the container's environment and the task role's credentials, and when it
exits does what ECS does: the task is stopped and the dispatcher hears of it. EventBridge takes no
`aws.ecs` event from anybody but ECS, so the agent invokes the function as the rule would.

Two things stay unlike AWS: a task that RunTask starts twice under one client token runs twice, and
StopTask records exit code 0 whatever the process said; only the event has the true one.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.localcloud.cloud import CHECKOUT, Cloud, Credentials
from tidegate.localcloud.ecs_task import Container, exit_code, state_change
from tidegate.localcloud.processes import running
from tidegate.localcloud.stack import Stack

if TYPE_CHECKING:
    # Stubs alone: these packages are not there outside development.
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import TaskTypeDef
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sts import STSClient

POLL_SECONDS = 0.2


@dataclass(slots=True)
class WorkerTask:
    """One task and the process that is its container."""

    arn: str
    log: Path
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    pid: int | None = None
    exit_code: int | None = None
    exited: float | None = None  # on the monotonic clock
    over: bool = False  # the process is gone, and ECS and the dispatcher know it


class Fargate:
    """The tasks of one cluster, past and present."""

    def __init__(self, cloud: Cloud, stack: Stack) -> None:
        self.tasks: dict[str, WorkerTask] = {}
        self._changed = asyncio.Condition()
        self._cloud = cloud
        self._stack = stack
        self._ecs: ECSClient = cloud.client("ecs")
        self._functions: LambdaClient = cloud.client("lambda")
        self._sts: STSClient = cloud.client("sts")

    @property
    def live(self) -> list[WorkerTask]:
        """List the tasks that are not over."""
        return [task for task in self.tasks.values() if not task.over]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be true of the tasks."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def serve(self) -> None:
        """Follow the cluster until cancelled: start what is new, stop what is no longer wanted."""
        async with asyncio.TaskGroup() as group:
            while True:
                wanted = await asyncio.to_thread(self._wanted)
                for arn in wanted - self.tasks.keys():
                    log = self._cloud.folder / f"worker-{arn.rpartition('/')[2]}.log"
                    self.tasks[arn] = WorkerTask(arn, log)
                    group.create_task(self._carry(self.tasks[arn]))
                    await self._tell_waiting()
                for task in self.live:
                    if task.arn not in wanted:
                        task.stop.set()
                await asyncio.sleep(POLL_SECONDS)

    async def _carry(self, task: WorkerTask) -> None:
        """Run one task from its start to the news of its end."""
        container = await asyncio.to_thread(self._container, task.arn)
        credentials = await asyncio.to_thread(self._assume, container.role)
        async with running(
            *(sys.executable, "-m", "worker"),
            environment={**container.environment, **self._cloud.environment(credentials)},
            folder=CHECKOUT,
            log=task.log,
        ) as process:
            task.pid = process.pid
            status = await _until_exit(process, task.stop, container.stop_seconds)
        task.exited, task.exit_code = time.monotonic(), exit_code(status)
        await asyncio.to_thread(self._report, task, task.exit_code)
        task.over = True
        await self._tell_waiting()

    async def _tell_waiting(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _wanted(self) -> set[str]:
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
        answer = self._sts.assume_role(RoleArn=role, RoleSessionName="local-fargate")["Credentials"]
        return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])

    def _report(self, task: WorkerTask, code: int) -> None:
        """Tell ECS and the dispatcher that a task is over."""
        stop_code = "UserInitiated" if task.stop.is_set() else "EssentialContainerExited"
        self._ecs.stop_task(
            cluster=self._stack.cluster,
            task=task.arn,
            reason=f"Essential container in task exited (exit code {code})",
        )
        event = state_change(self._describe(task.arn), exit_code=code, stop_code=stop_code)
        self._functions.invoke(
            FunctionName=self._stack.dispatcher_function,
            InvocationType="Event",
            Payload=json.dumps(event, default=str).encode(),
        )


async def _until_exit(process: Process, stop: asyncio.Event, stop_seconds: float) -> int:
    """Wait for the end; when asked to stop, send SIGTERM, and SIGKILL when that takes too long."""
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
async def fargate(cloud: Cloud, stack: Stack) -> AsyncIterator[Fargate]:
    """Run the cluster's tasks for as long as the block; none of their processes outlives it."""
    agent = Fargate(cloud, stack)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(agent.serve())
        try:
            yield agent
        finally:
            serving.cancel()
