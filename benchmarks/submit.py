"""python -m benchmarks.submit: a million keys submitted, to a simulated S3 and SQS in this process.

Half of the inputs have an output, and every tenth one has a report. What is measured is our own
code: the join, the choice, the messages and the record; the simulated services answer at once. With
`--cloud` messages go to the local cloud too, by the same code and by a bare loop of as many
threads, so that both are measured at the same emulator in the same run.
"""

import argparse
import asyncio
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tidegate.aws.listing import Listed
from tidegate.localcloud.cloud import local_cloud
from tidegate.runs.choice import Choice, Counts
from tidegate.runs.join import find
from tidegate.runs.layout import Layout
from tidegate.runs.messages import BATCH_MESSAGES, THREADS, Sender
from tidegate.runs.record import Record
from tidegate.runs.request import Request
from tidegate.runs.states import Inquiry
from tidegate.runs.submitting import Submitter

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(hours=1)
OUTPUT, REPORT = 2, 10  # every second input has an output, every tenth one a report
CLOUD_MESSAGES = 5_000
REQUEST = Request("r1", "tide", "me", LATER, "in", "", "out", "p", "m")


class SimulatedAws:
    """S3 with so many inputs, and SQS; both count their calls."""

    def __init__(self, keys: int) -> None:
        self.calls: Counter[str] = Counter()
        self._keys = keys

    def list_objects_v2(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's parameters
        """List the inputs, the outputs below `p/`, or the reports below `p/_failed/`."""
        self.calls["ListObjectsV2"] += 1
        prefix, page = asked["Prefix"], asked["MaxKeys"]
        step = {"": 1, "p/": OUTPUT, "p/_failed/": REPORT}[prefix]
        form = f"{prefix}%07d.csv" + (".json" if step == REPORT else "")
        first = int(asked.get("ContinuationToken", "0"))
        last = min(self._keys, first + page * step)
        modified = START + timedelta(seconds=step - 1)
        entries = [
            {"Key": form % number, "ETag": '"e"', "Size": 1000, "LastModified": modified}
            for number in range(first, last, step)
        ]
        more = last < self._keys
        return {"Contents": entries, "IsTruncated": more, "NextContinuationToken": str(last)}

    def put_object(self, **_: object) -> None:
        """Take a part of the record."""
        self.calls["PutObject"] += 1

    def send_message_batch(self, **_: object) -> dict[str, Any]:
        """Take ten messages."""
        self.calls["SendMessageBatch"] += 1
        return {}


def submit(keys: int) -> dict[str, float]:
    """Submit what is left of so many inputs; return what it took."""
    aws: Any = SimulatedAws(keys)
    layout = Layout("out", "p")
    choice = Choice(Inquiry(aws, "in", layout), takes=lambda _: True)
    record = Record(aws, "out", "p/_runs/r1/")
    submitter = Submitter(REQUEST, record, Sender(aws, "q", "r1"), lambda _: None)
    counts = Counts()
    began = time.perf_counter()
    sent = submitter.run(choice.of(find(aws, "in", "", layout), counts))
    seconds = time.perf_counter() - began
    assert sent + counts.done + counts.failed == keys
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"keys": keys, "sent": sent, "keys/s": keys / seconds, "peak MB": peak, **aws.calls}


async def on_the_local_cloud() -> tuple[float, float]:
    """Return messages a second by a bare loop of as many threads, and by ours."""
    async with local_cloud() as cloud:
        return await asyncio.to_thread(_send_twice, cloud.client("sqs"))


def _send_twice(sqs: Any) -> tuple[float, float]:  # noqa: ANN401 - boto3's client
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    bodies = [REQUEST.submission.body(one) for one in _inputs(CLOUD_MESSAGES)]

    def bare() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            batches = range(0, len(bodies), BATCH_MESSAGES)
            list(pool.map(partial(_send_ten, sqs, url, bodies), batches))

    def ours() -> None:
        assert sum(Sender(sqs, url, "r1").send(bodies)) == len(bodies)

    bare()  # connections are open then
    return _rate(bare), _rate(ours)


def _rate(send: Callable[[], None]) -> float:
    began = time.perf_counter()
    send()
    return CLOUD_MESSAGES / (time.perf_counter() - began)


def _send_ten(sqs: Any, url: str, bodies: list[str], first: int) -> None:  # noqa: ANN401
    some = bodies[first : first + BATCH_MESSAGES]
    entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(some)]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)


def _inputs(number: int) -> Iterator[Listed]:
    return (Listed(f"{place:07}.csv", "e", 1000, START) for place in range(number))


def main() -> int:
    """Measure, and print a line for each number of keys."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--cloud", action="store_true", help="send to the local cloud too")
    arguments = parser.parse_args()
    for keys in arguments.keys:
        found = submit(keys)
        print("  ".join(f"{value:,.0f} {name}" for name, value in found.items()))
    if arguments.cloud:
        bare, ours = asyncio.run(on_the_local_cloud())
        print(f"messages a second to the emulator: {bare:,.0f} by a bare loop, {ours:,.0f} by ours")
    return 0


if __name__ == "__main__":
    sys.exit(main())
