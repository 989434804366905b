"""The floor: coroutines on bare aiobotocore, our own parse, predict and write inline, no safety."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from benchmarks.opponent_helpers import QUEUE, REGION, WAIT_SECONDS, output_key
from worker.interfaces import OutputForm, Range, ScoreOptions
from worker.models import Predictor, load_predictor
from worker.scoring.score import score

POLLS = 2
BATCH = 10


class Bytes:
    """Implements worker.interfaces.InputReader and OutputSink for a file in memory."""

    def __init__(self, first: bytes) -> None:
        self.first = first
        self.size = len(first)
        self.output: list[bytes] = []

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """The bytes of the ranges."""
        for start, stop in ranges:
            yield self.first[start:stop]

    def reserve(self, size: int) -> None:
        """All of it is held already."""

    def open(self, form: OutputForm) -> None:
        """No form makes a difference here."""

    def write(self, data: bytes) -> None:
        """Add to the output."""
        self.output.append(data)

    def reject(self, data: bytes) -> None:
        """Nothing is rejected here."""


async def drain(sqs: Any, s3: Any, url: str, predictor: Predictor) -> None:  # noqa: ANN401 - untyped
    """Receive ten, work on them at once, delete them at once, until a poll brings nothing."""
    options = ScoreOptions()

    async def work(job: dict[str, str]) -> None:
        answer = await s3.get_object(Bucket=job["bucket"], Key=job["key"])
        file = Bytes(await answer["Body"].read())
        score(file, predictor, options, file)
        body = b"".join(file.output)
        await s3.put_object(Bucket=job["output_bucket"], Key=output_key(job), Body=body)

    while True:
        answer = await sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=WAIT_SECONDS
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        await asyncio.gather(*(work(json.loads(message["Body"])) for message in messages))
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        await sqs.delete_message_batch(QueueUrl=url, Entries=entries)


async def main() -> None:
    """Drain the queue."""
    session = get_session()
    config = AioConfig(max_pool_connections=2 * POLLS * BATCH)
    predictor = load_predictor(Path(os.environ["WORKER_MODEL"]), method="auto", factory=None)
    async with AsyncExitStack() as stack:
        clients: list[Any] = [
            await stack.enter_async_context(
                session.create_client(service, region_name=REGION, config=config)
            )
            for service in ("sqs", "s3")
        ]
        sqs, s3 = clients
        url = (await sqs.get_queue_url(QueueName=QUEUE))["QueueUrl"]
        await asyncio.gather(*(drain(sqs, s3, url, predictor) for _ in range(POLLS)))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
