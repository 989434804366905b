"""When a queue moves a message to its dead-letter queue, on both sides."""

from tests.support.conformance.calls import (
    change,
    counts,
    handle_of_one,
    receive,
    send,
    with_dead_letter_queue,
)
from tests.support.conformance.sides import Side, on_both


@on_both()
async def test_a_message_received_too_often_is_dead_lettered_as_it_is(side: Side) -> None:
    queue, dead = await with_dead_letter_queue(side, receives=2)
    await send(side, queue, "poison")
    (first,) = await receive(side, queue, VisibilityTimeout=0)
    (second,) = await receive(side, queue, VisibilityTimeout=0)
    assert await counts(side, dead) == (0, 0)

    assert await receive(side, queue) == []

    (message,) = await receive(side, dead)
    assert message["MessageId"] == first["MessageId"]
    assert message["Body"] == "poison"
    assert message["ReceiptHandle"] not in {first["ReceiptHandle"], second["ReceiptHandle"]}
    assert message["Attributes"]["SentTimestamp"] == first["Attributes"]["SentTimestamp"]
    assert message["Attributes"]["DeadLetterQueueSourceArn"].endswith(queue.rsplit("/", 1)[-1])
    assert await counts(side, queue) == (0, 0)


@on_both()
async def test_a_spent_message_in_flight_is_still_its_receivers(side: Side) -> None:
    queue, dead = await with_dead_letter_queue(side, receives=1)
    handle = await handle_of_one(side, queue)
    assert await receive(side, queue) == []
    await change(side, queue, handle, 60)
    await side.sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    assert await counts(side, queue) == await counts(side, dead) == (0, 0)
