"""The command `tidegate demo`: a dozen files through the whole system, each prediction checked.

Buckets, queues, roles, function and tasks are the real template's. The cloud below them is local.
Nothing is left running.
"""

import asyncio
import shutil
import time
from pathlib import Path

from tidegate.cli.demo.checks import DemoFailed
from tidegate.cli.demo.display import DemoDisplay
from tidegate.cli.demo.scenario import Scenario
from tidegate.localcloud.fargate import Fargate
from tidegate.localcloud.processes import tail
from tidegate.localcloud.stack_client import OUTPUT_PREFIX
from tidegate.localcloud.system import local_system

DEADLINE_SECONDS = 600  # only a hang lasts as long: a demo usually takes a quarter of a minute
PARAMETERS = {
    "IdleSeconds": "5",  # short, so that the demo shows the worker's idle exit
    "MaxTasks": "2",
    "MessagesPerTask": "100",
    "OutputKey": OUTPUT_PREFIX,
    "VisibilitySeconds": "60",
}


async def demo(folder: Path) -> None:
    """Run the demo and keep outputs and logs in the folder, which is replaced.

    Raises DemoFailed if a check fails or the demo takes too long.
    """
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    display = DemoDisplay()
    display.title()
    async with local_system(PARAMETERS, display.step) as system:
        display.emulator_note()
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await Scenario(system, display, folder).run()
        except TimeoutError:
            reason = f"not finished after {DEADLINE_SECONDS} s: {display.current_step}"
            raise DemoFailed(f"{reason}\n{_log_ends(system.agent)}") from None
        except DemoFailed as failure:
            raise DemoFailed(f"{failure}\n{_log_ends(system.agent)}") from None
        finally:
            _keep_logs(system.cloud.folder, folder / "logs")
    display.end(time.monotonic() - began, folder)


def _log_ends(agent: Fargate) -> str:
    """Return the last lines of each worker's log, to be quoted in an error."""
    if not agent.tasks:
        return "no worker was started"
    return "\n".join(f"the worker's log ends:\n{tail(task.log)}" for task in agent.tasks.values())


def _keep_logs(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for log in source.glob("*.log"):
        shutil.copy(log, target)
