"""A model's baseline: how its predictions are distributed on the files it was checked with.

It lies beside the model, as `MODEL.baseline.json`, and names the model by its digest: a model that
was fitted again has no baseline until it is checked again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from worker.distributions import Distributions
from worker.errors import TidegateError

SUFFIX = ".baseline.json"
VERSION = 1
MOST_BYTES = 1 << 20  # that are read: a plug-in may answer any number of columns


class NoBaseline(TidegateError):
    """A file is not a baseline."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The predictions of one model, summarized."""

    model_sha256: str
    files: Sequence[str]
    """The names of the files."""
    rows: int
    predictions: Distributions

    def to_json(self) -> str:
        """Return the content of the file; equal facts give equal bytes."""
        facts = {
            "schema_version": VERSION,
            "model_sha256": self.model_sha256,
            "files": list(self.files),
            "rows": self.rows,
            "predictions": self.predictions.fields(),
        }
        return json.dumps(facts, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, name: str) -> Self:
        """Read the content of a file of this name; raises NoBaseline."""
        try:
            facts = json.loads(text)
            version = facts["schema_version"]
            predictions = Distributions.from_fields(facts.get("predictions"))
            if version == VERSION and predictions is not None:
                files = [str(file) for file in facts["files"]]
                return cls(str(facts["model_sha256"]), files, int(facts["rows"]), predictions)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            version = None
        known = f"of version {version!r}, and this tidegate reads version {VERSION}"
        raise NoBaseline(
            f"{name} is {'no baseline' if version in (None, VERSION) else f'a baseline {known}'}: "
            "`tidegate check MODEL FILE --baseline` writes one"
        )


def baseline_path(model: Path) -> Path:
    """Return where the baseline of a model lies."""
    return model.with_name(model.name + SUFFIX)


def read_baseline(model: Path, sha256: str) -> bytes | None:
    """Return a model's baseline as it lies beside the model; None if there is none.

    Raises NoBaseline if it is damaged, or of another model.
    """
    path = baseline_path(model)
    if not path.is_file():
        return None
    content = path.read_bytes()
    if Baseline.from_json(content, str(path)).model_sha256 != sha256:
        raise NoBaseline(
            f"{path} is the baseline of another model than {model} is now: "
            f"`tidegate check {model} FILE --baseline` writes it anew"
        )
    return content
