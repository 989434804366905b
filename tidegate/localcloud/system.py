"""The whole system on this machine: local cloud, trained model, deployed stack, small Fargate."""

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tidegate.localcloud.cloud import CHECKOUT, Cloud, bare_environment, local_cloud
from tidegate.localcloud.fargate import Fargate, fargate
from tidegate.localcloud.images import Image
from tidegate.localcloud.processes import run
from tidegate.localcloud.stack import Stack, deploy
from tidegate.localcloud.task_logs import task_logs

# Called with a step's name; the step runs inside the context.
ShowStep = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class System:
    """The parts of the running system; they stop at the end of `local_system`'s block."""

    cloud: Cloud
    stack: Stack
    agent: Fargate
    model: Path  # the example's lies beside the iris files


@asynccontextmanager
async def local_system(
    parameters: Mapping[str, str],
    show_step: ShowStep = nullcontext,
    *,
    model: Path | None = None,
    image: Image | None = None,
) -> AsyncIterator[System]:
    """Start all parts, with these parameters of the template; stop them in reverse order.

    Without a model, the example's is trained; without an image, the worker is this checkout's.
    """
    async with AsyncExitStack() as blocks:
        with show_step("local cloud up: MiniStack, IAM enforced"):
            cloud = await blocks.enter_async_context(local_cloud())
        if model is None:
            with show_step("model trained: is this iris a virginica?"):
                model = await train(cloud.folder) / "model.pkl"
        with show_step("stack deployed: infra/cloudformation.yaml, by the AWS CLI"):
            stack = await deploy(cloud, model, parameters, image or Image())
        agent = await blocks.enter_async_context(fargate(cloud))
        await blocks.enter_async_context(task_logs(cloud, agent))
        yield System(cloud, stack, agent, model)


async def train(folder: Path) -> Path:
    """Train the iris model into a new folder below the one given, and return the new folder."""
    example = folder / "iris"
    await run(
        *(sys.executable, CHECKOUT / "examples" / "iris" / "train.py", example),
        environment=bare_environment(folder),
        folder=CHECKOUT,
        log=folder / "train.log",
    )
    return example
