"""The demo: a dozen files through the whole system, each prediction checked, nothing left running.

Buckets, queues, roles, function and tasks are those of the template; the cloud under them is local.
"""

import asyncio
import shutil
import time
from pathlib import Path

from tidegate.cli.demo.checks import DemoFailed
from tidegate.cli.demo.story import Story
from tidegate.cli.demo.traffic import PREFIX
from tidegate.cli.screen import Screen
from tidegate.localcloud.fargate import Fargate
from tidegate.localcloud.processes import tail
from tidegate.localcloud.system import local_system

DEADLINE_SECONDS = 120
PARAMETERS = {
    "IdleSeconds": "5",  # short, so that leaving is seen
    "MaxTasks": "2",
    "MessagesPerTask": "100",
    "OutputKey": PREFIX,
    "VisibilitySeconds": "60",
}


async def demo(folder: Path) -> None:
    """Run the demo and keep outputs and logs in the folder, which is replaced.

    Raises DemoFailed when anything differs from what it should be, or takes too long.
    """
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    screen = Screen()
    screen.title()
    async with local_system(screen, PARAMETERS) as system:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await Story(system, screen, folder).tell()
        except TimeoutError:
            what = f"not finished after {DEADLINE_SECONDS} s: {screen.under_way}"
            raise DemoFailed(f"{what}\n{_last_words(system.agent)}") from None
        except DemoFailed as failure:
            raise DemoFailed(f"{failure}\n{_last_words(system.agent)}") from None
        finally:
            _keep_logs(system.cloud.folder, folder / "logs")
    screen.end(time.monotonic() - began, folder)


def _last_words(agent: Fargate) -> str:
    if not agent.tasks:
        return "no worker was started"
    return "\n".join(f"the worker's log ends:\n{tail(task.log)}" for task in agent.tasks.values())


def _keep_logs(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for log in source.glob("*.log"):
        shutil.copy(log, target)
