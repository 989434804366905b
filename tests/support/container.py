"""The built image, run as ECS runs it: not as root, and only /tmp is writable."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.scenario import Endpoint, Running


@dataclass(frozen=True)
class Image:
    """An image and its engine: docker, or a program with docker's command line."""

    engine: list[str]
    name: str

    def command(self, *options: str) -> list[str]:
        """Return the command that runs a container; append the arguments of its program."""
        locked = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")  # noqa: S108 - inside it
        return [*self.engine, "run", "--rm", "--network", "host", *locked, *options, self.name]

    def run(self, *arguments: str, options: tuple[str, ...] = ()) -> str:
        """Run a container that must succeed, and return what it prints."""
        command = [*self.command(*options), *arguments]
        return subprocess.run(  # noqa: S603 - our own words
            command, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def python(self, code: str, *options: str) -> str:
        """Run some code in the image's Python, and return what it prints."""
        return self.run(*options, "-c", code, options=("--entrypoint", "python"))


@dataclass(kw_only=True)
class ContainerEndpoint(Endpoint):
    """An endpoint whose worker is a container. The container has the endpoint's name."""

    image: Image

    def offer(self, model: Path) -> str:
        """Upload a model, as a container shares no folder with this machine."""
        self.s3.upload_file(str(model), self.input, model.name)
        return f"s3://{self.input}/{model.name}"

    def command(self, environment: Mapping[str, str]) -> list[str]:
        """Pass on the variables of AWS and the worker, and no other variable of this machine."""
        names = [name for name in environment if name.startswith(("AWS_", "WORKER_"))]
        variables = [option for name in names for option in ("--env", name)]
        return self.image.command("--name", self.name, *variables)

    @contextmanager
    def started(self, **changes: str) -> Iterator[Running]:
        """Start a worker, and remove its container at the end of the block."""
        with super().started(**changes) as running:
            try:
                yield running
            finally:
                subprocess.run(  # noqa: S603 - our own words
                    [*self.image.engine, "rm", "--force", self.name], check=False
                )
