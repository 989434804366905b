"""What is certain to fail is refused here, before this process imports anything large."""

import importlib.util
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from worker.advice.texts import Advice
from worker.errors import ModelError, SettingsError
from worker.interfaces import MODEL_SUFFIXES
from worker.queue import address
from worker.service.model_fetch import parse_uri
from worker.settings import Settings, has_control_character

CHECKED_VARIABLES = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_CA_BUNDLE",
    "HTTPS_PROXY",
)
BUNDLE_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")  # in the order of the SDK
FOLDER_VARIABLES = ("TMPDIR", "TEMP", "TMP")  # in the order in which Python looks at them
# The forkserver listens on a socket in the folder of temporary files.
SOCKET_BYTES = len("/pymp-12345678/listener-12345678")
MAX_SOCKET_PATH = 107


def check(settings: Settings, environment: Mapping[str, str]) -> None:
    """Raise SettingsError or ModelError for what is certain to fail."""
    problems = [
        *_control_characters(environment),
        *_certificates(environment),
        *_temporary_folder(environment),
    ]
    if problems:
        raise SettingsError("\n".join(problems))
    address.parse(settings.queue)
    _check_model(settings.model, any_suffix=settings.predictor is not None)
    if settings.predictor is not None:
        _check_predictor(settings.predictor)


def _control_characters(environment: Mapping[str, str]) -> Iterator[str]:
    for name in CHECKED_VARIABLES:
        if has_control_character(environment.get(name, "")):
            yield f"{name}: {Advice.CONTROL_CHARACTER.fill_setting()}"  # the value may be a secret


def _certificates(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the file of certificates, which the SDK reads much later."""
    name = next((name for name in BUNDLE_VARIABLES if environment.get(name)), None)
    if name is None:
        return
    path = environment[name]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # ssl.SSLError too
        no_pem = isinstance(error, ssl.SSLError)
        why = "the file holds no certificate in PEM" if no_pem else error.strerror
        yield f"{name}: {Advice.CA_BUNDLE.fill_setting(path=path, why=why)}"


def _temporary_folder(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the folder, instead of which Python would silently use another."""
    name = next((name for name in FOLDER_VARIABLES if environment.get(name)), None)
    try:
        used = tempfile.gettempdir()
    except FileNotFoundError:
        yield f"{name or FOLDER_VARIABLES[0]}: {Advice.FOLDER_MISSING.fill_setting()}"
        return
    # As Python makes it absolute: without "..", and without following links.
    wanted = Path(os.path.abspath(environment[name])) if name else Path(used)  # noqa: PTH100
    if Path(used) != wanted:
        why = "cannot be written" if wanted.is_dir() else "is no folder that exists"
        yield f"{name}: {Advice.FOLDER_UNUSABLE.fill_setting(folder=wanted, why=why)}"
    elif (length := len(os.fsencode(used))) > MAX_SOCKET_PATH - SOCKET_BYTES:
        limit = MAX_SOCKET_PATH - SOCKET_BYTES
        text = Advice.FOLDER_TOO_LONG.fill_setting(folder=used, length=length, limit=limit)
        yield f"{name or FOLDER_VARIABLES[0]}: {text}"


def _check_model(where: str, *, any_suffix: bool) -> None:
    if where.startswith("s3://"):
        uri, _ = parse_uri(where)
        suffix = PurePosixPath(uri.key).suffix
    elif "://" in where:
        raise ModelError(f"WORKER_MODEL must be s3://bucket/key or a path, and is {where}")
    else:
        _check_file(Path(where))
        suffix = Path(where).suffix
    if not any_suffix and suffix.lower() not in MODEL_SUFFIXES:
        raise ModelError(
            f"the model {where}: the suffix must be one of {' '.join(MODEL_SUFFIXES)}; "
            "WORKER_PREDICTOR loads any other file"
        )


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise ModelError(f"the model {path} is a folder: name the file in it")
    if not path.exists():
        where = f" (looked for in {Path.cwd()})" if not path.is_absolute() else ""
        raise ModelError(f"the model {path} does not exist{where}: check WORKER_MODEL")
    if not os.access(path, os.R_OK):
        raise ModelError(f"the model {path} may not be read by this user: change its permissions")


def _check_predictor(factory: str) -> None:
    package = factory.partition(":")[0].partition(".")[0]
    with suppress(ImportError, ValueError):  # of a finder: the import itself says more
        if importlib.util.find_spec(package) is None:
            raise ModelError(
                f"WORKER_PREDICTOR={factory}: there is no module {package}: install it, or put its "
                "folder on PYTHONPATH"
            )
