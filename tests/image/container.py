"""The built image, run as ECS runs it: not as root, and with /tmp alone to write on."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.scenario import Endpoint, Running


@dataclass(frozen=True)
class Image:
    """An image, and the engine that has it: docker, or what takes docker's words."""

    engine: list[str]
    name: str

    def command(self, *options: str) -> list[str]:
        """Say how a container is run; the arguments of its program follow."""
        locked = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")  # noqa: S108 - inside it
        return [*self.engine, "run", "--rm", "--network", "host", *locked, *options, self.name]

    def run(self, *arguments: str, options: tuple[str, ...] = ()) -> str:
        """Run a container to its good end, and return what it prints."""
        command = [*self.command(*options), *arguments]
        return subprocess.run(  # noqa: S603 - our own words
            command, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def python(self, code: str, *options: str) -> str:
        """Run some code in the image's Python, and return what it prints."""
        return self.run(*options, "-c", code, options=("--entrypoint", "python"))


@dataclass(kw_only=True)
class ContainerEndpoint(Endpoint):
    """An endpoint whose worker is a container of the endpoint's name."""

    image: Image

    def offer(self, model: Path) -> str:
        """Put a model where a worker finds it that shares no folder with this machine."""
        self.s3.upload_file(str(model), self.input, model.name)
        return f"s3://{self.input}/{model.name}"

    def command(self, environment: Mapping[str, str]) -> list[str]:
        """Hand a worker's own variables on, and nothing else of this machine's."""
        names = [name for name in environment if name.startswith(("AWS_", "WORKER_"))]
        variables = [option for name in names for option in ("--env", name)]
        return self.image.command("--name", self.name, *variables)

    @contextmanager
    def started(self, **changes: str) -> Iterator[Running]:
        """Start a worker, whose container outlives the block as little as its processes do."""
        with super().started(**changes) as running:
            try:
                yield running
            finally:
                subprocess.run(  # noqa: S603 - our own words
                    [*self.image.engine, "rm", "--force", self.name], check=False
                )
