"""Checks a model in an image: by the versions that will predict."""

from collections.abc import Sequence
from pathlib import Path

from tidegate.image.source import Show


def check_model(
    name: str, model: Path, predictor: str | None, assignments: Sequence[str], show: Show
) -> None:
    """Load the model in a container of the image as a worker does; raises ModelError.

    The container has no network, and sees nothing of this machine but the model.
    """
    raise NotImplementedError
