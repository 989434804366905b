"""Patience: a call that fails for infrastructure is tried again in place, under the lease.

So an outage costs time and no receive. Nothing that was done is done again: a download goes on
where it was, and a prediction waits for its upload.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from worker.errors import InfrastructureError
from worker.job import S3Uri
from worker.jobs.limits import JobTimeout
from worker.lifecycle.breaker import Breaker
from worker.storage.protocol import Head, ObjectStart, Storage

log = structlog.get_logger()

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 1.0  # before a call is tried again; drawn from 0 to the pause
MAX_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Tries the calls of one job again, for as long as its `limit` says.

    The job's timeout is paused while a call waits. Time in which the breaker is tripped does not
    count. Without any patience, as when the worker stops, a call is made once and at once.
    """

    breaker: Breaker
    limit: JobTimeout
    check_lease: Callable[[], None]
    _logged: set[str] = field(default_factory=set)

    async def call(self, once: Callable[[], Awaitable[T]]) -> T:
        """Make a call until it is answered; raises InfrastructureError when the time is over.

        The lease is checked after each wait. Raises LeaseLost.
        """
        if not self.limit.patience_seconds:
            return await once()
        try:
            return await self._attempt(once, again=False)
        except InfrastructureError as error:
            return await self._call_again(once, error)

    async def _call_again(self, once: Callable[[], Awaitable[T]], error: InfrastructureError) -> T:
        started = self.breaker.running_seconds()
        pause = FIRST_PAUSE_SECONDS
        while self.breaker.running_seconds() - started < self.limit.patience_seconds:
            self._log_once(error)
            with self.limit.paused():
                await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - jitter
            pause = min(MAX_PAUSE_SECONDS, 2 * pause)
            try:
                return await self._attempt(once, again=True)
            except InfrastructureError as failure:
                error = failure
        seconds = self.limit.patience_seconds
        raise InfrastructureError(f"{error}, tried again for {seconds:g} s") from error

    async def _attempt(self, once: Callable[[], Awaitable[T]], *, again: bool) -> T:
        waits = again or self.breaker.tripped
        with await self._turn(again=again):
            if waits:
                self.check_lease()
            return await once()

    async def _turn(self, *, again: bool) -> AbstractContextManager[None]:
        turn = self.breaker.turn(self.limit.job, again=again)
        if not self.breaker.tripped:
            return await turn
        with self.limit.paused():
            return await turn

    def _log_once(self, error: InfrastructureError) -> None:
        """Log a cause once for each job: an hour of failures is one line, and not sixty."""
        cause = type(error.__cause__).__name__
        if cause not in self._logged:
            self._logged.add(cause)
            log.warning("call failed, trying again in place", error=str(error))


@dataclass(frozen=True, slots=True)
class PatientStorage:
    """Implements worker.storage.protocol.Storage for one job, with patience."""

    storage: Storage
    patience: Patience

    async def get(
        self, uri: S3Uri, *, version_id: str | None, etag: str | None, max_bytes: int
    ) -> ObjectStart:
        """Read the start of an object."""
        get = self.storage.get
        return await self.patience.call(
            partial(get, uri, version_id=version_id, etag=etag, max_bytes=max_bytes)
        )

    async def read(
        self, uri: S3Uri, start: int, stop: int, *, version_id: str | None, etag: str
    ) -> bytes:
        """Read a range."""
        read = self.storage.read
        return await self.patience.call(
            partial(read, uri, start, stop, version_id=version_id, etag=etag)
        )

    async def download(self, uri: S3Uri, path: Path, *, version_id: str | None) -> None:
        """Download to a path."""
        download = self.storage.download
        await self.patience.call(partial(download, uri, path, version_id=version_id))

    async def head(self, uri: S3Uri) -> Head | None:
        """Read the current version's head."""
        return await self.patience.call(partial(self.storage.head, uri))

    async def put(
        self,
        uri: S3Uri,
        body: bytes,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        content_encoding: str | None = None,
        replacing: str | None,
    ) -> None:
        """Write an object; after a lost answer the next attempt raises WriteConflict."""
        await self.patience.call(
            partial(
                self.storage.put,
                uri,
                body,
                metadata=metadata,
                content_type=content_type,
                content_encoding=content_encoding,
                replacing=replacing,
            )
        )

    async def begin(
        self,
        uri: S3Uri,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        content_encoding: str | None = None,
    ) -> str:
        """Begin a multipart upload.

        After a lost answer the bucket's lifecycle rule removes the upload that nobody knows.
        """
        return await self.patience.call(
            partial(
                self.storage.begin,
                uri,
                metadata=metadata,
                content_type=content_type,
                content_encoding=content_encoding,
            )
        )

    async def put_part(self, uri: S3Uri, upload: str, number: int, body: bytes) -> str:
        """Upload a part."""
        return await self.patience.call(partial(self.storage.put_part, uri, upload, number, body))

    async def complete(
        self, uri: S3Uri, upload: str, etags: Sequence[str], *, replacing: str | None
    ) -> None:
        """Complete an upload; after a lost answer the next attempt raises UploadLost."""
        complete = self.storage.complete
        await self.patience.call(partial(complete, uri, upload, etags, replacing=replacing))

    async def abort(self, uri: S3Uri, upload: str) -> None:
        """Remove an upload, without patience: a job that ends does not wait for that."""
        await self.storage.abort(uri, upload)
