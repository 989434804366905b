"""The small Fargate: runs every task of every cluster as a real worker process.

The emulator registers the tasks that RunTask starts, and runs nothing. This agent runs one
`python -m worker` for each task, with the settings of its image and container and the task role's
credentials. When the process exits, the agent reports that to ECS, as the agent on AWS does.
"""

import asyncio
import json
import logging
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tidegate.localcloud.cloud import CHECKOUT, Cloud, Credentials
from tidegate.localcloud.ecs_task import Container, exit_code
from tidegate.localcloud.images import Image, pull
from tidegate.localcloud.processes import running
from tidegate.localcloud.task_metadata import TaskMetadata, task_metadata

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import ContainerStateChangeTypeDef
    from mypy_boto3_sts import STSClient

POLL_SECONDS = 0.2
RETRY_SECONDS = 1.0
AWS_ERRORS = (BotoCoreError, ClientError)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class WorkerTask:
    """One task, and the process that stands for its container."""

    arn: str
    log: Path
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    container: str = ""
    pid: int | None = None
    exit_code: int | None = None
    exited: float | None = None  # on the monotonic clock
    failure: str = ""  # why the task has failed, for people
    over: bool = False  # the process has exited, and ECS knows its exit code

    @property
    def cluster(self) -> str:
        """Return the name of its cluster, which is that of its stack."""
        return self.arn.split("/")[1]

    @property
    def id(self) -> str:
        """Return the last part of the ARN."""
        return self.arn.rpartition("/")[2]


class Fargate:
    """Runs the tasks of all clusters, and remembers those that are over."""

    def __init__(self, cloud: Cloud, metadata: TaskMetadata) -> None:
        self._metadata = metadata
        self.tasks: dict[str, WorkerTask] = {}
        self._changed = asyncio.Condition()
        self._cloud = cloud
        self._ecs: ECSClient = cloud.client("ecs")
        self._sts: STSClient = cloud.client("sts")

    @property
    def failures(self) -> list[str]:
        """Describe each task that has failed, in a line."""
        return [
            f"task {task.id[:8]} of {task.cluster}: {task.failure}"
            for task in list(self.tasks.values())
            if task.failure
        ]

    @property
    def live(self) -> list[WorkerTask]:
        """Return the tasks that are not over."""
        return [task for task in list(self.tasks.values()) if not task.over]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition on the tasks is true."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def serve(self) -> None:
        """Poll the clusters until cancelled: run new tasks, and end those that are to stop."""
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
        """Run one task and report its end; whatever fails here ends neither agent nor others."""
        try:
            await self._run_process(task)
        except Exception as error:  # noqa: BLE001 - as the docstring says
            task.failure = f"not started: {str(error) or type(error).__name__}"
            reason = str(error)
        else:
            reason = ""
            if task.exit_code and not task.stop.is_set():
                task.failure = f"exit code {task.exit_code}: {last_line(task.log)}"
        try:
            await asyncio.to_thread(self._report, task, reason)
        except AWS_ERRORS as error:
            log.warning("the end of task %s not reported: %s", task.id, error)
        task.over = True
        await self._notify()

    async def _run_process(self, task: WorkerTask) -> None:
        """Run one task's process to its end; raises if it cannot be started."""
        await asyncio.to_thread(self._take, task)
        container = await asyncio.to_thread(self._container, task.arn)
        image = await asyncio.to_thread(self._pull, container)
        credentials = await asyncio.to_thread(self._assume, container.role)
        async with running(
            *(image.python, "-m", "worker"),
            environment={
                **image.environment,
                **container.environment,
                **self._cloud.environment(credentials),
            },
            folder=CHECKOUT,
            log=task.log,
        ) as process:
            task.container, task.pid = container.name, process.pid
            status = await _until_exit(process, task.stop, container.stop_seconds)
        task.exited, task.exit_code = time.monotonic(), exit_code(status)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _list_running(self) -> set[str]:
        clusters = self._ecs.get_paginator("list_clusters").paginate()
        tasks = self._ecs.get_paginator("list_tasks")
        return {
            arn
            for found in clusters
            for cluster in found["clusterArns"]
            for page in tasks.paginate(cluster=cluster, desiredStatus="RUNNING")
            for arn in page["taskArns"]
        }

    def _container(self, arn: str) -> Container:
        (task,) = self._ecs.describe_tasks(cluster=arn.split("/")[1], tasks=[arn])["tasks"]
        definition = self._ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])
        address = self._metadata.add(arn.rpartition("/")[2], definition["taskDefinition"])
        return Container.of(task, definition["taskDefinition"], address)

    def _pull(self, container: Container) -> Image:
        """Read what the image brings, with the rights of the execution role."""
        credentials = self._assume(container.execution_role)
        return pull(self._cloud.client("ecr", credentials), container.image)

    def _assume(self, role: str) -> Credentials:
        issued = self._sts.assume_role(RoleArn=role, RoleSessionName="local-fargate")["Credentials"]
        return Credentials(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])

    def _take(self, task: WorkerTask) -> None:
        """Tell ECS that the task is in hand: from now on its end is reported."""
        self._ecs.submit_task_state_change(cluster=task.cluster, task=task.arn, status="RUNNING")

    def _report(self, task: WorkerTask, reason: str) -> None:
        """Report the end to ECS, which keeps the exit code and sends the state change event."""
        exits: list[ContainerStateChangeTypeDef] = []
        if task.exit_code is not None:
            exits = [{"containerName": task.container, "exitCode": task.exit_code}]
        self._ecs.submit_task_state_change(
            cluster=task.cluster, task=task.arn, status="STOPPED", reason=reason, containers=exits
        )


def last_line(path: Path) -> str:
    """Return what a worker's log says last: the event and error of a JSON line, or any line."""
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    line = next((line for line in reversed(lines) if line.strip()), "its log is empty")
    try:
        entry = json.loads(line)
        return ": ".join(str(entry[name]) for name in ("event", "error") if name in entry)
    except (ValueError, TypeError):
        return line.strip()


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
async def fargate(cloud: Cloud) -> AsyncIterator[Fargate]:
    """Run the cloud's tasks for the length of the block; no process outlives the block."""
    with task_metadata() as metadata:
        agent = Fargate(cloud, metadata)
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(agent.serve())
            try:
                yield agent
            finally:
                serving.cancel()
