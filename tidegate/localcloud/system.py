"""The whole system on this machine: local cloud, trained model, deployed stack, local Fargate."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tidegate.cli.screen import Screen
from tidegate.localcloud.cloud import CHECKOUT, Cloud, bare_environment, local_cloud
from tidegate.localcloud.fargate import Fargate, fargate
from tidegate.localcloud.processes import run
from tidegate.localcloud.stack import Stack, deploy


@dataclass(frozen=True, slots=True)
class System:
    """What runs, for as long as the block that brought it up."""

    cloud: Cloud
    stack: Stack
    agent: Fargate
    example: Path  # the folder with model.pkl and the iris files


@asynccontextmanager
async def local_system(screen: Screen, parameters: Mapping[str, str]) -> AsyncIterator[System]:
    """Bring everything up with these parameters of the template, and down in reverse order."""
    async with AsyncExitStack() as blocks:
        with screen.step("local cloud up: MiniStack, IAM enforced"):
            cloud = await blocks.enter_async_context(local_cloud())
        with screen.step("model trained: is this iris a virginica?"):
            example = await train(cloud.folder)
        with screen.step("stack deployed: infra/cloudformation.yaml, by the AWS CLI"):
            stack = await deploy(cloud, example / "model.pkl", parameters)
        screen.note("roles translated for the emulator: see tidegate/localcloud/iam_translation.py")
        agent = await blocks.enter_async_context(fargate(cloud, stack))
        yield System(cloud, stack, agent, example)


async def train(folder: Path) -> Path:
    """Train the iris model as its README says, into a folder below the one given."""
    example = folder / "iris"
    await run(
        *(sys.executable, CHECKOUT / "examples" / "iris" / "train.py", example),
        environment=bare_environment(folder),
        folder=CHECKOUT,
        log=folder / "train.log",
    )
    return example
