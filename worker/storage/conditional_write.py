"""The write rule: of all versions of an input, the output of the newest one stays.

A write is conditional. If another object is in its place, that object's metadata decides: an
output of another input is never touched; an output of the same version is already done; of two
versions, the newer one stays.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from enum import Enum

from worker.errors import OutputRefused, TransientError
from worker.job import S3Uri
from worker.storage.protocol import Head, Storage, UploadLost, WriteConflict
from worker.storage.provenance import InputVersion, is_current

# Which outputs of the same version, by their heads, a write replaces.
Replaces = Callable[[Head], bool]

WRITE_ATTEMPTS = 8
PAUSE_SECONDS = 0.1  # before the third attempt, at most; each later one may wait twice as long
MAX_PAUSE_SECONDS = 5.0


class WriteResult(Enum):
    """The result of a conditional write."""

    NEW = "new"
    REPLACED = "replaced"
    ALREADY_DONE = "already done"
    SUPERSEDED = "superseded"


def none(_: Head) -> bool:
    """Replace no output of the same version."""
    return False


async def write(
    storage: Storage,
    target: S3Uri,
    put: Callable[[str | None], Awaitable[None]],
    *,
    version: InputVersion,
    replaces: Replaces,
    check_lease: Callable[[], None],
) -> WriteResult:
    """Write an output unless an output of the same or of a newer version is in its place.

    `put(None)` writes only if no object exists, `put(etag)` only over the object with that ETag.
    `replaces` says which outputs of the same version are replaced. Raises OutputRefused if the
    output of another input is there.
    """
    replacing: str | None = None
    for attempt in range(WRITE_ATTEMPTS):
        await pause_before(attempt)
        check_lease()
        try:
            await put(replacing)
        except WriteConflict as conflict:
            existing = await storage.head(target)
            if existing is not None:
                result = await _decide(storage, target, existing, version, replaces)
                if result is not WriteResult.REPLACED:
                    return result
            if isinstance(conflict, UploadLost):
                raise TransientError(
                    f"{conflict}, and every part must be uploaded again"
                ) from conflict
            replacing = None if existing is None else existing.etag
        else:
            return WriteResult.NEW if replacing is None else WriteResult.REPLACED
    raise TransientError(f"{target} kept changing during {WRITE_ATTEMPTS} attempts to write it")


async def pause_before(attempt: int) -> None:
    """Wait before an attempt, numbered from 0, at a write that goes on conflicting: full jitter.

    The second attempt follows at once: it replaces the object that the first one has met.
    """
    if attempt > 1:
        longest = min(MAX_PAUSE_SECONDS, PAUSE_SECONDS * 2.0 ** (attempt - 2))
        await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - jitter


async def preview(
    storage: Storage, target: S3Uri, *, version: InputVersion, replaces: Replaces
) -> WriteResult | None:
    """Return the result if `write` would write nothing; None if it would write.

    Raises OutputRefused as `write` does.
    """
    existing = await storage.head(target)
    if existing is None:
        return None
    result = await _decide(storage, target, existing, version, replaces)
    return None if result is WriteResult.REPLACED else result


async def _decide(
    storage: Storage, target: S3Uri, existing: Head, version: InputVersion, replaces: Replaces
) -> WriteResult:
    recorded = existing.metadata
    if recorded.get("source-id") != version.source_id:
        raise OutputRefused(f"{target} is taken: it is not an output of {version.uri}")
    if version.is_recorded_in(recorded):
        return WriteResult.REPLACED if replaces(existing) else WriteResult.ALREADY_DONE
    theirs, ours = recorded.get("source-sequencer"), version.sequencer
    if theirs and ours and len(theirs) == len(ours):
        newer = ours.lower() > theirs.lower()
    else:
        current = await storage.head(version.uri)
        newer = is_current(current, etag=version.etag, version_id=version.version_id)
    return WriteResult.REPLACED if newer else WriteResult.SUPERSEDED
