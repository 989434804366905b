"""Checks a model by the versions that will predict: those of an image, or of an environment."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import tidegate
from tidegate.image.docker import require_docker
from tidegate.image.source import Show
from tidegate.project_files import CHECKOUT
from worker.errors import ModelError, TidegateError

_LOADING = "tidegate.offline.loading"
_CODE = "/app/tidegate"  # beside the worker's package, where Python finds both
_MODELS = "/model"
_HINT = "An image gets libraries by `--requirements FILE`, and your own code by `--package PATH`"


def check_model(
    name: str, model: Path, predictor: str | None, assignments: Sequence[str], show: Show
) -> None:
    """Load the model in a container of the image as a worker does; raises ModelError.

    The container has no network, and sees nothing of this machine but the model and this package.
    Its user is root, because the model may be readable by the caller alone.
    """
    docker = require_docker()
    mounted = f"{_MODELS}/{model.name}"
    code = Path(tidegate.__file__).parent
    command = [
        *("run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--user", "0:0"),  # noqa: S108
        *("--volume", f"{code}:{_CODE}:ro", "--volume", f"{model.resolve()}:{mounted}:ro"),
        *("--entrypoint", "python", name, "-m", _LOADING, mounted, predictor or "", *assignments),
    ]
    show(shlex.join(["docker", *command]))
    error = _error_of([docker, *command])
    if error is not None:
        raise ModelError(f"{error.replace(mounted, str(model))}\n{_HINT}")


def check_in_environment(
    python: Path, model: Path, predictor: str | None, assignments: Sequence[str]
) -> None:
    """Load the model in another Python of this machine as a worker does; raises ModelError."""
    command = [str(python), "-m", _LOADING, str(model), predictor or "", *assignments]
    error = _error_of(command, {**os.environ, "PYTHONPATH": str(CHECKOUT)})
    if error is not None:
        raise ModelError(error)


def _error_of(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str | None:
    """Return why the model is refused; what the model prints goes to standard error."""
    ran = subprocess.run(  # noqa: S603 - our own words
        command, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        error: str | None = json.loads(ran.stdout)["error"]
    except (ValueError, KeyError):
        raise TidegateError(
            f"the model could not be checked: {command[0]} ended with status {ran.returncode}, "
            "and its own words are above"
        ) from None
    return error
