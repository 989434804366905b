"""All mutations that the search must find."""

from tests.search import part_mutations  # noqa: F401 - adds its own
from tests.search.mutations import MUTATIONS

__all__ = ["MUTATIONS"]
