"""Builds and pushes images by the docker on this machine."""

import base64
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

from tidegate.image.context import PreparedImage
from tidegate.image.source import Show
from worker.errors import TidegateError

if TYPE_CHECKING:
    from tidegate.aws.account import Account


STANDARD_ERROR = 2

# A start begins with the pull of the image. Layers compressed by zstd are a fifth
# smaller than by gzip, and quicker to unpack. Docker keeps them in the image store of containerd
# only, which this output needs.
CONTAINERD_STORE = "io.containerd.snapshotter"
ZSTD = "type=image,compression=zstd,compression-level=11,force-compression=true,oci-mediatypes=true"


def build(prepared: PreparedImage, show: Show) -> str:
    """Build the image, and return its name on this machine; raises TidegateError."""
    arguments = [word for given in prepared.arguments for word in ("--build-arg", given)]
    output = ["--output", ZSTD] if CONTAINERD_STORE in _image_store() else []
    command = ["build", "--platform", prepared.platform, *arguments, *output]
    docker(*command, "--tag", prepared.name, str(prepared.folder), show=show)
    return prepared.name


def push(name: str, repository_uri: str, account: "Account", show: Show) -> None:
    """Push the image of that name on this machine to a repository of ECR, under the same tag.

    Raises TidegateError.
    """
    pushed = f"{repository_uri}:{name.rpartition(':')[2]}"
    answer = account.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
    registry = repository_uri.partition("/")[0]
    # The password is in no list of processes and on no screen: docker reads it from its input.
    login = ["login", "--username", user, "--password-stdin", registry]
    docker(*login, show=show, standard_input=password)
    docker("tag", name, pushed, show=show)
    docker("push", pushed, show=show)


def _image_store() -> str:
    """Return how docker describes the store of its images; nothing if docker does not answer."""
    command = [require_docker(), "info", "--format", "{{.DriverStatus}}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - our own words


def docker(*arguments: str, show: Show, standard_input: str | None = None) -> None:
    """Run docker; what it prints goes to standard error. Raises TidegateError if it fails."""
    program = require_docker()
    show(shlex.join(["docker", *arguments]))
    ran = subprocess.run(  # noqa: S603 - our own words
        [program, *arguments], input=standard_input, text=True, stdout=STANDARD_ERROR, check=False
    )
    if ran.returncode:
        raise TidegateError(f"docker {arguments[0]} failed: its own words are above")


def require_docker() -> str:
    """Return docker's path; raises TidegateError if there is none."""
    program = shutil.which("docker")
    if program is None:
        raise TidegateError(
            "docker is missing on the PATH: install it, or name an image that is built elsewhere"
            " with --image"
        )
    return program
