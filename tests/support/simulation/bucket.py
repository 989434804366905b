"""The state of one simulated bucket: keys and versions, and the conditions of requests."""

import datetime as dt
import hashlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from botocore.exceptions import ClientError

from tests.support.simulation.errors import refused

NULL = "null"  # the id of every version written while versioning is not enabled
Versioning = Literal["Enabled", "Suspended"]  # S3 does not allow to unset it
VERSION_ID = re.compile(rf"v\d{{8}}|{NULL}")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, or a delete marker; its `etag` is without quotes."""

    id: str
    etag: str
    body: bytes
    metadata: Mapping[str, str]
    content_type: str
    at: float
    is_delete_marker: bool = False
    content_encoding: str | None = None


@dataclass
class SimulatedBucket:
    """Versions by key, the current one last."""

    name: str
    versioning: Versioning | None = None
    keys: dict[str, list[Version]] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def current(self, key: str) -> Version | None:
        """Return the current version; None when there is none, or a delete marker."""
        versions = self.keys.get(key)
        return versions[-1] if versions and not versions[-1].is_delete_marker else None

    def new_id(self) -> str:
        return f"v{next(self._numbers):08}" if self.versioning == "Enabled" else NULL

    def shown_id(self, version: Version) -> str | None:
        """Return the id as responses show it: None if the bucket was never versioned."""
        return None if self.versioning is None else version.id

    def described(self, version: Version) -> dict[str, Any]:
        """Return the fields of a version in GetObject and HeadObject."""
        shown = self.shown_id(version)
        return {
            "ETag": f'"{version.etag}"',
            "ContentLength": len(version.body),
            "ContentType": version.content_type,
            "Metadata": dict(version.metadata),
            "LastModified": moment(version.at),
            **({} if shown is None else {"VersionId": shown}),
            **(
                {}
                if version.content_encoding is None
                else {"ContentEncoding": version.content_encoding}
            ),
        }

    def add(self, key: str, version: Version) -> None:
        """Make it the current version; it replaces a version with the same id."""
        self.keys[key] = [*self._others(key, version.id), version]

    def drop(self, key: str, version_id: str) -> Version | None:
        """Delete a version for good; returns the version if it existed."""
        found = self._named(key, version_id)
        self.keys[key] = self._others(key, version_id)
        if not self.keys[key]:
            del self.keys[key]
        return found

    def _others(self, key: str, version_id: str) -> list[Version]:
        return [version for version in self.keys.get(key, []) if version.id != version_id]

    def _named(self, key: str, version_id: str) -> Version | None:
        versions = self.keys.get(key, [])
        return next((version for version in versions if version.id == version_id), None)

    def find(
        self, operation: str, key: str, version_id: str | None, if_match: str | None
    ) -> Version:
        """Return the version that a read asks for; raises the error that S3 returns."""
        version = self.current(key) if version_id is None else self._named(key, version_id)
        if version is None:
            raise _nothing(operation, version_id)
        if version.is_delete_marker:
            raise refused(operation, "MethodNotAllowed", "It is a delete marker.", 405)
        if if_match is not None and not _matches(version, if_match):
            raise _precondition(operation, "If-Match")
        return version

    def check_write(
        self, operation: str, key: str, if_match: str | None, if_none_match: str | None
    ) -> None:
        """Raise PreconditionFailed if the write's condition does not hold."""
        version = self.current(key)
        if if_none_match is not None and version is not None:
            raise _precondition(operation, "If-None-Match")
        if if_match is not None:
            if version is None:
                raise _nothing(operation, None)
            if not _matches(version, if_match):
                raise _precondition(operation, "If-Match")


def md5(body: bytes) -> str:
    """Return a body's MD5 digest, as in an ETag."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def moment(at: float) -> dt.datetime:
    """Convert the loop's time to a date."""
    return dt.datetime.fromtimestamp(at, dt.UTC)


def _matches(version: Version, condition: str) -> bool:
    return condition == "*" or condition.strip('"') == version.etag


def _nothing(operation: str, version_id: str | None) -> ClientError:
    if version_id is None:
        return refused(operation, "NoSuchKey", "The specified key does not exist.", 404)
    if VERSION_ID.fullmatch(version_id):
        return refused(operation, "NoSuchVersion", "The specified version does not exist.", 404)
    return refused(operation, "InvalidArgument", "Invalid version id specified")


def _precondition(operation: str, condition: str) -> ClientError:
    return refused(operation, "PreconditionFailed", f"{condition} did not hold.", 412)
