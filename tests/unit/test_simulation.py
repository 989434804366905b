"""The simulated SQS and S3: how they behave, and which effects they report."""

# ruff: noqa: S311 - reproducible from a seed, not for security
import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.fakes.clock import VirtualLoop
from tests.support.simulation.behaviour import ORDERLY, StaleHandles
from tests.support.simulation.effects import now
from tests.support.simulation.s3 import Removed, S3Effect, SimulatedS3, Written
from tests.support.simulation.sqs import (
    DeadLettered,
    Deleted,
    Received,
    Sent,
    SimulatedSqs,
    SqsBehaviour,
    SqsEffect,
    VisibilityChanged,
)
from worker.aws.errors import error_code

QUEUE, DEAD = "jobs", "jobs-dead"
TWELVE_HOURS = 43_200


async def sqs_with(behaviour: SqsBehaviour = ORDERLY, seed: int = 0, **queue: str) -> SimulatedSqs:
    sqs = SimulatedSqs(random.Random(seed), behaviour)
    await sqs.create_queue(QueueName=QUEUE, Attributes=queue)
    return sqs


async def send(sqs: SimulatedSqs, *bodies: str) -> None:
    for body in bodies:
        await sqs.send_message(QueueUrl=QUEUE, MessageBody=body)


async def receive(sqs: SimulatedSqs, wait: int = 0, visibility: int = 30) -> list[dict[str, Any]]:
    answer = await sqs.receive_message(
        QueueUrl=QUEUE,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=wait,
        VisibilityTimeout=visibility,
        AttributeNames=["ApproximateReceiveCount"],
    )
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


async def handle_of_one(sqs: SimulatedSqs, visibility: int = 30) -> str:
    await send(sqs, "one")
    (message,) = await receive(sqs, visibility=visibility)
    return str(message["ReceiptHandle"])


async def delete(sqs: SimulatedSqs, handle: str) -> str:
    """Delete a message; returns "OK" or the error's code."""
    try:
        await sqs.delete_message(QueueUrl=QUEUE, ReceiptHandle=handle)
    except ClientError as error:
        return error_code(error)
    return "OK"


async def change(sqs: SimulatedSqs, handle: str, seconds: int) -> str:
    """Change the visibility timeout; returns "OK" or the error's code."""
    try:
        await sqs.change_message_visibility(
            QueueUrl=QUEUE, ReceiptHandle=handle, VisibilityTimeout=seconds
        )
    except ClientError as error:
        return error_code(error)
    return "OK"


def visible(sqs: SimulatedSqs) -> int:
    return len(sqs.queues[QUEUE].visible())


async def test_a_message_is_visible_at_the_end_of_its_timeout_and_wakes_a_poll() -> None:
    sqs = await sqs_with()
    await handle_of_one(sqs, visibility=30)
    (message,) = await receive(sqs, wait=20) or await receive(sqs, wait=20)
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    assert 30 <= now() < 30.01


async def test_a_short_poll_does_not_wait() -> None:
    assert await receive(await sqs_with()) == []
    assert now() == 0


async def test_a_message_is_received_by_only_one_of_the_waiting_polls() -> None:
    sqs = await sqs_with()
    polls = [asyncio.create_task(receive(sqs, wait=20)) for _ in range(3)]
    await asyncio.sleep(5)
    await send(sqs, "one")
    assert sorted([len(await poll) for poll in polls]) == [0, 0, 1]
    assert 20 <= now() < 20.01


async def test_a_released_message_wakes_a_waiting_poll() -> None:
    sqs = await sqs_with()
    handle = await handle_of_one(sqs)
    poll = asyncio.create_task(receive(sqs, wait=20))
    await asyncio.sleep(5)
    await change(sqs, handle, 0)
    assert len(await poll) == 1
    assert now() < 5.01


async def test_a_message_stays_invisible_for_twelve_hours_at_most() -> None:
    sqs = await sqs_with()
    handle = await handle_of_one(sqs, visibility=TWELVE_HOURS)
    await asyncio.sleep(TWELVE_HOURS - 100)
    assert await change(sqs, handle, 101) == "InvalidParameterValue"
    assert await change(sqs, handle, 100) == "OK"
    assert await change(sqs, handle, -1) == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("stale", "deletion", "left"),
    [("refused", "ReceiptHandleIsInvalid", 1), ("ignored", "OK", 1), ("honoured", "OK", 0)],
)
async def test_a_delete_by_a_stale_handle_is_answered_as_configured(
    stale: StaleHandles, deletion: str, left: int
) -> None:
    sqs = await sqs_with(SqsBehaviour(stale_handles=stale))
    expired = await handle_of_one(sqs, visibility=10)
    await asyncio.sleep(10)
    assert await delete(sqs, expired) == deletion
    assert len(sqs.queues[QUEUE].messages) == left

    sqs = await sqs_with(SqsBehaviour(stale_handles=stale))
    old = await handle_of_one(sqs, visibility=0)
    await receive(sqs)
    assert await delete(sqs, old) == deletion
    assert len(sqs.queues[QUEUE].messages) == left


