"""What a queue accepts and how it delivers, on both sides."""

import asyncio
from collections.abc import Sequence

from tests.support.conformance.calls import (
    change,
    counts,
    handle_of_one,
    longest_poll,
    md5,
    receive,
    send,
    with_dead_letter_queue,
)
from tests.support.conformance.sides import Side, on_both, refused
from worker.queue.sqs import EntryResult, SqsQueue


@on_both()
async def test_a_message_is_received_as_it_was_sent(side: Side) -> None:
    queue = await side.queue()
    text = {"DataType": "String", "StringValue": "why"}
    sent = await side.sqs.send_message(
        QueueUrl=queue, MessageBody="grüße", MessageAttributes={"reason": text}
    )

    (message,) = await receive(side, queue, MessageAttributeNames=["All"])

    digest = md5("grüße".encode()).hexdigest()
    assert message["Body"] == "grüße"
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == digest
    assert message["MessageId"] == sent["MessageId"]
    assert message["MessageAttributes"]["reason"]["StringValue"] == "why"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


@on_both()
async def test_attributes_come_only_where_they_are_asked_for(side: Side) -> None:
    queue = await side.queue()
    text = {"DataType": "String", "StringValue": "why"}
    await side.sqs.send_message(
        QueueUrl=queue, MessageBody="one", MessageAttributes={"reason": text}
    )
    (message,) = await receive(side, queue, MessageSystemAttributeNames=[])
    assert not {"Attributes", "MessageAttributes"} & set(message)


@on_both()
async def test_receive_counts_are_asked_for_by_either_name(side: Side) -> None:
    queue = await side.queue()
    await send(side, queue, "one")
    for name in ("AttributeNames", "MessageSystemAttributeNames"):
        asked: dict[str, Sequence[str]] = {"MessageSystemAttributeNames": []}
        asked[name] = ["ApproximateReceiveCount"]
        (message,) = await receive(side, queue, VisibilityTimeout=0, **asked)
        assert list(message["Attributes"]) == ["ApproximateReceiveCount"]


@on_both()
async def test_a_receive_brings_at_most_as_many_as_asked_and_hides_them(side: Side) -> None:
    queue = await side.queue()
    await send(side, queue, "a", "b", "c")
    assert len(await receive(side, queue, MaxNumberOfMessages=2)) == 2
    assert await counts(side, queue) == (1, 2)
    assert len(await receive(side, queue)) == 1
    assert await receive(side, queue) == []


@on_both()
async def test_a_long_poll_wakes_when_a_message_is_sent(side: Side) -> None:
    queue = await side.queue()
    async with longest_poll(side) as still_waits:
        (message,), _ = await asyncio.gather(
            receive(side, queue, WaitTimeSeconds=20), send(side, queue, "one")
        )
        assert still_waits()
    assert message["Body"] == "one"


@on_both()
async def test_a_long_poll_of_an_empty_queue_takes_its_time_and_no_more(side: Side) -> None:
    queue = await side.queue()
    async with longest_poll(side) as still_waits:
        began = side.runner.get_loop().time()
        assert await receive(side, queue, WaitTimeSeconds=1) == []
        assert side.runner.get_loop().time() - began >= 0.99
        assert still_waits()


@on_both()
async def test_a_long_poll_brings_what_becomes_visible_again_with_a_new_handle(side: Side) -> None:
    queue = await side.queue()
    first = await handle_of_one(side, queue)
    assert await receive(side, queue) == []
    await change(side, queue, first, 1)

    (message,) = await receive(side, queue, WaitTimeSeconds=20)

    assert message["ReceiptHandle"] != first
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"


@on_both()
async def test_a_receive_may_override_the_queues_own_visibility(side: Side) -> None:
    queue = await side.queue(VisibilityTimeout="0")
    await handle_of_one(side, queue)
    assert len(await receive(side, queue, VisibilityTimeout=30)) == 1
    assert await counts(side, queue) == (0, 1)


@on_both()
async def test_no_more_than_ten_messages_are_asked_for_at_once(side: Side) -> None:
    queue = await side.queue()
    for number in (0, 11):
        with refused("InvalidParameterValue"):
            await receive(side, queue, MaxNumberOfMessages=number)


