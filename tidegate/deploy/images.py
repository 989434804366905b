"""The image that a stack's workers run: one of the user's own, one that is kept, or a new one."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from tidegate.aws.account import Account
from tidegate.aws.errors import found
from tidegate.aws.stack import DeployedStack
from tidegate.deploy.artifacts import Artifacts
from tidegate.deploy.screen import Screen
from tidegate.image import check, context, docker
from tidegate.image.source import ImageSource

_ABSENT = ("ImageNotFoundException", "RepositoryNotFoundException")


class Builder(Protocol):
    """Makes one image: the digest of what goes in is known before docker is needed."""

    @property
    def tag(self) -> str:
        """Return the digest of all that goes into the image."""

    @property
    def works(self) -> bool:
        """Return whether docker is there."""

    def build(self) -> None:
        """Build the image; raises TidegateError."""

    def push(self, repository: str) -> None:
        """Push the image to a repository under its tag; raises TidegateError."""

    def check_model(self, model: Path, settings: Mapping[str, str]) -> None:
        """Load the model in the image, as a worker does; raises TidegateError with the reason."""


class DockerBuilder:
    """Builds by the docker on this machine, from a context in a temporary folder."""

    def __init__(self, source: ImageSource, folder: Path, account: Account, screen: Screen) -> None:
        self._prepared = context.prepare(source, folder, screen.show_command)
        self._account = account
        self._show = screen.show_command

    @property
    def tag(self) -> str:
        """Return the digest of all that goes into the image."""
        return self._prepared.tag

    @property
    def works(self) -> bool:
        """Return whether docker is there."""
        return shutil.which("docker") is not None

    def build(self) -> None:
        """Build the image; docker's cache makes this quick if it was built before."""
        docker.build(self._prepared, self._show)

    def push(self, repository: str) -> None:
        """Push the image to a repository of ECR under its tag."""
        docker.push(self._prepared.name, repository, self._account, self._show)

    def check_model(self, model: Path, settings: Mapping[str, str]) -> None:
        """Load the model in a container of the image."""
        others = dict(settings)
        predictor = others.pop("WORKER_PREDICTOR", None)
        assignments = [f"{name}={value}" for name, value in others.items()]
        check.check_model(self._prepared.name, model, predictor, assignments, self._show)


@dataclass(frozen=True, slots=True)
class Choice:
    """The image for a stack; `source` if it is to be built and pushed unless it is there."""

    source: ImageSource | None
    kept: str = ""  # which image the stack keeps, and why


def is_plain(source: ImageSource) -> bool:
    """Return whether the image is Tidegate's own, with nothing added."""
    return replace(source, architecture="X86_64") == ImageSource()


def choose(
    source: ImageSource,
    stack: DeployedStack | None,
    given: Mapping[str, str],
    artifacts: Artifacts,
    *,
    build: bool,
) -> Choice:
    """Choose between the images; `build` asks for one that is built, whatever the stack has."""
    current = stack.parameters if stack else {}
    if given.get("Image") or "ImageTag" in given:
        return Choice(None)
    if build or not is_plain(source):
        return Choice(source)
    if own := given.get("Image", current.get("Image")):
        return Choice(None, f"the image of your own is kept: {own}. --build replaces it")
    if stack is None:
        return Choice(source)
    return _kept_or_new(source, current["ImageTag"], artifacts)


def _kept_or_new(source: ImageSource, tag: str, artifacts: Artifacts) -> Choice:
    """Choose a new image only in place of one that Tidegate built with nothing added."""
    record = artifacts.read(record_key(tag))
    if record is None:
        return Choice(None, f"the image {tag} is one of your own and is kept. --build replaces it")
    made = json.loads(record)
    made_of = {name: value for name, value in made.items() if name != "architecture" and value}
    if made_of:
        what = ", ".join(sorted(made_of))
        return Choice(
            None,
            f"the image {tag} was built with your {what} and is kept. Give them again to build it"
            " with this version of Tidegate; --build builds it without",
        )
    return Choice(source)


def record_key(tag: str) -> str:
    """Return where the record of an image lies in the artifact bucket."""
    return f"images/{tag}.json"


def record(source: ImageSource) -> bytes:
    """Return what an image is built of, to be kept under its tag."""
    return json.dumps(asdict(source), default=str, indent=2, sort_keys=True).encode()


def has_image(account: Account, repository: str, tag: str) -> bool:
    """Return whether an image with this tag is in a repository of the account."""
    client = account.client("ecr")
    answer = found(
        lambda: client.describe_images(
            repositoryName=repository.partition("/")[2], imageIds=[{"imageTag": tag}]
        ),
        *_ABSENT,
    )
    return bool(answer and answer["imageDetails"])  # the emulator answers with an empty list
