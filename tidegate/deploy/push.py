"""Builds an image and pushes it to a stack's repository, and changes nothing else."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError
from tidegate.deploy import images
from tidegate.deploy.artifacts import Artifacts, default_name, name_known_to
from tidegate.deploy.cloudformation.states import States
from tidegate.deploy.plan import MakeBuilder
from tidegate.deploy.screen import Screen
from tidegate.image.source import ImageSource


def push_image(
    account: Account,
    name: str,
    source: ImageSource,
    architecture: str | None,
    *,
    screen: Screen,
    make_builder: MakeBuilder = images.DockerBuilder,
) -> None:
    """Push an image that is built from the source, unless it is in the repository.

    Without an architecture the stack's is taken. Nothing is built for a stack that is not there or
    cannot be updated: raises AwsError.
    """
    stack = States(account, screen, time.sleep).require_updatable(name)
    repository = stack.outputs.get("RepositoryUri")
    if repository is None:
        raise AwsError(f"the stack {name} has no repository yet: `tidegate deploy {name}` makes it")
    source = replace(source, architecture=architecture or stack.parameters["Architecture"])
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        builder = make_builder(source, Path(folder), account, screen)
        if images.has_image(account, repository, builder.tag):
            screen.say(f"the image {builder.tag} is in {repository} already")
            return
        builder.build()
        builder.push(repository)
        bucket = name_known_to(account, stack.id) or default_name(account, name)
        record = images.record(source)
        Artifacts(account, bucket).put(images.record_key(builder.tag), record)