@on_both()
async def test_a_message_is_some_text_that_xml_allows(side: Side) -> None:
    queue = await side.queue()
    await send(side, queue, "tab\t, line\r\n and \U0001f30a")
    with refused("MissingParameter"):
        await send(side, queue, "")
    with refused("InvalidMessageContents"):
        await send(side, queue, "bell\x07")
    assert await counts(side, queue) == (1, 0)


@on_both(local_cloud_differs="any number of attributes is accepted there")
async def test_a_message_has_ten_attributes_at_most(side: Side) -> None:
    queue = await side.queue()
    text = {"DataType": "String", "StringValue": "value"}
    ten = {str(number): text for number in range(10)}
    await side.sqs.send_message(QueueUrl=queue, MessageBody="one", MessageAttributes=ten)
    with refused("InvalidParameterValue"):
        await side.sqs.send_message(
            QueueUrl=queue, MessageBody="one", MessageAttributes=ten | {"11": text}
        )


@on_both(local_cloud_differs="attributes are not counted there")
async def test_attributes_count_towards_the_largest_size_of_a_message(side: Side) -> None:
    queue = await side.queue(MaximumMessageSize="1024")
    reason = {"DataType": "String", "StringValue": "x" * 88}
    sizes = [len("reason"), len("String"), 88]
    body = "x" * (1024 - sum(sizes))
    await side.sqs.send_message(
        QueueUrl=queue, MessageBody=body, MessageAttributes={"reason": reason}
    )
    with refused("InvalidParameterValue"):
        await side.sqs.send_message(
            QueueUrl=queue, MessageBody=body + "x", MessageAttributes={"reason": reason}
        )


@on_both(local_cloud_differs="an attribute without a value is accepted there")
async def test_an_attribute_of_a_message_has_a_value(side: Side) -> None:
    queue = await side.queue()
    empty = {"reason": {"DataType": "String", "StringValue": ""}}
    with refused("InvalidParameterValue"):
        await side.sqs.send_message(QueueUrl=queue, MessageBody="one", MessageAttributes=empty)


@on_both()
async def test_a_queue_is_found_by_its_name(side: Side) -> None:
    queue = await side.queue(VisibilityTimeout="77")
    name = queue.rsplit("/", 1)[-1]
    assert (await side.sqs.get_queue_url(QueueName=name))["QueueUrl"] == queue
    asked = ["VisibilityTimeout", "RedrivePolicy"]
    answer = await side.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=asked)
    assert answer["Attributes"] == {"VisibilityTimeout": "77"}


@on_both()
async def test_a_queue_is_made_once_and_not_again_with_other_attributes(side: Side) -> None:
    queue = await side.queue(VisibilityTimeout="77")
    name = queue.rsplit("/", 1)[-1]
    assert (await side.sqs.create_queue(QueueName=name))["QueueUrl"] == queue
    with refused("QueueAlreadyExists"):
        await side.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "7"})


@on_both()
async def test_a_queue_that_is_not_there_is_named_so_by_every_operation(side: Side) -> None:
    nowhere = await side.queue() + "-nowhere"
    with refused("NonExistentQueue"):
        await side.sqs.get_queue_url(QueueName=nowhere.rsplit("/", 1)[-1])
    with refused("NonExistentQueue"):
        name = nowhere.removesuffix("-nowhere").rsplit("/", 1)[-1]
        await side.sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId="999999999999")
    with refused("NonExistentQueue"):
        await receive(side, nowhere)
    with refused("NonExistentQueue"):
        await send(side, nowhere, "one")
    with refused("NonExistentQueue"):
        await change(side, nowhere, "handle", 0)


@on_both()
async def test_the_workers_queue_works_on_it(side: Side) -> None:
    url, dead = await with_dead_letter_queue(side, receives=5)
    queue = SqsQueue(url, side.sqs, side.sqs)
    assert (await queue.read_attributes()).max_receive_count == 5
    await send(side, url, "a", "b")
    messages = await queue.receive(10, 0)
    assert sorted(message.body for message in messages) == ["a", "b"]
    first, second = (message.receipt_handle for message in messages)
    results = await queue.change_visibility([(first, 0), ("nobody's", 0)])
    assert results == [EntryResult.OK, EntryResult.REFUSED]
    assert await queue.delete([second]) == [EntryResult.OK]
    assert await queue.send_to_dead_letters("c", {"reason": "why"})
    assert await counts(side, url) == await counts(side, dead) == (1, 0)
