"""What can be done with a receipt handle, on both sides."""

from tests.support.conformance.calls import change, counts, handle_of_one, ids, receive, send
from tests.support.conformance.sides import Side, on_both, refused

TWELVE_HOURS = 43_200


@on_both()
async def test_an_extension_counts_from_when_it_is_asked_for(side: Side) -> None:
    queue = await side.queue()
    handle = await handle_of_one(side, queue, VisibilityTimeout=5)
    await change(side, queue, handle, 600)
    assert await receive(side, queue, WaitTimeSeconds=6) == []
    await change(side, queue, handle, 0)
    assert len(await receive(side, queue)) == 1


@on_both()
async def test_a_released_message_is_received_again_at_once_and_keeps_its_past(side: Side) -> None:
    queue = await side.queue()
    sent = await send(side, queue, "one")
    (first,) = await receive(side, queue)
    await change(side, queue, first["ReceiptHandle"], 0)

    (second,) = await receive(side, queue)

    assert [first["MessageId"], second["MessageId"]] == sent * 2
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp"):
        assert second["Attributes"][name] == first["Attributes"][name]


@on_both()
async def test_a_deleted_message_is_gone(side: Side) -> None:
    queue = await side.queue()
    handle = await handle_of_one(side, queue)
    await side.sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    assert await counts(side, queue) == (0, 0)


@on_both(local_cloud_differs="deleting twice is an error there")
async def test_what_is_deleted_already_may_be_deleted_again(side: Side) -> None:
    queue = await side.queue()
    handle = await handle_of_one(side, queue)
    for _ in range(2):
        await side.sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)


@on_both()
async def test_a_deletion_in_a_batch_succeeds_or_fails_by_itself(side: Side) -> None:
    queue = await side.queue()
    handle = await handle_of_one(side, queue)
    answer = await side.sqs.delete_message_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "good", "ReceiptHandle": handle},
            {"Id": "bad", "ReceiptHandle": "nobody's"},
        ],
    )
    assert ids(answer["Successful"]) == ["good"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"]) == ("bad", "ReceiptHandleIsInvalid")
    assert failed["SenderFault"] is True
    assert await counts(side, queue) == (0, 0)


@on_both()
async def test_a_change_in_a_batch_succeeds_or_fails_by_itself(side: Side) -> None:
    queue = await side.queue()
    handle = await handle_of_one(side, queue)
    answer = await side.sqs.change_message_visibility_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "bad", "ReceiptHandle": "nobody's", "VisibilityTimeout": 0},
            {"Id": "good", "ReceiptHandle": handle, "VisibilityTimeout": 0},
        ],
    )
    assert ids(answer["Successful"]) == ["good"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["SenderFault"]) == ("bad", True)
    assert await counts(side, queue) == (1, 0)


@on_both()
async def test_a_batch_that_is_none_is_refused_whole(side: Side) -> None:
    queue = await side.queue()
    handle = await handle_of_one(side, queue)
    for names, code in (
        ([], "EmptyBatchRequest"),
        ([str(number) for number in range(11)], "TooManyEntriesInBatchRequest"),
        (["same", "same"], "BatchEntryIdsNotDistinct"),
        (["not an id"], "InvalidBatchEntryId"),
    ):
        entries = [{"Id": name, "ReceiptHandle": handle} for name in names]
        with refused(code):
            await side.sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        changes = [entry | {"VisibilityTimeout": 0} for entry in entries]
        with refused(code):
            await side.sqs.change_message_visibility_batch(QueueUrl=queue, Entries=changes)
    assert await counts(side, queue) == (0, 1)


@on_both()
async def test_a_handle_is_refused_once_its_message_was_received_again(side: Side) -> None:
    queue = await side.queue()
    old = await handle_of_one(side, queue, VisibilityTimeout=0)
    (message,) = await receive(side, queue)
    with refused("ReceiptHandleIsInvalid"):
        await change(side, queue, old, 0)
    with refused("ReceiptHandleIsInvalid"):
        await side.sqs.delete_message(QueueUrl=queue, ReceiptHandle=old)
    await side.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


@on_both()
async def test_a_handle_of_another_queue_is_refused(side: Side) -> None:
    queue, other = await side.queue(), await side.queue()
    handle = await handle_of_one(side, other)
    with refused("ReceiptHandleIsInvalid"):
        await side.sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    with refused("ReceiptHandleIsInvalid"):
        await change(side, queue, handle, 0)


@on_both()
async def test_the_visibility_of_a_deleted_message_cannot_be_changed(side: Side) -> None:
    queue = await side.queue()
    handle = await handle_of_one(side, queue)
    await side.sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    with refused("InvalidParameterValue", "ReceiptHandleIsInvalid"):
        await change(side, queue, handle, 30)


@on_both(local_cloud_differs="what is not in flight may be changed there")
async def test_the_visibility_of_what_is_not_in_flight_cannot_be_changed(side: Side) -> None:
    queue = await side.queue()
    handle = await handle_of_one(side, queue)
    await change(side, queue, handle, 0)
    with refused("MessageNotInflight"):
        await change(side, queue, handle, 30)


@on_both(local_cloud_differs="any visibility is accepted there")
async def test_a_visibility_above_twelve_hours_is_refused(side: Side) -> None:
    queue = await side.queue()
    handle = await handle_of_one(side, queue)
    await change(side, queue, handle, TWELVE_HOURS - 60)
    with refused("InvalidParameterValue"):
        await change(side, queue, handle, TWELVE_HOURS + 1)


@on_both(local_cloud_differs="extensions may go past twelve hours there")
async def test_twelve_hours_count_from_the_receive(side: Side) -> None:
    queue = await side.queue()
    handle = await handle_of_one(side, queue)
    assert await receive(side, queue, WaitTimeSeconds=1) == []
    await change(side, queue, handle, TWELVE_HOURS - 60)
    with refused("InvalidParameterValue"):
        await change(side, queue, handle, TWELVE_HOURS)
