"""A model before it is deployed: found, checked and described."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError
from worker.aws.errors import error_code
from worker.errors import ModelError
from worker.service.model_fetch import parse_uri

NOT_THERE = {"404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion"}


def download(account: Account, uri: str, folder: Path) -> Path:
    """Download a model from S3 into a folder; raises ModelError if there is none."""
    model, version = parse_uri(uri)
    path = folder / Path(model.key).name
    extra = {"VersionId": version} if version else {}
    try:
        with account.shown_as(f"aws s3 cp {uri} {path}"):
            account.client("s3").download_file(model.bucket, model.key, str(path), ExtraArgs=extra)
    except ClientError as error:
        if error_code(error) in NOT_THERE:
            raise ModelError(f"there is no model {uri}: {error}") from None
        raise AwsError(f"the model {uri} cannot be checked: {error}") from None
    return path


def check_here(
    model: Path, settings: Mapping[str, str], file: Path | None = None
) -> Mapping[str, Any]:
    """Load a model by this machine's versions, predict a file by it, and return what is found.

    `tidegate check` runs in a process of its own, because a model is code. Raises ModelError with
    its reason.
    """
    command = [sys.executable, "-m", "tidegate", "check", "--json", str(model)]
    command += [str(file)] if file else []
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if not ran.stdout.startswith("{"):
        reason = ran.stderr.strip().removeprefix("tidegate: ")
        raise ModelError(reason or f"`tidegate check` ended with status {ran.returncode}")
    found: Mapping[str, Any] = json.loads(ran.stdout)
    return found
