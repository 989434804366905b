"""Large files on fakes: downloaded by ranges, uploaded in parts, and of every part one version."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.fakes.async_streams import whole
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import Cloud, body
from worker.errors import InputOverwritten, OutputRefused, TransientError
from worker.job import S3Uri
from worker.jobs.limits import JobMemory
from worker.storage.protocol import Head, UploadLost, WriteConflict
from worker.storage.streaming import MAX_PARTS, READ_AHEAD, Download, Upload

INPUT = S3Uri("in", "large.csv")
OUTPUT = S3Uri("out", "p/large.csv")
CONTENT = bytes(range(256)) * 4
PART = 100


@pytest.fixture
def storage() -> FakeStorage:
    return FakeStorage()


async def opened(storage: FakeStorage) -> Download:
    found = await storage.get(INPUT, version_id=None, etag=None, max_bytes=PART)
    return Download(storage, INPUT, None, found.head, found.body, PART)


async def test_the_parts_of_a_download_are_the_whole(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await opened(storage)
    assert (download.size, len(download.first)) == (len(CONTENT), PART)
    assert await whole(download) == CONTENT


async def test_ranges_come_in_the_order_asked_for(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await opened(storage)
    pieces = [piece async for piece in download.read([(900, 1024), (3, 5), (200, 450)])]
    assert b"".join(pieces) == CONTENT[900:1024] + CONTENT[3:5] + CONTENT[200:450]
    assert max(map(len, pieces)) == PART


async def test_a_download_is_some_parts_ahead_and_no_more(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await opened(storage)
    async for _ in download.read([(PART, len(CONTENT))]):
        await asyncio.sleep(1)
        read = [name for name, _ in storage.calls].count("read")
        break
    assert read == READ_AHEAD


async def test_a_download_given_up_leaves_no_fetch_behind(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await opened(storage)
    pieces = download.read([(PART, len(CONTENT))])
    await anext(pieces)
    await pieces.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_download_of_two_versions_is_refused(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await opened(storage)
    storage.add(INPUT, CONTENT + b"!")
    with pytest.raises(InputOverwritten):
        await whole(download)


async def test_a_download_of_a_version_goes_on_when_a_newer_one_comes(storage: FakeStorage) -> None:
    head = storage.add(INPUT, CONTENT)
    found = await storage.get(INPUT, version_id=head.version_id, etag=None, max_bytes=PART)
    storage.add(INPUT, b"newer")
    download = Download(storage, INPUT, head.version_id, found.head, found.body, PART)
    assert await whole(download) == CONTENT


@asynccontextmanager
async def uploading(storage: FakeStorage, part_bytes: int = PART) -> AsyncIterator[Upload]:
    upload = Upload(
        storage,
        OUTPUT,
        metadata={"source-id": "x"},
        content_type="text/csv",
        part_bytes=part_bytes,
    )
    try:
        yield upload
    finally:
        await upload.abandon()


def names(storage: FakeStorage) -> list[str]:
    return [name for name, _ in storage.calls]


async def test_a_small_output_is_one_put_and_says_its_counts(storage: FakeStorage) -> None:
    async with uploading(storage) as upload:
        await upload.write(b"x" * PART)
        await upload.finish()
        await upload.commit(None, {"rows": "7"})
    assert names(storage) == ["put"]
    assert storage.metadata(OUTPUT) == {"source-id": "x", "rows": "7"}


async def test_a_large_output_goes_up_in_parts_and_is_not_seen_before_the_last(
    storage: FakeStorage,
) -> None:
    async with uploading(storage) as upload:
        await upload.write(CONTENT)
        assert await storage.head(OUTPUT) is None
        await upload.finish()
        await upload.commit(None, {"rows": "7"})
    assert storage.body(OUTPUT) == CONTENT
    assert storage.metadata(OUTPUT) == {"source-id": "x"}
    assert names(storage).count("put_part") == -(-len(CONTENT) // PART)
    assert storage.uploads == 0


async def test_an_upload_holds_a_part_that_fills_and_sends_one(storage: FakeStorage) -> None:
    async with uploading(storage) as upload:
        for start in range(0, len(CONTENT), 30):
            await upload.write(CONTENT[start : start + 30])
            assert upload.held <= PART
    assert storage.uploads == 0


async def test_an_upload_given_up_leaves_nothing(storage: FakeStorage) -> None:
    async with uploading(storage) as upload:
        await upload.write(CONTENT)
        assert storage.uploads == 1
    assert storage.uploads == 0
    assert await storage.head(OUTPUT) is None


async def test_a_part_that_fails_fails_the_upload_and_leaves_nothing(storage: FakeStorage) -> None:
    def fail(name: str, _: S3Uri) -> None:
        if name == "put_part":
            raise TransientError("no network")

    storage.before = fail
    with pytest.raises(TransientError, match="no network"):
        async with uploading(storage) as upload:
            await upload.write(CONTENT)
    assert storage.uploads == 0


async def test_after_a_conflict_an_upload_is_completed_on_another_condition(
    storage: FakeStorage,
) -> None:
    there = storage.add(OUTPUT, b"older")
    async with uploading(storage) as upload:
        await upload.write(CONTENT)
        await upload.finish()
        with pytest.raises(WriteConflict):
            await upload.commit(None, {})
        await upload.commit(there.etag, {})
    assert storage.body(OUTPUT) == CONTENT
    assert names(storage).count("begin") == 1


async def test_an_upload_that_is_over_is_lost(storage: FakeStorage) -> None:
    async with uploading(storage) as upload:
        await upload.write(CONTENT)
        await upload.finish()
        assert upload._id is not None
        await storage.abort(OUTPUT, upload._id)
        with pytest.raises(UploadLost):
            await upload.commit(None, {})


async def test_an_output_of_too_many_parts_is_refused(storage: FakeStorage) -> None:
    async with uploading(storage, part_bytes=1) as upload:
        with pytest.raises(OutputRefused, match="more than 10000 parts"):
            await upload.write(bytes(MAX_PARTS + 10))


@pytest.mark.parametrize("size", [1, 10**6, 10**9, 10**11, 5 * 10**12])
def test_an_output_twice_its_input_goes_up_in_few_enough_parts(size: int) -> None:
    part = JobMemory(8 << 20, outputs=1).upload_part_bytes(size)
    assert 2 * size / part <= MAX_PARTS + 1


def test_what_a_job_holds_does_not_grow_with_its_file() -> None:
    window = JobMemory(8 << 20, outputs=1)
    assert window.reservation(1000, None) == 2000
    assert (
        window.reservation(50 << 20, None)
        == window.reservation(20 << 30, None)
        == window.reservation(None, None)
    )
    assert window.reservation(20 << 30, 100 << 20) == (100 + 16) << 20


def large(cloud: Cloud, content: bytes = CONTENT, **more: object) -> Head:
    head = cloud.storage.add(INPUT, content)
    cloud.queue.send(body_of(head, **more))
    return head


def body_of(head: Head, **more: object) -> str:
    return body("large.csv", etag=head.etag, size=head.size, **more)


async def test_a_large_file_goes_through_in_parts() -> None:
    cloud = Cloud(part_bytes=PART)
    large(cloud)
    await cloud.work()
    assert cloud.outputs() == {"p/large.csv": CONTENT.upper()}
    moved = [name for name, uri in cloud.storage.calls]
    assert moved.count("get") == 1
    assert moved.count("read") == len(CONTENT) // PART
    assert moved.count("put_part") == len(CONTENT) // PART + 1
    assert cloud.storage.uploads == 0


async def test_a_large_file_that_is_done_already_is_not_predicted_again() -> None:
    cloud = Cloud(part_bytes=PART)
    head = large(cloud)
    await cloud.work()
    cloud.queue.send(body_of(head))
    await cloud.work()
    assert cloud.pool.scored == [CONTENT]
    assert not cloud.queue.messages


async def test_a_large_file_is_predicted_again_when_asked() -> None:
    cloud = Cloud(part_bytes=PART)
    head = large(cloud)
    await cloud.work()
    cloud.queue.send(body_of(head, again=True))
    await cloud.work()
    assert cloud.pool.scored == [CONTENT, CONTENT]


async def test_a_reply_lost_after_completion_is_found_done() -> None:
    cloud = Cloud(part_bytes=PART)
    large(cloud)
    lost: list[str] = []
    complete = cloud.storage.complete

    async def complete_and_lose(*asked: object, **more: object) -> None:
        await complete(*asked, **more)  # type: ignore[arg-type] # as it was called
        if not lost:
            lost.append("reply")
            raise UploadLost("the SDK asked again, and the upload is over")

    cloud.storage.complete = complete_and_lose  # type: ignore[method-assign] # a fake's
    await cloud.work()
    assert lost
    assert cloud.outputs() == {"p/large.csv": CONTENT.upper()}
    assert cloud.pool.scored == [CONTENT]
    assert not cloud.queue.messages


async def test_a_conflict_with_another_write_has_the_file_predicted_anew() -> None:
    cloud = Cloud(part_bytes=PART)
    large(cloud)
    conflicts: list[str] = []

    def conflict(name: str, _: S3Uri) -> None:
        if name == "complete" and not conflicts:
            conflicts.append(name)
            raise UploadLost("another write was under way")

    cloud.storage.before = conflict
    await cloud.work(idle_seconds=200)
    assert cloud.pool.scored == [CONTENT, CONTENT]
    assert cloud.outputs() == {"p/large.csv": CONTENT.upper()}
    assert cloud.storage.uploads == 0


class SlowParts(FakeStorage):
    """Every part takes a minute."""

    async def put_part(self, uri: S3Uri, upload: str, number: int, body: bytes) -> str:
        await asyncio.sleep(60)
        return await super().put_part(uri, upload, number, body)


async def test_a_stop_in_the_middle_of_a_large_file_leaves_no_upload() -> None:
    cloud = Cloud(part_bytes=PART, storage=SlowParts())
    large(cloud)
    async with cloud.working(drain_seconds=10, wait_seconds=1) as stop:
        await asyncio.sleep(5)
        assert cloud.storage.uploads == 1
        stop.request("SIGTERM")
    assert cloud.storage.uploads == 0
    assert cloud.outputs() == {}
    assert cloud.queue.visible()


async def test_a_large_file_overwritten_on_its_way_is_superseded_by_its_own_event() -> None:
    cloud = Cloud(part_bytes=PART)
    large(cloud, sequencer="01")
    newer = CONTENT + b"newer"

    def overwrite(name: str, uri: S3Uri) -> None:
        if name == "read" and cloud.storage.body(INPUT) == CONTENT:
            head = cloud.storage.add(uri, newer)
            cloud.queue.send(body_of(head, sequencer="02"))

    cloud.storage.before = overwrite
    await cloud.work()
    assert cloud.outputs() == {"p/large.csv": newer.upper()}
    assert cloud.pool.scored == [newer]
