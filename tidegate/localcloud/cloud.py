"""The local cloud: MiniStack, an AWS emulator, run as a process in a temporary folder.

MiniStack has its own virtual environment, because it needs another botocore than the worker.
"""

import asyncio
import http.client
import os
import socket
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from tidegate.localcloud.processes import running, tail
from worker.errors import TidegateError

CHECKOUT = Path(__file__).resolve().parents[2]
ONLY_IN_CHECKOUT = ("infra/cloudformation.yaml", "examples/iris/train.py")
ENVIRONMENT_VARIABLE = "TIDEGATE_CLOUD_ENV"
PROGRAM = "tidegate.localcloud.patched_ministack"
REGION = "us-east-1"
START_SECONDS = 600  # only a hang lasts as long: an early end is noticed at once


class LocalCloudError(TidegateError):
    """The local cloud is not installed, or does not start."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials of a caller; the default is the root user of the emulator's only account."""

    key_id: str = "test"
    secret: str = "test"  # noqa: S105 (the emulator's fixed root credentials, which are public)
    token: str | None = None


ROOT = Credentials()


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running local cloud; it stops at the end of `local_cloud`'s block."""

    url: str
    pid: int
    folder: Path

    @property
    def log(self) -> Path:
        """Return the emulator's log file."""
        return self.folder / "cloud.log"

    def client(self, service: str, credentials: Credentials = ROOT) -> Any:  # noqa: ANN401 (the caller names the client's type)
        """Make a client with these credentials, which no AWS profile of the user can change."""
        return _session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=credentials.key_id,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            config=Config(
                proxies={}, retries={"total_max_attempts": 2}, s3={"addressing_style": "path"}
            ),
        )

    def environment(self, credentials: Credentials = ROOT) -> dict[str, str]:
        """Return the variables that make a program use this cloud, and no other."""
        session = {"AWS_SESSION_TOKEN": credentials.token} if credentials.token else {}
        return {
            "AWS_ACCESS_KEY_ID": credentials.key_id,
            "AWS_SECRET_ACCESS_KEY": credentials.secret,
            **session,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **bare_environment(self.folder),
        }


@cache
def _session() -> botocore.session.Session:
    """Make the shared session, which reads no configuration file of the user."""
    nothing = (None, None, os.devnull, None)
    return botocore.session.Session(
        {"profile": (None, None, None, None), "config_file": nothing, "credentials_file": nothing}
    )


def require_checkout() -> None:
    """Raise LocalCloudError if the files are missing that a checkout has and a wheel does not."""
    missing = [name for name in ONLY_IN_CHECKOUT if not (CHECKOUT / name).exists()]
    if missing:
        raise LocalCloudError(
            f"this command needs a checkout of Tidegate: {' and '.join(missing)} are not part of"
            " the installed package. Run `make demo` in a checkout first, then the command there"
        )


def bare_environment(folder: Path) -> dict[str, str]:
    """Return the variables that any program needs, without those of the user's environment."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
    }


@asynccontextmanager
async def local_cloud() -> AsyncIterator[Cloud]:
    """Start an empty cloud on a free local port, IAM enforced, its state in a temporary folder.

    Raises LocalCloudError if it is not installed or does not answer in time.
    """
    python = _installed_python()
    with tempfile.TemporaryDirectory(prefix="tidegate-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        port = _free_port()
        log = folder / "cloud.log"
        async with running(
            *(python, "-m", PROGRAM),
            environment=_emulator_settings(folder, port),
            folder=CHECKOUT,
            log=log,
        ) as process:
            await _until_healthy(process, port, log)
            yield Cloud(url=f"http://127.0.0.1:{port}", pid=process.pid, folder=folder)


def _installed_python() -> Path:
    home = Path(os.environ.get(ENVIRONMENT_VARIABLE, CHECKOUT / ".venv-cloud"))
    if not (home / "bin" / "ministack").exists():
        raise LocalCloudError(
            f"the local cloud is not installed in {home}: `make demo` installs and runs it"
            f" (or name another virtual environment in {ENVIRONMENT_VARIABLE})"
        )
    return home / "bin" / "python"


def _emulator_settings(folder: Path, port: int) -> dict[str, str]:
    return {
        **bare_environment(folder),
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "MINISTACK_REGION": REGION,
        "S3_DATA_DIR": str(folder / "s3"),
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(folder / "state"),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _until_healthy(process: Process, port: int, log: Path) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await asyncio.to_thread(_is_healthy, port):
                if process.returncode is not None:
                    raise LocalCloudError(f"the local cloud stopped while it started:\n{tail(log)}")
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise LocalCloudError(
            f"the local cloud did not answer within {START_SECONDS} s:\n{tail(log)}"
        ) from None


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
