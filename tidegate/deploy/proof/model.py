"""A model before it is deployed: found, checked, and the file that goes through at the end."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tidegate.aws.account import Account
from tidegate.deploy.images import Builder
from tidegate.deploy.proof.sample import sample_csv
from tidegate.deploy.screen import Screen
from worker.advice.answers import ACCESS_DENIED
from worker.aws.errors import error_code
from worker.errors import ModelError
from worker.service.model_fetch import parse_uri
from worker.settings import PREFIX

Found = Mapping[str, Any]
CheckHere = Callable[[Path, Mapping[str, str], Path | None], Found]

NOT_THERE = {"404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion"}


def download(account: Account, uri: str, folder: Path, screen: Screen) -> Path | None:
    """Download a model from S3 into a folder; None, which is said, if S3 denies the model.

    The workers may read it all the same. Raises ModelError if there is none.
    """
    model, version = parse_uri(uri)
    path = folder / Path(model.key).name
    extra = {"VersionId": version} if version else {}
    try:
        with account.shown_as(f"aws s3 cp {uri} {path}"):
            account.client("s3").download_file(model.bucket, model.key, str(path), ExtraArgs=extra)
    except ClientError as error:
        if error_code(error) in NOT_THERE:
            raise ModelError(f"there is no model {uri}: {error}") from None
        if error_code(error) not in ACCESS_DENIED:
            raise
        screen.say(f"the model {uri} is not checked, because you may not read it: {error}")
        return None
    return path


def check_here(model: Path, settings: Mapping[str, str], file: Path | None = None) -> Found:
    """Load a model by this machine's versions, predict a file by it, and return what is found.

    `tidegate check` runs in a process of its own, because a model is code. Raises ModelError with
    its reason.
    """
    command = [sys.executable, "-m", "tidegate", "check", "--json", str(model)]
    command += [str(file)] if file else []
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    ran = subprocess.run(  # noqa: S603 - our own words
        command, env=others, capture_output=True, text=True, check=False
    )
    if not ran.stdout.startswith("{"):
        reason = ran.stderr.strip().removeprefix("tidegate: ")
        raise ModelError(reason or f"`tidegate check` ended with status {ran.returncode}")
    found: Found = json.loads(ran.stdout)
    return found


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """Checks one model in the image, where docker has it, and by this machine's versions.

    Without an image that Tidegate builds, this machine's versions say what they can: they need not
    be those of the image.
    """

    model: Path
    settings: Mapping[str, str]
    screen: Screen
    here: CheckHere

    def in_image(self, builder: Builder) -> None:
        """Load the model in the image; raises TidegateError with the reason."""
        builder.check_model(self.model, self.settings)
        self.screen.say("the model was checked in the image: it can be loaded")

    def by_this_machine(self, file: Path | None, *, must_load: bool) -> Found | None:
        """Load the model and predict a file here; None if the model cannot be loaded here.

        Raises ModelError if that must be, and if the model does not take the file.
        """
        try:
            found = self._check(file)
        except ModelError as error:
            if must_load:
                raise
            self.screen.say(f"this machine's versions cannot load the model: {error}")
            return None
        for tried in found["files"]:
            if tried["status"] == "failed":
                raise ModelError(f"the model does not take {file}: {tried['result']['message']}")
        self.screen.say(f"the model was checked by this machine's versions: {_words(found)}")
        return found

    def made_up_file(self, found: Found | None, path: Path) -> Path | None:
        """Make a file from the model's columns, and return it if the model predicts it here."""
        if found and found["model"]["columns"]:
            path.write_text(sample_csv(found["model"]["columns"]), encoding="utf-8")
            if self._is_predicted(path):
                return path
        self.screen.say(
            "no rows could be made up for this model; --smoke FILE puts one of yours through"
        )
        return None

    def _check(self, file: Path | None) -> Found:
        self.screen.show_wait(f"checking {self.model.name} by this machine's versions")
        try:
            return self.here(self.model, self.settings, file)
        finally:
            self.screen.show_wait("")

    def _is_predicted(self, path: Path) -> bool:
        try:
            (tried,) = self._check(path)["files"]
        except ModelError:
            return False
        return tried["status"] == "predicted" and not tried["file_fails"]


def _words(found: Found) -> str:
    model = found["model"]
    outputs = ", ".join(model["outputs"]) or "its predictions"
    return f"{model['kind']}, {len(model['columns'])} columns in, {outputs} out"
