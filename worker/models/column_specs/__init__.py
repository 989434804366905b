"""What a fitted model says of each of its columns, by what each column meets first in it."""

from worker.models.column_specs.specs import column_specs, takes_documents

__all__ = ["column_specs", "takes_documents"]
