"""Whether a model was written by the scikit-learn that is to run it."""

import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import sklearn
import structlog
from sklearn.exceptions import InconsistentVersionWarning

from worker.errors import ModelError

# As an uncompressed pickle has it: the key, an opcode or two with a length, the value.
_IN_A_PICKLE = re.compile(rb"_sklearn_version.{2,12}?(\d+\.\d+(?:\.\d+)?)", re.DOTALL)

logger = structlog.get_logger()


def loaded(path: Path, load: Callable[[Path], object]) -> object:
    """What `load` makes of a file; raises ModelError with the cause of whatever goes wrong.

    A model of another major.minor of scikit-learn is refused, one of another patch is logged.
    """
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", InconsistentVersionWarning)
        try:
            model = load(path)
        except ModelError:
            raise
        except BaseException as error:  # a module's SystemExit is no end of ours
            _refuse_others(path, _warned_of(seen) or _read_from(path))
            raise ModelError(_told(path, error)) from error
    _refuse_others(path, _warned_of(seen))
    for written in _warned_of(seen):
        logger.warning(
            "model of another scikit-learn patch", written=written, running=sklearn.__version__
        )
    return model


def _refuse_others(path: Path, versions: Iterable[str]) -> None:
    for written in versions:
        if written.split(".")[:2] != sklearn.__version__.split(".")[:2]:
            raise ModelError(
                f"{path} was written by scikit-learn {written} and this is {sklearn.__version__}: "
                "write it again with this version, or run that one"
            )


def _warned_of(seen: Iterable[warnings.WarningMessage]) -> set[str]:
    said = (each.message for each in seen)
    return {
        message.original_sklearn_version
        for message in said
        if isinstance(message, InconsistentVersionWarning)
    }


def _read_from(path: Path) -> set[str]:
    """The version in a pickle that fails before scikit-learn can warn of it."""
    found = _IN_A_PICKLE.search(path.read_bytes()) if path.is_file() else None
    return {found[1].decode()} if found else set()


def _told(path: Path, error: BaseException) -> str:
    said = f"{path} cannot be loaded: {type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError):
        return f"{said}: the model needs {error.name}, and the image must hold it"
    return said
