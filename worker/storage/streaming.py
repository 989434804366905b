"""Streaming: an input downloaded by ranges, read ahead; an output uploaded whole or in parts."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from worker.errors import OutputRefused, TidegateError, error_text
from worker.interfaces import Range
from worker.job import S3Uri
from worker.lifecycle.supervision import cancel_all
from worker.storage.protocol import Head, Storage

log = structlog.get_logger()

READ_AHEAD = 4  # parts that are being downloaded, or wait for their reader
# One request for what is read ahead. Several of them at once are there sooner than a larger one.
AHEAD_BYTES = 3 << 20
MOST_READS = 9  # under way for each pool process: three for each of three parts of a large file
HELD_PARTS = 2  # of an upload: one that is being filled and one that is being uploaded
MAX_PARTS = 10_000  # of an upload: S3's limit
ABORT_SECONDS = 2.0  # a stop has a deadline; the bucket's lifecycle rule removes what is left


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
        fetches: deque[asyncio.Future[bytes]] = deque()
        try:
            for start, stop in self.cut(ranges, self.part_bytes):
                fetches.append(self.begin_fetch(start, stop))
                if len(fetches) == READ_AHEAD:
                    yield await fetches[0]
                    fetches.popleft()
            while fetches:
                yield await fetches[0]
                fetches.popleft()
        finally:
            await cancel_all(fetches)

    def read_ahead(self, start: int, stop: int) -> "ReadAhead":
        """Begin to download a range now, before its bytes are asked for."""
        return ReadAhead(self, start, stop)

    def cut(self, ranges: Sequence[Range], max_bytes: int) -> Iterator[Range]:
        """Yield the ranges cut into parts of so many bytes, each of which is one request."""
        for start, stop in ranges:
            begin = start
            while begin < stop:
                in_first = len(self.first) if begin < len(self.first) else stop
                end = min(stop, begin + max_bytes, in_first)
                yield begin, end
                begin = end

    def begin_fetch(self, start: int, stop: int) -> asyncio.Future[bytes]:
        """Begin to download one part; the first bytes are here already."""
        if stop <= len(self.first):
            here = asyncio.get_running_loop().create_future()
            here.set_result(self.first[start:stop])
            return here
        return asyncio.create_task(self._fetch(start, stop), name="fetch")

    async def _fetch(self, start: int, stop: int) -> bytes:
        return await self.storage.read(
            self.uri, start, stop, version_id=self.version_id, etag=self.head.etag
        )


class ReadAhead:
    """Implements worker.interfaces.AsyncReadAhead: holds each part of its range until it is read.

    What is outside of the range, or was read before, is downloaded when it is asked for.
    """

    def __init__(self, download: Download, start: int, stop: int) -> None:
        self._download = download
        parts = download.cut([(start, stop)], min(AHEAD_BYTES, download.part_bytes))
        self._fetches = {part: download.begin_fetch(*part) for part in parts}

    async def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        """Yield the ranges part by part; raises InputOverwritten and TransientError."""
        for start, stop in ranges:
            for begin, end, part in self._split(start, stop):
                if part is None:
                    async with aclosing(self._download.read([(begin, end)])) as pieces:
                        async for piece in pieces:
                            yield piece
                else:
                    yield (await self._fetches[part])[begin - part[0] : end - part[0]]
                    if end == part[1]:
                        del self._fetches[part]

    def _split(self, start: int, stop: int) -> Iterator[tuple[int, int, Range | None]]:
        """Split a range; yields begin and end of each piece, and the part that holds it."""
        for first, last in list(self._fetches):
            if start < last and first < stop:
                if start < first:
                    yield start, first, None
                    start = first
                end = min(stop, last)
                yield start, end, (first, last)
                start = end
        if start < stop:
            yield start, stop, None

    async def close(self) -> None:
        """Drop what was not read, and end the downloads under way."""
        fetches = list(self._fetches.values())
        self._fetches.clear()
        await cancel_all(fetches)


class Upload:
    """One object being written: holds two parts at most, and is not visible before `commit`."""

    def __init__(
        self,
        storage: Storage,
        target: S3Uri,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        content_encoding: str | None = None,
        part_bytes: int,
    ) -> None:
        self.target = target
        self._storage = storage
        self._metadata = metadata
        self._content_type = content_type
        self._content_encoding = content_encoding
        self._part_bytes = part_bytes
        self._pending = bytearray()
        self._id: str | None = None
        self._etags: list[str] = []
        self._sending: asyncio.Task[str] | None = None

    @property
    def held(self) -> int:
        """The bytes that were taken and not yet sent."""
        return len(self._pending)

    @property
    def begun(self) -> bool:
        """Whether it has parts in S3 that are not visible yet."""
        return self._id is not None

    async def write(self, data: bytes) -> None:
        """Take data; a full part is uploaded while the next one fills."""
        self._pending += data
        while len(self._pending) > self._part_bytes:
            await self._send(bytes(self._pending[: self._part_bytes]))
            del self._pending[: self._part_bytes]

    async def finish(self) -> None:
        """Upload all parts, so that only `commit` is left."""
        if self._id is None:
            return
        if self._pending:
            await self._send(bytes(self._pending))
            self._pending.clear()
        await self._sent()

    async def commit(self, replacing: str | None, counts: Mapping[str, str]) -> None:
        """Make the finished object visible if none is there, or over the ETag `replacing`.

        `counts` is metadata that is known only now, so that a multipart upload cannot have it.
        Raises WriteConflict, after which it may be committed on another condition, or UploadLost.
        """
        if self._id is None:
            await self._storage.put(
                self.target,
                bytes(self._pending),
                metadata={**self._metadata, **counts},
                content_type=self._content_type,
                content_encoding=self._content_encoding,
                replacing=replacing,
            )
            return
        await self._storage.complete(self.target, self._id, self._etags, replacing=replacing)
        self._id = None  # nothing is left to abort

    async def abandon(self) -> None:
        """Remove the parts of an upload that was not completed."""
        if self._sending is not None:
            await cancel_all([self._sending])
        if self._id is None:
            return
        try:
            async with asyncio.timeout(ABORT_SECONDS):
                await self._storage.abort(self.target, self._id)
        except (TidegateError, TimeoutError) as error:
            log.warning("upload not aborted", output=str(self.target), error=error_text(error))

    async def _send(self, part: bytes) -> None:
        if self._id is None:
            self._id = await self._storage.begin(
                self.target,
                metadata=self._metadata,
                content_type=self._content_type,
                content_encoding=self._content_encoding,
            )
        await self._sent()  # so that no more than HELD_PARTS are held
        number = len(self._etags) + 1
        if number > MAX_PARTS:
            raise OutputRefused(
                f"the output is too large: {self.target} would have more than {MAX_PARTS} parts "
                f"of {self._part_bytes >> 20} MiB"
            )
        sending = self._storage.put_part(self.target, self._id, number, part)
        self._sending = asyncio.create_task(sending, name="upload")

    async def _sent(self) -> None:
        if self._sending is not None:
            self._etags.append(await self._sending)
            self._sending = None
