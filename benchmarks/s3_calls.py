"""python -m benchmarks.s3_calls: the client's CPU time of a GET and of a conditional PUT.

The SDK and the direct client take turns at the local cloud, whose own CPU time is not counted.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from statistics import median

import boto3

from tidegate.localcloud.cloud import Cloud, local_cloud
from worker.job import S3Uri
from worker.storage.s3 import S3Storage, open_storage

TURNS = 9
CALLS = 100  # in one turn
BODY = bytes(4096)
BUCKET = "bucket"
INPUT = S3Uri(BUCKET, "in/a.csv")
METADATA = {"source-id": "0" * 64, "source-etag": "1" * 32, "model-sha256": "2" * 64, "rows": "150"}


async def get(storage: S3Storage, _: int) -> None:
    """Read the input."""
    await storage.get(INPUT, version_id=None, etag=None, max_bytes=len(BODY))


async def put(storage: S3Storage, number: int) -> None:
    """Write an output that is not there yet."""
    target = S3Uri(BUCKET, f"out/{number}.csv")
    await storage.put(target, BODY, metadata=METADATA, content_type="text/csv", replacing=None)


async def main() -> None:
    """Measure, and print a line for each call and client."""
    async with local_cloud() as cloud:
        os.environ.update(cloud.environment())
        await asyncio.to_thread(_upload, cloud)
        async with (
            open_storage(connections=4, direct=False) as sdk,
            open_storage(connections=4) as direct,
        ):
            await _measure({"aioboto3": sdk, "direct": direct})


def _upload(cloud: Cloud) -> None:
    s3 = boto3.client("s3", endpoint_url=cloud.url)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=INPUT.key, Body=BODY)


async def _measure(storages: Mapping[str, S3Storage]) -> None:
    numbers = iter(range(10**9))
    for call in (get, put):
        spent: dict[str, list[float]] = {client: [] for client in storages}
        for _ in range(1 + TURNS):  # the first turn warms up
            for client, storage in storages.items():
                began = time.process_time()
                for _ in range(CALLS):
                    await call(storage, next(numbers))
                spent[client].append((time.process_time() - began) / CALLS * 1000)
        for client, turns in spent.items():
            print(f"{call.__name__} by {client}: {median(turns[1:]):.2f} ms CPU")


if __name__ == "__main__":
    asyncio.run(main())
