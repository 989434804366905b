"""The command `tidegate cloud`: a local cloud to try one's own model and files on, until Ctrl-C."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from tidegate.cli.display import Display
from tidegate.cli.live_files import LiveFiles
from tidegate.deploy.worker_settings import merge
from tidegate.image.check import check_in_environment
from tidegate.image.environment import environment_for
from tidegate.localcloud.cloud import REGION, ROOT
from tidegate.localcloud.images import Image
from tidegate.localcloud.notices import TOPIC, Notices
from tidegate.localcloud.stack import NAME, read_stack
from tidegate.localcloud.stack_client import OUTPUT_PREFIX, StackClient, Templates
from tidegate.localcloud.system import System, local_system
from tidegate.localcloud.watched_folder import WatchedFolder
from tidegate.offline.model import load_model
from tidegate.offline.worker_settings import read_settings

PARAMETERS = {"IdleSeconds": "20", "MaxTasks": "2", "OutputKey": OUTPUT_PREFIX}
NOTICES = {"NoticeTopicArn": TOPIC}
POLL_SECONDS = 0.5
# Version 1 of the AWS CLI sends calls of SQS to AWS whatever AWS_ENDPOINT_URL says.
AWS = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }'


async def cloud(
    model: Path | None,
    *,
    predictor: str | None,
    assignments: Sequence[str],
    requirements: Path | None,
    files: Path | None,
    has_notices: bool,
) -> None:
    """Start the system, print how to reach it, and show the files until cancelled."""
    worker_settings = merge("", assignments, ())
    display = Display()
    display.title()
    python, shown = Path(sys.executable), list[str]()
    templates = Templates()
    if requirements is not None:
        with display.step(f"libraries of {requirements.name} installed beside the worker's"):
            python = await asyncio.to_thread(environment_for, requirements, shown.append)
        for other in (text for text in shown if text.startswith("#")):
            display.line(f"    [dim]{escape(other.removeprefix('# '))}[/]")
    if model is not None:
        with display.step(f"model loaded: {model.name}"):
            # As a worker does: what is wrong with it or a setting is said before anything starts.
            settings = read_settings(model, predictor, assignments)
            if requirements is None:
                await asyncio.to_thread(load_model, settings)
            else:
                checked = (python, model, predictor, assignments)
                await asyncio.to_thread(check_in_environment, *checked)
            templates = Templates(settings.output_template, settings.failure_template)
    async with local_system(
        PARAMETERS | {"WorkerSettings": worker_settings} | (NOTICES if has_notices else {}),
        display.step,
        model=model,
        image=Image(str(python), _predictor_variables(predictor)),
    ) as system:
        display.emulator_note()
        _print_access(system, display, has_files=files is not None)
        notices = Notices(system.cloud) if has_notices else None
        await _show_files(system, files, templates, notices)


def _predictor_variables(predictor: str | None) -> dict[str, str]:
    """Return the variables that an image with a predictor of one's own would set."""
    if predictor is None:
        return {}
    # The predictor's module is found where this command was typed.
    return {"WORKER_PREDICTOR": predictor, "PYTHONPATH": os.getcwd()}  # noqa: PTH109


def _print_access(system: System, display: Display, *, has_files: bool) -> None:
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
    display.line(escape(AWS))
    example = system.model.with_name("iris.csv")
    file = example if example.exists() and not has_files else "FILE"
    display.line(f"aws s3 cp {file} s3://{system.stack.input_bucket}/")
    display.line(f"aws s3 cp --recursive s3://{system.stack.output_bucket}/ .")
    display.line(
        f"\n  Logs are in {system.cloud.folder}."
        " Ctrl-C stops the local cloud and removes all its files.\n"
    )


async def _show_files(
    system: System, folder: Path | None, templates: Templates, notices: Notices | None
) -> None:
    """Show what becomes of the files, and put those of the folder into the bucket.

    What fails is a line: a task, a file that cannot be read, or AWS while the stack is updated.
    """
    live = LiveFiles(Console(highlight=False))
    watched = WatchedFolder(folder) if folder else None
    client = StackClient(system.cloud, system.stack, templates)
    with live.shown():
        while True:
            try:
                client = client.of(await read_stack(system.cloud, NAME))
                if watched:
                    await _upload_changes(watched, client, live)
                live.update(await client.files())
                for notice in await asyncio.to_thread(notices.take) if notices else ():
                    live.note(f"notice: {notice.subject}")
            except (BotoCoreError, ClientError) as error:
                live.tell(str(error))
            for failure in system.agent.failures:
                live.tell(failure)
            await asyncio.sleep(POLL_SECONDS)


async def _upload_changes(watched: WatchedFolder, client: StackClient, live: LiveFiles) -> None:
    for change in await asyncio.to_thread(watched.changes):
        try:
            await client.upload_file(change.name, change.path)
        except OSError as error:
            live.tell(f"{change.name} cannot be read: {error.strerror}")
        else:
            watched.sent(change)
