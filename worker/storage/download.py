"""Download of an input: its first bytes come with the job, the rest part by part, read ahead."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from worker.interfaces import Range
from worker.job import S3Uri
from worker.storage.protocol import Head, Storage

READ_AHEAD = 3  # parts that are being downloaded, or wait for their reader


@dataclass(frozen=True, slots=True)
class Download:
    """Implements worker.interfaces.AsyncInputReader; every part is of one version."""

    storage: Storage
    uri: S3Uri
    version_id: str | None
    head: Head
    first: bytes
    part_bytes: int

    @property
    def size(self) -> int:
        """The bytes of the whole object."""
        return self.head.size

    async def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        """Yield the ranges part by part; raises InputOverwritten and TransientError."""
        fetches: deque[asyncio.Task[bytes]] = deque()
        try:
            for start, stop in self._parts(ranges):
                fetches.append(asyncio.create_task(self._fetch(start, stop), name="fetch"))
                if len(fetches) == READ_AHEAD:
                    yield await fetches[0]
                    fetches.popleft()
            while fetches:
                yield await fetches[0]
                fetches.popleft()
        finally:
            for fetch in fetches:
                fetch.cancel()
            await asyncio.gather(*fetches, return_exceptions=True)

    def _parts(self, ranges: Sequence[Range]) -> Iterator[Range]:
        for start, stop in ranges:
            for first in range(start, stop, self.part_bytes):
                yield first, min(stop, first + self.part_bytes)

    async def _fetch(self, start: int, stop: int) -> bytes:
        return await self.storage.read(
            self.uri, start, stop, version_id=self.version_id, etag=self.head.etag
        )
