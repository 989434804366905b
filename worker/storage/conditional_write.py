"""Where outputs go, what they say of their origin, and which of two versions may stay."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from worker.errors import OutputRefused, TransientError
from worker.job import Job, S3Uri
from worker.storage.protocol import Head, Storage, UploadLost, WriteConflict

LONGEST_KEY = 1024  # bytes, S3's limit
WRITE_ATTEMPTS = 8


class Written(Enum):
    """What a conditional write came to."""

    NEW = "new"
    REPLACED = "replaced"
    ALREADY_DONE = "already done"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Source:
    """The version of an input that an output was made from."""

    uri: S3Uri
    etag: str
    version_id: str | None
    sequencer: str | None

    @classmethod
    def of(cls, job: Job, head: Head) -> "Source":
        """Combine what the message knew with what the read found."""
        return cls(job.source, head.etag, head.version_id, job.sequencer)

    @property
    def id(self) -> str:
        """Name the input object in ASCII, whatever its key."""
        return hashlib.sha256(f"{self.uri.bucket}\0{self.uri.key}".encode()).hexdigest()

    def metadata(self) -> dict[str, str]:
        """Say it in an object's metadata: ASCII, far below S3's 2 KB."""
        facts = {
            "source-id": self.id,
            "source-etag": self.etag,
            "source-version-id": self.version_id,
            "source-sequencer": self.sequencer,
        }
        return {name: fact for name, fact in facts.items() if fact is not None}


def target_key(template: str, job: Job, source: Source | None = None) -> str:
    """Fill a key template; raises OutputRefused when the key is longer than S3 allows."""
    key = _fill(template, job, source, job.key)
    if len(key.encode()) > LONGEST_KEY:
        raise OutputRefused(f"the output key has more than {LONGEST_KEY} bytes: {key}")
    return key


def report_key(template: str, job: Job) -> str:
    """Fill the failure template; a key too long gives way to its hash."""
    key = _fill(template, job, None, job.key)
    if len(key.encode()) <= LONGEST_KEY:
        return key
    return _fill(template, job, None, hashlib.sha256(job.key.encode()).hexdigest())


def _fill(template: str, job: Job, source: Source | None, key: str) -> str:
    prefix = job.output_key
    if not prefix:
        template = template.replace("{output_key}/", "")
    etag = source.etag if source else job.etag
    version_id = source.version_id if source else job.version_id
    return template.format(
        output_key=prefix, key=key, etag=etag or "unknown", version_id=version_id or "unknown"
    )


async def write(
    storage: Storage,
    target: S3Uri,
    put: Callable[[str | None], Awaitable[None]],
    *,
    source: Source,
    again: bool,
    check_lease: Callable[[], None],
) -> Written:
    """Write an output unless its place is rightly taken, so that the newest version stays.

    `put` writes where nothing is yet, or in the place of the ETag that it is given. Raises
    OutputRefused when another input's output is there.
    """
    replacing: str | None = None
    for _ in range(WRITE_ATTEMPTS):
        check_lease()
        try:
            await put(replacing)
        except WriteConflict as conflict:
            there = await storage.head(target)
            if there is not None:
                verdict = await _decide(storage, target, there, source, again=again)
                if verdict is not Written.REPLACED:
                    return verdict
            if isinstance(conflict, UploadLost):
                raise TransientError(f"{conflict}, and all of it must go up anew") from conflict
            replacing = None if there is None else there.etag
        else:
            return Written.NEW if replacing is None else Written.REPLACED
    raise TransientError(f"{target} kept changing under {WRITE_ATTEMPTS} writes")


async def preview(
    storage: Storage, target: S3Uri, *, source: Source, again: bool
) -> Written | None:
    """Tell what a write would come to if nothing changed; None when it would write.

    Raises OutputRefused as `write` does.
    """
    there = await storage.head(target)
    if there is None:
        return None
    verdict = await _decide(storage, target, there, source, again=again)
    return None if verdict is Written.REPLACED else verdict


async def _decide(
    storage: Storage, target: S3Uri, there: Head, ours: Source, *, again: bool
) -> Written:
    theirs = there.metadata
    if theirs.get("source-id") != ours.id:
        raise OutputRefused(f"{target} is taken: it is not an output of {ours.uri}")
    if _same_version(theirs, ours):
        return Written.REPLACED if again else Written.ALREADY_DONE
    known, own = theirs.get("source-sequencer"), ours.sequencer
    if known and own and len(known) == len(own):
        newer = own.lower() > known.lower()
    else:
        newer = is_current(await storage.head(ours.uri), ours)
    return Written.REPLACED if newer else Written.SUPERSEDED


def _same_version(theirs: Mapping[str, str], ours: Source) -> bool:
    version_id = theirs.get("source-version-id")
    if _tells(version_id) and _tells(ours.version_id):
        return version_id == ours.version_id
    if theirs.get("source-etag") != ours.etag:
        return False
    # The same bytes give the same output. Only a sequencer that is not recorded yet matters: it
    # tells a later writer which of two contents came last.
    return ours.sequencer is None or theirs.get("source-sequencer") == ours.sequencer


def is_current(current: Head | None, source: Source) -> bool:
    """Tell whether an input's current version is the one that was read."""
    if current is None:
        return False
    if _tells(current.version_id) and _tells(source.version_id):
        return current.version_id == source.version_id
    return current.etag == source.etag


def _tells(version_id: str | None) -> bool:
    """Tell whether a version id names one write: "null" is any made while versioning was off."""
    return version_id not in (None, "", "null")
