"""A stack goes up, is changed under load and goes down, by the commands in docs/deploy.md."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.iam.user import user
from tests.support.terminal import Terminal
from tests.support.waiting import eventually
from tidegate.localcloud.fargate import WorkerTask
from tidegate.localcloud.stack import Stack, read_stack
from tidegate.localcloud.stack_client import StackClient, output_key
from tidegate.localcloud.system import System

STACK = "gauge"
PARAMETERS = {"IdleSeconds": 3, "MaxTasks": 2, "MessagesPerTask": 100}
BEFORE = [f"before/{number}.csv" for number in range(24)]
PREFACE = (
    "What `make rehearsal` printed: a stack goes up, is changed under load and goes down again.",
    "The cloud is a local one, and so is docker, which tells ECR what it would have pushed.",
)
TIMES_IRIS = 3000  # so that a job takes longer than its dispatch
FEW = 8  # the next file is uploaded when fewer messages wait


@pytest.fixture
def terminal(tmp_path: Path, system: System, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A terminal in a checkout with a model, whose user has a deployer's policies alone.

    `--transcript` names a file for what it printed.
    """
    with user(system.cloud, STACK) as deployer:
        typed = Terminal.at(tmp_path, system.cloud, deployer)
        shutil.copy(system.model, typed.folder)
        yield typed
    if path := request.config.getoption("--transcript"):
        Path(path).write_text(typed.told)


async def test_a_stack_goes_up_is_changed_under_load_without_a_loss_and_goes_down(
    system: System, terminal: Terminal
) -> None:
    for line in PREFACE:
        terminal.note(line)
    options = " ".join(f"--parameter {name}={value}" for name, value in PARAMETERS.items())
    said = await terminal.succeed(f"tidegate deploy {STACK} --model model.pkl {options}")
    assert "the first file is predicted" in said
    stack = await read_stack(system.cloud, STACK)
    code = deployed_code(system, stack)
    traffic = StackClient(system.cloud, stack)
    content = many_flowers(system.model.with_name("iris.csv"))

    keys = await change_under_load(system, stack, terminal, content)

    written = await traffic.outputs()
    assert set(written) == {output_key(key) for key in keys}
    assert set(written.values()) == {1}
    assert await traffic.dead_letters() == []
    assert await traffic.waiting() == 0
    assert deployed_code(system, stack) != code
    assert newest_revision(system) == "2"

    terminal.note("one file more: its worker has just been started")
    await traffic.upload("last.csv", content)
    said = await terminal.succeed(f"tidegate destroy {STACK} --yes")

    assert what_is_left(system) == {
        f"{STACK}-{what}-000000000000-us-east-1" for what in ("input", "output", "deploy")
    }
    assert [bucket for bucket in what_is_left(system) if f"kept: s3://{bucket}," not in said] == []
    terminal.note("it can be repeated")
    again = await terminal.succeed(f"tidegate destroy {STACK} --yes")
    assert "nothing to delete" in again
    # The other stack in the account is not changed.
    assert deployed_code(system, system.stack)


async def change_under_load(
    system: System, stack: Stack, terminal: Terminal, content: bytes
) -> list[str]:
    """Change worker, dispatcher and a parameter while files arrive, and wait for all of them."""
    traffic = StackClient(system.cloud, stack)
    terminal.note(f"{len(BEFORE)} files are uploaded, then one whenever fewer than {FEW} wait")
    for key in BEFORE:
        await traffic.upload(key, content)
    async with uploading(traffic, content) as during:
        await asyncio.to_thread(eventually, lambda: workers(system))
        change_the_code(terminal.folder)
        terminal.note("the code of worker and dispatcher is changed")
        refused = await terminal.run(f"tidegate deploy {STACK} --parameter MessagePerTask=20")
        assert (refused.status, "MessagesPerTask" in refused.printed) == (2, True)
        assert await traffic.waiting() > 0
        changes = "--parameter MessagesPerTask=20 --set MAX_REJECTED=0.05 --review --yes --no-smoke"
        said = await terminal.succeed(f"tidegate deploy {STACK} {changes}")
        assert said.index("docker push") < said.index("execute-change-set")
        terminal.note(f"{await traffic.waiting()} messages are waiting or in hand")
    keys = [*BEFORE, *during]
    await all_predicted(traffic, keys)
    terminal.note(f"{len(keys)} files were uploaded, and these are the outputs:")
    await terminal.run(f"aws s3 ls --recursive s3://{stack.output_bucket}/ | wc -l")
    await asyncio.to_thread(eventually, lambda: not workers(system))
    return keys


def workers(system: System) -> list[WorkerTask]:
    """Return the stack's workers that are not over."""
    return [task for task in system.agent.live if task.cluster == STACK]


@asynccontextmanager
async def uploading(traffic: StackClient, content: bytes) -> AsyncIterator[list[str]]:
    """Upload files as fast as the workers predict them, until the block ends."""
    keys: list[str] = []
    over = asyncio.Event()

    async def upload() -> None:
        while not over.is_set():
            if await traffic.waiting() < FEW:
                keys.append(f"during/{len(keys)}.csv")
                await traffic.upload(keys[-1], content)
            await asyncio.sleep(0.2)

    async with asyncio.TaskGroup() as group:
        group.create_task(upload())
        yield keys
        over.set()


async def all_predicted(traffic: StackClient, keys: list[str]) -> None:
    missing = {output_key(key) for key in keys}
    while missing:
        await asyncio.sleep(0.2)
        missing -= (await traffic.outputs()).keys()


def many_flowers(iris: Path) -> bytes:
    head, *flowers = iris.read_bytes().splitlines(keepends=True)
    return head + b"".join(flowers) * TIMES_IRIS


def change_the_code(checkout: Path) -> None:
    for name in ("dispatcher/handler.py", "worker/lifecycle/stop.py"):
        module = checkout / name
        module.write_text(module.read_text() + "\n# The same, in a later version.\n")


def deployed_code(system: System, stack: Stack) -> str:
    functions = system.cloud.client("lambda")
    function = functions.get_function_configuration(FunctionName=stack.dispatcher_function)
    return str(function["CodeSha256"])


def newest_revision(system: System) -> str:
    listed = system.cloud.client("ecs").list_task_definitions(familyPrefix=f"{STACK}-worker")
    return str(max(listed["taskDefinitionArns"])).rpartition(":")[2]


def what_is_left(system: System) -> set[str]:
    """List every resource that has the stack's name in its own."""
    client = system.cloud.client
    names = [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]]
    names += [one["FunctionName"] for one in client("lambda").list_functions()["Functions"]]
    names += [arn.rpartition("/")[2] for arn in client("ecs").list_clusters()["clusterArns"]]
    names += [url.rpartition("/")[2] for url in client("sqs").list_queues().get("QueueUrls", [])]
    names += [role["RoleName"] for role in client("iam").list_roles()["Roles"]]
    names += [group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]]
    names += [
        one["repositoryName"] for one in client("ecr").describe_repositories()["repositories"]
    ]
    names += [
        tag["Value"] for vpc in client("ec2").describe_vpcs()["Vpcs"] for tag in vpc.get("Tags", [])
    ]
    return {name for name in names if STACK in name}
