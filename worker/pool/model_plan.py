"""Which model a pool process loads, and from which file: the one that was hashed.

The parent imports this module too, but not the libraries that it uses: they are imported inside a
function, and the forkserver has imported them before it forks a pool process.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from worker import logs, quoting
from worker.errors import ModelError
from worker.interfaces import PredictMethod
from worker.pool.child import Scorer

if TYPE_CHECKING:  # a heavy import
    from worker.models import Predictor

_ONE_FILE = (
    "the worker reads the model from a copy of that one file, without the files beside it: put "
    "everything into it"
)


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """A local model where the user has it, and what shows that it is still the same file."""

    path: Path
    state: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Take note of a file as it is now; raises OSError."""
        return cls(path, _state(path))

    def is_unchanged(self) -> bool:
        """Return whether nobody has replaced the file or written to it."""
        try:
            return _state(self.path) == self.state
        except OSError:
            return False


def _state(path: Path) -> tuple[int, ...]:
    found = path.stat()
    # The time of the last change cannot be set back, as that of the last write can.
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Which model a pool process loads, how the model predicts, and how the process logs.

    `path` is the worker's own copy of the model, and `original` the local file that it was copied
    from. `source` is what WORKER_MODEL says. `masks_values`: no message quotes a cell of a file.
    """

    path: Path
    original: OriginalFile | None
    source: str
    method: PredictMethod
    factory: str | None
    log_format: Literal["console", "json"]
    log_level: str
    masks_values: bool = False

    def load(self) -> Scorer:
        """Load the model and return what predicts with it; raises ModelError."""
        from worker.scoring.scorer import ModelScorer  # noqa: PLC0415 - as the docstring above says

        quoting.configure(masked=self.masks_values)
        logs.configure(self.log_format, self.log_level, masks_libraries=self.masks_values)
        return ModelScorer(self._load_predictor())

    def _load_predictor(self) -> "Predictor":
        from worker.models import load_predictor  # noqa: PLC0415 - see above

        # A factory may read files beside the model, so it gets the original as long as that is the
        # file that was hashed: before the factory has read it, and after.
        if self.factory is not None and self.original is not None and self.original.is_unchanged():
            predictor = load_predictor(self.original.path, factory=self.factory)
            if self.original.is_unchanged():
                return predictor
        try:
            return load_predictor(self.path, method=self.method, factory=self.factory)
        except ModelError as error:
            raise ModelError(self._about_the_source(str(error))) from error

    def _about_the_source(self, message: str) -> str:
        """Return a message about the copy as one about the model that the user knows."""
        folder, name = re.escape(str(self.path.parent)), re.escape(self.path.name)
        the_copy = rf"{folder}/{name}(?!\w|[.-]\w)"
        names_others = re.search(rf"(?!{the_copy}){folder}/", message)
        hint = f"; {_ONE_FILE}" if names_others else ""
        return re.sub(the_copy, lambda _: self.source, message) + hint
