"""Loads a scikit-learn model, and checks the scikit-learn version that it was saved with."""

import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import sklearn
import structlog
from sklearn.exceptions import InconsistentVersionWarning

from worker.errors import ModelError
from worker.models.file_kinds import kind_of_text

# The version in an uncompressed pickle: the key, an opcode or two with a length, the value.
_PICKLED_VERSION = re.compile(rb"_sklearn_version.{2,12}?(\d+\.\d+(?:\.\d+)?)", re.DOTALL)

# What unpickling says of a name that the saving script had defined itself.
_MISSING_IN_MAIN = re.compile(r"'([^']+)' on <module '(?:[\w.]+\.)?__(?:mp_)?main__'")

logger = structlog.get_logger()


def load_checked(path: Path, load: Callable[[Path], object]) -> object:
    """Load a model with `load`; raises ModelError with the cause if that fails.

    A model of another major or minor version of scikit-learn is refused. One of another patch
    version is logged.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InconsistentVersionWarning)
        try:
            model = load(path)
        except ModelError:
            raise
        except BaseException as error:  # a module may raise SystemExit: it must not end the worker
            _refuse_other_minor(path, _versions_in_warnings(caught) or version_in_pickle(path))
            raise ModelError(_load_error(path, error)) from error
    versions = _versions_in_warnings(caught)
    _refuse_other_minor(path, versions)
    for written in versions:
        logger.warning(
            "model of another scikit-learn patch", written=written, running=sklearn.__version__
        )
    return model


def _refuse_other_minor(path: Path, versions: Iterable[str]) -> None:
    for written in versions:
        if written.split(".")[:2] != sklearn.__version__.split(".")[:2]:
            raise ModelError(
                f"{path} was written by scikit-learn {written} and this is {sklearn.__version__}: "
                f"write it again with this version, or put scikit-learn=={written} into the image"
            )


def _versions_in_warnings(caught: Iterable[warnings.WarningMessage]) -> set[str]:
    messages = (warning.message for warning in caught)
    return {
        message.original_sklearn_version
        for message in messages
        if isinstance(message, InconsistentVersionWarning)
    }


def version_in_pickle(path: Path) -> set[str]:
    """Find the version of scikit-learn in an uncompressed pickle, without loading it."""
    found = _PICKLED_VERSION.search(path.read_bytes()) if path.is_file() else None
    return {found[1].decode()} if found else set()


def _load_error(path: Path, error: BaseException) -> str:
    text = f"{path} cannot be loaded: {type(error).__name__}: {error}"
    if kind := kind_of_text(path):
        return f"{text}: it is {kind}, and no model"
    if isinstance(error, ModuleNotFoundError):
        return f"{text}: the model needs {error.name}, and the image must hold it"
    if found := _MISSING_IN_MAIN.search(str(error)):
        return (
            f"{text}: the script or notebook that saved the model defined {found[1]} itself, and "
            f"the file holds only that name. Put {found[1]} into a module of a package that the "
            "image holds, import it from there where the model is fitted, and save it again; or "
            "make the model in code of your own (WORKER_PREDICTOR)"
        )
    return text
