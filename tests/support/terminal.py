"""A terminal for tests: the real commands in a copy of the checkout, on the local cloud."""

import asyncio
import re
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.warm_commands import WarmCommands
from tidegate.localcloud.cloud import CHECKOUT, ROOT, Cloud, Credentials

NEEDS_SHELL = re.compile("[;>|]")

CHECKED_OUT = (
    *("Dockerfile", "infra", "requirements"),
    *("dispatcher", "notifier", "reconciler", "tidegate", "worker"),
)
# Bytecode that another process is writing has such a name until it is whole.
HALF_WRITTEN = shutil.ignore_patterns("*.pyc.*")
TIDEGATE = """\
#!/bin/sh
exec python -m tidegate "$@"
"""
# A stand-in for docker: it writes down its arguments, a push registers the image at ECR, and the
# check of a model runs in this environment.
DOCKER = """\
#!/bin/sh -e
echo "docker $*" >> "$(dirname "$0")/calls"
case "$1" in
  login) cat > /dev/null ;;
  run)
    for word in "$@"; do case "$word" in *:/model/*:ro) model=${word%%:/model/*} ;; esac; done
    while [ "$1" != -m ]; do shift; done
    module=$2 && shift 3
    exec python -m "$module" "$model" "$@" ;;
  push)
    repository=${2#*/}
    aws ecr put-image --repository-name "${repository%:*}" --image-tag "${2##*:}" \
      --image-manifest "{\\"of\\": \\"$2\\"}" > /dev/null ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    status: int
    printed: str


@dataclass(frozen=True, slots=True)
class Terminal:
    """A copy of the checkout, and a shell in it whose AWS commands go to one cloud."""

    folder: Path
    environment: dict[str, str]
    transcript: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, folder: Path, cloud: Cloud, who: Credentials = ROOT) -> "Terminal":
        """Copy the files that the commands use, so that a test may change them."""
        checkout, programs = folder / "tidegate", folder / "bin"
        for made in (checkout, programs):
            made.mkdir(parents=True)
        for name in CHECKED_OUT:
            if (CHECKOUT / name).is_dir():
                shutil.copytree(CHECKOUT / name, checkout / name, ignore=HALF_WRITTEN)
            else:
                shutil.copy(CHECKOUT / name, checkout / name)
        for name, text in (("docker", DOCKER), ("tidegate", TIDEGATE)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        own = cloud.environment(who)
        path = f"{programs}:{Path(sys.executable).parent}:{own['PATH']}"
        return cls(checkout, {**own, "PATH": path, "HOME": str(folder)})

    @classmethod
    def offline(cls, folder: Path) -> "Terminal":
        """Return a terminal that knows no cloud."""
        return cls.at(folder, Cloud("http://127.0.0.1:9", 0, folder))

    @property
    def docker_calls(self) -> list[str]:
        """List the calls of docker."""
        calls = self.folder.parent / "bin" / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def note(self, what: str) -> None:
        """Add a comment to the transcript."""
        self.transcript.append(f"\n# {what}\n")

    @property
    def told(self) -> str:
        """Return the transcript, without the names of this machine's temporary folders."""
        text = "".join(self.transcript).lstrip()
        text = text.replace(f"{self.folder}/", "$PWD/")
        return re.sub(r"/tmp/tidegate-\w+/(?:tidegate-\w+/)?", "/tmp/tidegate/", text)  # noqa: S108 - a name in a text

    async def run(self, command: str) -> Ran:
        """Run a command and wait for its end."""
        process = await asyncio.create_subprocess_shell(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        assert process.returncode is not None
        text = printed.decode()
        self.transcript.append(f"\n$ {command}\n{text}")
        return Ran(process.returncode, text)

    async def type(self, command: str, commands: WarmCommands) -> Ran:
        """Run a command; one of Tidegate that needs no shell runs in a cheaper fork."""
        name, _, _ = command.partition(" ")
        if name != "tidegate" or NEEDS_SHELL.search(command):
            return await self.run(command)
        words = shlex.split(command)[1:]
        ran = await asyncio.to_thread(commands.run, words, self.folder, self.environment)
        return Ran(ran.returncode, (ran.stdout + ran.stderr).decode())

    async def succeed(self, command: str) -> str:
        """Run a command that must succeed, and return what it printed."""
        ran = await self.run(command)
        assert ran.status == 0, ran.printed
        return ran.printed
