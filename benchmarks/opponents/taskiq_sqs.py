"""taskiq with taskiq-aio-sqs: an asynchronous task, with client and model in the broker's state."""

import json
import sys
import uuid
from contextlib import AsyncExitStack
from typing import Any

from aiobotocore.session import get_session
from taskiq import TaskiqEvents, TaskiqMessage
from taskiq.cli.worker.args import WorkerArgs
from taskiq.cli.worker.run import start_listen
from taskiq_aio_sqs import SQSBroker

from benchmarks.opponent_helpers import (
    QUEUE,
    REGION,
    WAIT_SECONDS,
    load_model,
    output_key,
    predict,
    stop_when_drained,
)

COPIES = (1, 2)
TASK = "predict"

broker: Any = SQSBroker(
    QUEUE, region_name=REGION, max_number_of_messages=10, wait_time_seconds=WAIT_SECONDS
)


async def open_clients(state: Any) -> None:  # noqa: ANN401 - taskiq's state takes any attribute
    """Make the client and load the model, once."""
    state.stack = AsyncExitStack()
    opening = get_session().create_client("s3", region_name=REGION)
    state.s3 = await state.stack.enter_async_context(opening)
    state.model = load_model()


async def close_clients(state: Any) -> None:  # noqa: ANN401 - as above
    """Close the client."""
    await state.stack.aclose()


async def work(job: dict[str, str]) -> None:
    """Predict one file."""
    s3 = broker.state.s3
    answer = await s3.get_object(Bucket=job["bucket"], Key=job["key"])
    output = predict(broker.state.model, await answer["Body"].read())
    await s3.put_object(Bucket=job["output_bucket"], Key=output_key(job), Body=output)


broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, open_clients)
broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, close_clients)
broker.register_task(work, TASK)


def wrap(body: str) -> str:
    """Return a job's message body in taskiq's format."""
    message = TaskiqMessage(
        task_id=uuid.uuid4().hex, task_name=TASK, labels={}, args=[json.loads(body)], kwargs={}
    )
    dumped: bytes = broker.formatter.dumps(message).message
    return dumped.decode()


def main() -> int:
    """Drain the queue."""
    stop_when_drained()
    start_listen(WorkerArgs(broker=broker, modules=[], configure_logging=False, max_async_tasks=16))
    return 0


if __name__ == "__main__":
    sys.exit(main())
