"""`tidegate` in forks of a process that has imported everything, which takes most of the time.

Each command is a process of its own, with its own environment, folder and descriptors.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.aws_models import models_read_once
from tests.support.template import ROOT
from worker.pool.forkserver import LIBRARIES


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    returncode: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class WarmCommands:
    """Runs commands, one at a time."""

    server: "subprocess.Popen[str]"
    folder: Path

    def run(self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Ran:
        """Run `tidegate` to its end."""
        output, errors = self.folder / "stdout", self.folder / "stderr"
        request = [list(arguments), str(cwd), dict(environment), str(output), str(errors)]
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        print(json.dumps(request), file=self.server.stdin, flush=True)
        status = int(self.server.stdout.readline())
        return Ran(status, output.read_bytes(), errors.read_bytes())


OFFLINE = ("tidegate.cli.check", "tidegate.cli.predict", *LIBRARIES)
ONLINE = (
    *(f"tidegate.cli.operating.{name}" for name in ("status", "failures", "redrive", "show")),
    *("tidegate.cli.operating.logs", "tidegate.cli.operating.pausing"),
    *(f"tidegate.cli.runs.{name}" for name in ("submit", "wait", "cancel")),
)
SERVICES = ("cloudformation", "cloudwatch", "ecs", "lambda", "logs", "s3", "sqs", "sts")


@contextmanager
def warm_commands(modules: Sequence[str] = OFFLINE) -> Iterator[WarmCommands]:
    """Start the process to fork, with these modules imported."""
    command = [sys.executable, "-m", "tests.support.warm_commands", *modules]
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        yield WarmCommands(server, Path(folder))
        assert server.stdin is not None
        server.stdin.close()


def serve(modules: Sequence[str]) -> None:
    """Fork for each request of standard input, and answer with the exit status."""
    gc.disable()
    for module in modules:
        __import__(module)
    with models_read_once():
        if "boto3" in sys.modules:
            _read_models()
        gc.freeze()  # so that no garbage collection of a fork looks through the modules
        gc.enable()
        _answer()


def _read_models() -> None:
    session = sys.modules["boto3"].Session(region_name="us-east-1")
    for service in SERVICES:
        session.client(service)


def _answer() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(*json.loads(line))
        _, ended = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(ended)}\n")
        sys.stdout.flush()


def _become(
    arguments: list[str], folder: str, environment: dict[str, str], output: str, errors: str
) -> None:
    """Run the command in this process, and end it."""
    from tidegate.cli.main import main  # noqa: PLC0415 - as above

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in ((0, os.devnull), (1, output), (2, errors)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, descriptor)
    sys.path.insert(0, folder)
    status = 1
    try:
        status = main(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1:])
