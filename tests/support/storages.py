"""The storage with each of its clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.job import S3Uri
from worker.storage.s3 import S3Storage, open_storage


@asynccontextmanager
async def opened(*buckets: str, direct: bool, connections: int) -> AsyncIterator[S3Storage]:
    """Open the storage; the direct client knows the addresses of these buckets already."""
    async with open_storage(connections=connections, direct=direct) as storage:
        for bucket in buckets if direct else ():
            await storage.head(S3Uri(bucket, "known"))
            assert bucket in storage._objects._addresses
        yield storage
