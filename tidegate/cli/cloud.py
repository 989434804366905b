"""The command `tidegate cloud`: a local cloud to try things on, until Ctrl-C."""

import asyncio

from tidegate.cli.display import Display
from tidegate.localcloud.cloud import REGION, ROOT
from tidegate.localcloud.stack_client import OUTPUT_PREFIX
from tidegate.localcloud.system import local_system

PARAMETERS = {"IdleSeconds": "20", "MaxTasks": "2", "OutputKey": OUTPUT_PREFIX}


async def cloud() -> None:
    """Start the system, print how to reach it, and wait to be cancelled."""
    display = Display()
    display.title()
    async with local_system(PARAMETERS, display.step) as system:
        display.emulator_note()
        exports = {
            "AWS_ENDPOINT_URL": system.cloud.url,
            "AWS_ACCESS_KEY_ID": ROOT.key_id,
            "AWS_SECRET_ACCESS_KEY": ROOT.secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }
        display.line("\n  In another terminal:\n")
        for name, value in exports.items():
            display.line(f"export {name}={value}")
        display.line(f"aws s3 cp {system.example}/iris.csv s3://{system.stack.input_bucket}/")
        display.line(f"aws s3 ls --recursive s3://{system.stack.output_bucket}/")
        display.line(
            f"\n  Logs are in {system.cloud.folder}."
            " Ctrl-C stops the local cloud and removes all its files."
        )
        await asyncio.Event().wait()