@pytest.mark.parametrize(
    ("stale", "of_expired", "of_old", "honoured"),
    [
        ("refused", "MessageNotInflight", "ReceiptHandleIsInvalid", False),
        ("ignored", "OK", "OK", False),
        ("honoured", "OK", "OK", True),
    ],
)
async def test_a_visibility_change_by_a_stale_handle_is_answered_as_configured(
    stale: StaleHandles, of_expired: str, of_old: str, honoured: bool
) -> None:
    sqs = await sqs_with(SqsBehaviour(stale_handles=stale))
    expired = await handle_of_one(sqs, visibility=10)
    await asyncio.sleep(10)
    assert await change(sqs, expired, 60) == of_expired
    assert visible(sqs) == (0 if honoured else 1)

    sqs = await sqs_with(SqsBehaviour(stale_handles=stale))
    old = await handle_of_one(sqs, visibility=0)
    await receive(sqs)
    assert await change(sqs, old, 0) == of_old
    assert visible(sqs) == (1 if honoured else 0)


@pytest.mark.parametrize("stale", ["refused", "ignored", "honoured"])
async def test_the_handle_of_a_deleted_message_has_no_effect(
    stale: StaleHandles,
) -> None:
    sqs = await sqs_with(SqsBehaviour(stale_handles=stale))
    handle = await handle_of_one(sqs)
    assert [await delete(sqs, handle), await delete(sqs, handle)] == ["OK", "OK"]
    assert await change(sqs, handle, 30) == "InvalidParameterValue"
    assert await delete(sqs, "unknown handle") == "ReceiptHandleIsInvalid"


async def test_both_handles_of_a_duplicate_are_valid_until_the_message_is_visible() -> None:
    sqs = await sqs_with(SqsBehaviour(duplicate=1.0))
    first = await handle_of_one(sqs)
    (again,) = await receive(sqs)
    second = again["ReceiptHandle"]
    assert first != second
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert [await change(sqs, handle, 60) for handle in (first, second)] == ["OK", "OK"]
    await change(sqs, first, 0)
    assert await change(sqs, second, 60) == "MessageNotInflight"
    await receive(sqs)
    assert await delete(sqs, second) == "ReceiptHandleIsInvalid"


async def test_a_duplicate_does_not_shorten_the_visibility_timeout() -> None:
    sqs = await sqs_with(SqsBehaviour(duplicate=1.0))
    await handle_of_one(sqs, visibility=600)
    await receive(sqs, visibility=30)
    (stored,) = sqs.queues[QUEUE].messages.values()
    assert stored.visible_at == 600


async def test_a_waiting_message_is_received_before_a_duplicate() -> None:
    sqs = await sqs_with(SqsBehaviour(duplicate=1.0))
    await handle_of_one(sqs)
    await send(sqs, "two")
    answer = await sqs.receive_message(QueueUrl=QUEUE, MaxNumberOfMessages=1)
    assert [message["Body"] for message in answer["Messages"]] == ["two"]


async def test_a_message_on_its_last_receive_is_not_duplicated() -> None:
    sqs = SimulatedSqs(random.Random(0), SqsBehaviour(duplicate=1.0))
    await with_dead_letter_queue(sqs, receives=1)
    await handle_of_one(sqs)
    assert await receive(sqs) == []


async def test_a_message_in_flight_that_is_delivered_again_reaches_the_poll_under_way() -> None:
    sqs = await sqs_with()
    first = await handle_of_one(sqs)
    poll = asyncio.create_task(receive(sqs, wait=20))
    await asyncio.sleep(5)
    (stored,) = sqs.queues[QUEUE].messages.values()
    sqs.queues[QUEUE].deliver_again(stored.id)
    (again,) = await poll
    assert now() == 5
    assert [await change(sqs, one, 60) for one in (first, again["ReceiptHandle"])] == ["OK", "OK"]
    assert await receive(sqs) == []  # once


