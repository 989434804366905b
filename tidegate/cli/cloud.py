"""The local cloud to play with: up until Ctrl-C."""

import asyncio

from tidegate.cli.demo.traffic import PREFIX
from tidegate.cli.screen import Screen
from tidegate.localcloud.cloud import REGION, ROOT
from tidegate.localcloud.system import local_system

PARAMETERS = {"IdleSeconds": "20", "MaxTasks": "2", "OutputKey": PREFIX}


async def stay() -> None:
    """Bring the system up, say how to reach it, and wait to be cancelled."""
    screen = Screen()
    screen.title()
    async with local_system(screen, PARAMETERS) as system:
        exports = {
            "AWS_ENDPOINT_URL": system.cloud.url,
            "AWS_ACCESS_KEY_ID": ROOT.key_id,
            "AWS_SECRET_ACCESS_KEY": ROOT.secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }
        screen.say("\n  In another terminal:\n")
        for name, value in exports.items():
            screen.say(f"export {name}={value}")
        screen.say(f"aws s3 cp {system.example}/iris.csv s3://{system.stack.input_bucket}/")
        screen.say(f"aws s3 ls --recursive s3://{system.stack.output_bucket}/")
        screen.say(
            f"\n  Logs are in {system.cloud.folder}. Ctrl-C ends it, and removes everything."
        )
        await asyncio.Event().wait()
