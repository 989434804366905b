"""One object on its way up: a single PUT while it is small, and parts when it is not."""

import asyncio
from collections.abc import Mapping

import structlog

from worker.errors import OutputRefused, TidegateError, error_text
from worker.job import S3Uri
from worker.storage.protocol import Storage

log = structlog.get_logger()

MOST_PARTS = 10_000  # S3's limit
ABORT_SECONDS = 2.0  # a stop has a deadline; what is left over, the bucket's lifecycle removes


class Upload:
    """Takes data in, holds two parts of it at most, and shows nothing before it is committed."""

    def __init__(
        self,
        storage: Storage,
        target: S3Uri,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        part_bytes: int,
    ) -> None:
        self.target = target
        self._storage = storage
        self._metadata = metadata
        self._content_type = content_type
        self._part_bytes = part_bytes
        self._waiting = bytearray()
        self._id: str | None = None
        self._etags: list[str] = []
        self._under_way: asyncio.Task[str] | None = None

    @property
    def held(self) -> int:
        """Bytes taken in and not yet sent."""
        return len(self._waiting)

    async def write(self, data: bytes) -> None:
        """Take data in; a part that is full goes up while the next one fills."""
        self._waiting += data
        while len(self._waiting) > self._part_bytes:
            await self._send(bytes(self._waiting[: self._part_bytes]))
            del self._waiting[: self._part_bytes]

    async def finish(self) -> None:
        """Have all the parts up, so that nothing but the commit is left."""
        if self._id is None:
            return
        if self._waiting:
            await self._send(bytes(self._waiting))
            self._waiting.clear()
        await self._landed()

    async def commit(self, replacing: str | None, counts: Mapping[str, str]) -> None:
        """Make what is finished visible where nothing is yet, or in the place of `replacing`.

        `counts` is metadata known only now, which a multipart upload has no room for. Raises
        WriteConflict, after which it may be committed on another condition, or UploadLost.
        """
        if self._id is None:
            await self._storage.put(
                self.target,
                bytes(self._waiting),
                metadata={**self._metadata, **counts},
                content_type=self._content_type,
                replacing=replacing,
            )
            return
        await self._storage.complete(self.target, self._id, self._etags, replacing=replacing)
        self._id = None  # over: nothing is left to be aborted

    async def abandon(self) -> None:
        """Leave no part behind, if the upload was not completed."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)
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
                self.target, metadata=self._metadata, content_type=self._content_type
            )
        await self._landed()  # one under way and one that fills: no more is held
        number = len(self._etags) + 1
        if number > MOST_PARTS:
            raise OutputRefused(
                f"the output is too large: {self.target} would have more than {MOST_PARTS} parts "
                f"of {self._part_bytes >> 20} MiB"
            )
        sending = self._storage.put_part(self.target, self._id, number, part)
        self._under_way = asyncio.create_task(sending, name="upload")

    async def _landed(self) -> None:
        if self._under_way is not None:
            self._etags.append(await self._under_way)
            self._under_way = None