async def test_a_message_that_was_deleted_is_not_delivered_again() -> None:
    sqs = await sqs_with()
    handle = await handle_of_one(sqs)
    (stored,) = sqs.queues[QUEUE].messages.values()
    sqs.queues[QUEUE].deliver_again(stored.id)
    await delete(sqs, handle)
    assert await receive(sqs) == []


async def test_a_receive_may_return_nothing_though_messages_wait() -> None:
    sqs = await sqs_with(SqsBehaviour(empty=1.0))
    await send(sqs, "one")
    assert await receive(sqs, wait=20) == []
    assert now() == 0


async def test_messages_are_received_in_any_order_when_shuffled() -> None:
    bodies = [str(number) for number in range(10)]
    orders = []
    for behaviour in (SqsBehaviour(), SqsBehaviour(shuffled=True)):
        sqs = await sqs_with(behaviour)
        await send(sqs, *bodies)
        orders.append([message["Body"] for message in await receive(sqs)])
    assert orders[0] == bodies
    assert orders[1] != bodies
    assert sorted(orders[1]) == bodies


@pytest.mark.parametrize(
    ("behaviour", "left"),
    [(SqsBehaviour(failed_entries=1.0), 1), (SqsBehaviour(failed_though_applied=1.0), 0)],
)
async def test_a_failed_entry_may_have_been_applied(behaviour: SqsBehaviour, left: int) -> None:
    sqs = await sqs_with(behaviour)
    handle = await handle_of_one(sqs)
    answer = await sqs.delete_message_batch(
        QueueUrl=QUEUE, Entries=[{"Id": "0", "ReceiptHandle": handle}]
    )
    assert "Successful" not in answer
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("0", "InternalError", False)
    assert len(sqs.queues[QUEUE].messages) == left


