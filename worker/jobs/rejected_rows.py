"""Rejected rows: the file beside an output, which is never of an older version than the output.

Both files follow the write rule, and the rejected rows are written first. A version without any
empties those of an older version before it writes its output. Only two writers at once can then
leave older rejected rows: a writer that finds its output superseded looks after them.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from worker.errors import OutputRefused
from worker.job import S3Uri
from worker.storage.conditional_write import Replaces, none, write
from worker.storage.protocol import Storage
from worker.storage.provenance import InputVersion

REJECTS_SUFFIX = ".rejected.csv"
NO_REJECTS = b"line,reason,row\n"


def rejects_of(output: S3Uri) -> S3Uri:
    """Return where the rejected rows of an output are."""
    return replace(output, key=output.key + REJECTS_SUFFIX)


async def empty_older_rejects(
    storage: Storage,
    output: S3Uri,
    version: InputVersion,
    *,
    metadata: Mapping[str, str],
    replaces: Replaces,
    check_lease: Callable[[], None],
) -> None:
    """Replace the rejected rows of versions older than this one by an empty table."""
    rejects = rejects_of(output)
    if await storage.head(rejects) is None:
        return

    async def put(replacing: str | None) -> None:
        await storage.put(
            rejects,
            NO_REJECTS,
            metadata={**version.metadata(), **metadata},
            content_type="text/csv",
            replacing=replacing,
        )

    with suppress(OutputRefused):  # another program wrote that object: leave it
        await write(
            storage, rejects, put, version=version, replaces=replaces, check_lease=check_lease
        )


async def empty_superseded_rejects(
    storage: Storage,
    output: S3Uri,
    source: S3Uri,
    *,
    metadata: Mapping[str, str],
    check_lease: Callable[[], None],
) -> None:
    """Empty the rejected rows beside an output of this input if they are of an older version."""
    existing = await storage.head(output)
    version = existing and InputVersion.recorded_in(existing.metadata, source)
    if version:
        await empty_older_rejects(
            storage, output, version, metadata=metadata, replaces=none, check_lease=check_lease
        )
