"""Provenance: which version of which input an output was made from, as its metadata records it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from worker.job import Job, S3Uri
from worker.storage.protocol import Head


@dataclass(frozen=True, slots=True)
class InputVersion:
    """The version of an input that an output is made from."""

    uri: S3Uri
    etag: str
    version_id: str | None
    sequencer: str | None

    @classmethod
    def of(cls, job: Job, head: Head) -> "InputVersion":
        """Combine the message's facts with those of the object that was read."""
        return cls(job.source, head.etag, head.version_id, job.sequencer)

    @classmethod
    def recorded_in(cls, metadata: Mapping[str, str], uri: S3Uri) -> "InputVersion | None":
        """Return the version from which an output was made; None if of another input."""
        version = cls(
            uri,
            metadata.get("source-etag", ""),
            metadata.get("source-version-id"),
            metadata.get("source-sequencer"),
        )
        return version if metadata.get("source-id") == version.source_id else None

    @property
    def source_id(self) -> str:
        """A hash that identifies the input's bucket and key, in ASCII."""
        return hashlib.sha256(f"{self.uri.bucket}\0{self.uri.key}".encode()).hexdigest()

    def metadata(self) -> dict[str, str]:
        """Return the output's metadata: ASCII, far below S3's 2 KB."""
        facts = {
            "source-id": self.source_id,
            "source-etag": self.etag,
            "source-version-id": self.version_id,
            "source-sequencer": self.sequencer,
        }
        return {name: fact for name, fact in facts.items() if fact is not None}

    def is_recorded_in(self, metadata: Mapping[str, str]) -> bool:
        """Return whether an output with this metadata was made from this version."""
        recorded = metadata.get("source-version-id")
        if _names_a_write(recorded) and _names_a_write(self.version_id):
            return recorded == self.version_id
        if metadata.get("source-etag") != self.etag:
            return False
        # Equal bytes give an equal output, so only a new sequencer is worth a write: a later writer
        # decides by it which version is newer.
        return self.sequencer is None or metadata.get("source-sequencer") == self.sequencer


def is_current(head: Head | None, *, etag: str | None, version_id: str | None) -> bool:
    """Return whether an input's head shows that version; a head of None is a deleted input."""
    return head is not None and _is_same(head, etag, version_id) is True


def is_replaced(head: Head | None, *, etag: str | None, version_id: str | None) -> bool:
    """Return whether an input's head shows another version than that one.

    Nothing replaces a deleted input, whose head is None, or a version of which nothing is known.
    """
    return head is not None and _is_same(head, etag, version_id) is False


def _is_same(head: Head, etag: str | None, version_id: str | None) -> bool | None:
    """Return whether a head shows that version; None if nothing is known of the version."""
    if _names_a_write(head.version_id) and _names_a_write(version_id):
        return head.version_id == version_id
    return None if etag is None else head.etag == etag


def _names_a_write(version_id: str | None) -> bool:
    """Return whether a version id names one write: "null" is any write without versioning."""
    return version_id not in (None, "", "null")
