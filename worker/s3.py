"""The storage on S3; all that is said to S3 is said in its two halves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.aws import config, open_client
from worker.s3_reads import S3Reads
from worker.s3_writes import S3Writes


class S3Storage(S3Reads, S3Writes):
    """Implements worker.storage.Storage."""


@asynccontextmanager
async def open_storage(*, connections: int) -> AsyncIterator[S3Storage]:
    """Open the storage; `connections` requests may be under way at once."""
    settings = config(connections=connections, read_seconds=60, attempts=4)
    async with open_client("s3", settings) as client:
        yield S3Storage(client)