async def test_the_entries_of_a_batch_fail_independently() -> None:
    sqs = await sqs_with(SqsBehaviour(failed_entries=0.5))
    await send(sqs, *"abcdefghij")
    entries = [
        {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
        for number, message in enumerate(await receive(sqs))
    ]
    answer = await sqs.change_message_visibility_batch(QueueUrl=QUEUE, Entries=entries)
    assert len(answer["Successful"]) + len(answer["Failed"]) == 10
    assert visible(sqs) == len(answer["Successful"])


async def with_dead_letter_queue(sqs: SimulatedSqs, receives: int) -> None:
    await sqs.create_queue(QueueName=DEAD)
    arn = sqs.queues[DEAD].arn
    policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": {receives}}}'
    await sqs.create_queue(QueueName=QUEUE, Attributes={"RedrivePolicy": policy})


async def test_every_effect_on_a_message_is_reported_in_order() -> None:
    sqs = SimulatedSqs(random.Random(0))
    effects: list[SqsEffect] = []
    sqs.on_effect = effects.append
    await with_dead_letter_queue(sqs, receives=1)
    await send(sqs, "kept", "poison")
    kept, poison = await receive(sqs)
    await asyncio.sleep(1)
    await change(sqs, poison["ReceiptHandle"], 5)
    await delete(sqs, kept["ReceiptHandle"])
    await delete(sqs, kept["ReceiptHandle"])
    await asyncio.sleep(5)
    await receive(sqs)

    ids, handles = zip(
        *((one["MessageId"], one["ReceiptHandle"]) for one in (kept, poison)), strict=True
    )
    assert effects == [
        Sent(QUEUE, ids[0], "kept", {}, at=0),
        Sent(QUEUE, ids[1], "poison", {}, at=0),
        Received(QUEUE, ids[0], handles[0], receive_count=1, visible_at=30, at=0),
        Received(QUEUE, ids[1], handles[1], receive_count=1, visible_at=30, at=0),
        VisibilityChanged(QUEUE, ids[1], handles[1], visible_at=6, at=1),
        Deleted(QUEUE, ids[0], handles[0], at=1),
        DeadLettered(QUEUE, ids[1], at=6),
    ]
    assert list(sqs.queues[DEAD].messages) == [ids[1]]


async def play(seed: int) -> list[SqsEffect]:
    """Play a schedule with several faults of SQS at once; returns its effects."""
    behaviour = SqsBehaviour(
        "honoured", duplicate=0.3, empty=0.3, shuffled=True, failed_entries=0.3
    )
    sqs = await sqs_with(behaviour, seed)
    effects: list[SqsEffect] = []
    sqs.on_effect = effects.append
    for number in range(50):
        await send(sqs, str(number))
        for message in await receive(sqs, wait=1, visibility=3):
            entry = {"Id": "0", "ReceiptHandle": message["ReceiptHandle"]}
            await sqs.delete_message_batch(QueueUrl=QUEUE, Entries=[entry])
    return effects


def test_the_same_seed_plays_the_same_schedule() -> None:
    runs = []
    for seed in (1, 1, 2):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runs.append(runner.run(play(seed)))
    first, second, other = runs
    assert len(first) > 100
    assert first == second
    assert first != other


@pytest.fixture
async def s3() -> SimulatedS3:
    return await s3_with_bucket()


async def s3_with_bucket(**options: bool) -> SimulatedS3:
    s3 = SimulatedS3(**options)
    await s3.create_bucket(Bucket="b")
    return s3


async def completion(s3: SimulatedS3) -> Callable[[], Any]:
    """Upload the only part of an object; returns a function that completes the upload."""
    upload = (await s3.create_multipart_upload(Bucket="b", Key="k"))["UploadId"]
    target = {"Bucket": "b", "Key": "k", "UploadId": upload}
    part = await s3.upload_part(**target, PartNumber=1, Body=b"parts")
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    return lambda: s3.complete_multipart_upload(
        **target, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
    )


async def test_a_repeated_completion_has_the_same_answer_and_writes_once() -> None:
    s3 = await s3_with_bucket(completes_again=True)
    effects: list[S3Effect] = []
    s3.on_effect = effects.append
    complete = await completion(s3)
    assert await complete() == await complete()
    assert len(effects) == 1


async def test_every_effect_on_an_object_is_reported(s3: SimulatedS3) -> None:
    effects: list[S3Effect] = []
    s3.on_effect = effects.append
    await s3.put_object(Bucket="b", Key="k", Body=b"body", Metadata={"Name": "value"})
    await s3.delete_object(Bucket="b", Key="k")
    await s3.delete_object(Bucket="b", Key="k")
    await asyncio.sleep(1)
    await s3.put_bucket_versioning(Bucket="b", VersioningConfiguration={"Status": "Enabled"})
    await (await completion(s3))()
    await s3.delete_object(Bucket="b", Key="k")
    with pytest.raises(ClientError):
        await s3.put_object(Bucket="b", Key="k", Body=b"never", IfMatch="etag")

    written, removed, completed, hidden = effects
    etag = "841a2d689ad86bd1611447453c22c6fc"
    assert written == Written("b", "k", None, etag, b"body", {"name": "value"}, at=0)
    assert removed == Removed("b", "k", at=0)
    assert isinstance(completed, Written)
    assert (completed.body, completed.version_id, completed.at) == (b"parts", "v00000001", 1)
    assert completed.etag.endswith("-1")
    assert hidden == Removed("b", "k", at=1)


async def test_a_deleted_object_and_a_closed_body_keep_no_bytes(
    s3: SimulatedS3,
) -> None:
    await s3.put_object(Bucket="b", Key="k", Body=b"body")
    async with (await s3.get_object(Bucket="b", Key="k"))["Body"] as body:
        assert await body.read(1) == b"b"
    assert await body.read() == b""
    await s3.delete_object(Bucket="b", Key="k")
    assert s3.buckets["b"].keys == {}


async def test_removing_an_older_or_a_missing_version_has_no_effect(s3: SimulatedS3) -> None:
    await s3.put_bucket_versioning(Bucket="b", VersioningConfiguration={"Status": "Enabled"})
    old = await s3.put_object(Bucket="b", Key="k", Body=b"old")
    await s3.put_object(Bucket="b", Key="k", Body=b"new")
    effects: list[S3Effect] = []
    s3.on_effect = effects.append
    for _ in range(2):
        await s3.delete_object(Bucket="b", Key="k", VersionId=old["VersionId"])
    assert not effects


async def test_a_bucket_can_be_created_only_once(s3: SimulatedS3) -> None:
    with pytest.raises(ClientError) as caught:
        await s3.create_bucket(Bucket="b")
    assert error_code(caught.value) == "BucketAlreadyOwnedByYou"


async def test_a_stored_object_does_not_change_with_the_callers_values(s3: SimulatedS3) -> None:
    metadata, body = {"name": "value"}, bytearray(b"body")
    await s3.put_object(Bucket="b", Key="k", Body=bytes(body), Metadata=metadata)
    metadata["name"] = "other"
    answer = await s3.get_object(Bucket="b", Key="k")
    answer["Metadata"].clear()
    head = await s3.head_object(Bucket="b", Key="k")
    assert head["Metadata"] == {"name": "value"}
