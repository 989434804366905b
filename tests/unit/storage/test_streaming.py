"""Large files: downloaded by ranges, uploaded in parts, and never mixed from two versions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.fakes.async_streams import read_all
from tests.support.fakes.faults import raising
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


async def open_download(storage: FakeStorage) -> Download:
    start = await storage.get(INPUT, version_id=None, etag=None, max_bytes=PART)
    return Download(storage, INPUT, None, start.head, start.body, PART)


async def test_the_parts_of_a_download_make_the_whole_object(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await open_download(storage)
    assert (download.size, len(download.first)) == (len(CONTENT), PART)
    assert await read_all(download) == CONTENT


async def test_ranges_are_read_in_the_requested_order(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await open_download(storage)
    pieces = [piece async for piece in download.read([(900, 1024), (3, 5), (200, 450)])]
    assert b"".join(pieces) == CONTENT[900:1024] + CONTENT[3:5] + CONTENT[200:450]
    assert max(map(len, pieces)) == PART


async def test_a_download_reads_a_fixed_number_of_parts_ahead(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await open_download(storage)
    async for _ in download.read([(PART, len(CONTENT))]):
        await asyncio.sleep(1)
        read = [name for name, _ in storage.calls].count("read")
        break
    assert read == READ_AHEAD


async def test_a_closed_download_leaves_no_task(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await open_download(storage)
    pieces = download.read([(PART, len(CONTENT))])
    await anext(pieces)
    await pieces.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_is_read_ahead_is_downloaded_once_and_the_rest_when_it_is_asked_for(
    storage: FakeStorage,
) -> None:
    storage.add(INPUT, CONTENT)
    download = await open_download(storage)
    ahead = download.read_ahead(250, 600)
    await asyncio.sleep(1)
    assert call_names(storage) == ["get", *["read"] * 4]
    for start, stop in ((249, 251), (251, 400), (400, 900), (900, 1024)):
        pieces = [piece async for piece in ahead.read([(start, stop)])]
        assert b"".join(pieces) == CONTENT[start:stop]
    assert call_names(storage).count("read") == 4 + 1 + 3 + 2
    await ahead.close()


@pytest.mark.parametrize("seconds", [0, 1])
async def test_what_is_read_ahead_and_not_wanted_leaves_no_task(
    storage: FakeStorage, seconds: int
) -> None:
    storage.add(INPUT, CONTENT)
    ahead = (await open_download(storage)).read_ahead(250, 600)
    await asyncio.sleep(seconds)
    await ahead.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_first_bytes_are_not_downloaded_twice(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await open_download(storage)
    pieces = [piece async for piece in download.read([(10, 150)])]
    assert b"".join(pieces) == CONTENT[10:150]
    assert call_names(storage) == ["get", "read"]


async def test_an_input_overwritten_during_its_download_is_an_error(storage: FakeStorage) -> None:
    storage.add(INPUT, CONTENT)
    download = await open_download(storage)
    storage.add(INPUT, CONTENT + b"!")
    with pytest.raises(InputOverwritten):
        await read_all(download)


async def test_a_download_of_a_named_version_continues_after_an_overwrite(
    storage: FakeStorage,
) -> None:
    head = storage.add(INPUT, CONTENT)
    start = await storage.get(INPUT, version_id=head.version_id, etag=None, max_bytes=PART)
    storage.add(INPUT, b"newer")
    download = Download(storage, INPUT, head.version_id, start.head, start.body, PART)
    assert await read_all(download) == CONTENT


@asynccontextmanager
async def open_upload(storage: FakeStorage, part_bytes: int = PART) -> AsyncIterator[Upload]:
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


def call_names(storage: FakeStorage) -> list[str]:
    return [name for name, _ in storage.calls]


async def test_a_small_output_is_one_put_with_its_counts_as_metadata(storage: FakeStorage) -> None:
    async with open_upload(storage) as upload:
        await upload.write(b"x" * PART)
        await upload.finish()
        await upload.commit(None, {"rows": "7"})
    assert call_names(storage) == ["put"]
    assert storage.metadata(OUTPUT) == {"source-id": "x", "rows": "7"}


async def test_a_large_output_is_uploaded_in_parts_and_invisible_before_its_commit(
    storage: FakeStorage,
) -> None:
    async with open_upload(storage) as upload:
        await upload.write(CONTENT)
        assert await storage.head(OUTPUT) is None
        await upload.finish()
        await upload.commit(None, {"rows": "7"})
    assert storage.body(OUTPUT) == CONTENT
    assert storage.metadata(OUTPUT) == {"source-id": "x"}
    assert call_names(storage).count("put_part") == -(-len(CONTENT) // PART)
    assert storage.uploads == 0


async def test_an_upload_holds_no_more_than_one_unsent_part(storage: FakeStorage) -> None:
    async with open_upload(storage) as upload:
        for start in range(0, len(CONTENT), 30):
            await upload.write(CONTENT[start : start + 30])
            assert upload.held <= PART
    assert storage.uploads == 0


async def test_an_abandoned_upload_leaves_no_object_and_no_parts(storage: FakeStorage) -> None:
    async with open_upload(storage) as upload:
        await upload.write(CONTENT)
        assert storage.uploads == 1
    assert storage.uploads == 0
    assert await storage.head(OUTPUT) is None


async def test_a_failed_part_fails_the_upload_and_leaves_no_parts(storage: FakeStorage) -> None:
    storage.before = raising(TransientError("no network"), on="put_part")
    with pytest.raises(TransientError, match="no network"):
        async with open_upload(storage) as upload:
            await upload.write(CONTENT)
    assert storage.uploads == 0


async def test_after_a_conflict_an_upload_can_be_committed_over_the_existing_object(
    storage: FakeStorage,
) -> None:
    existing = storage.add(OUTPUT, b"older")
    async with open_upload(storage) as upload:
        await upload.write(CONTENT)
        await upload.finish()
        with pytest.raises(WriteConflict):
            await upload.commit(None, {})
        await upload.commit(existing.etag, {})
    assert storage.body(OUTPUT) == CONTENT
    assert call_names(storage).count("begin") == 1


async def test_an_upload_that_no_longer_exists_is_lost(storage: FakeStorage) -> None:
    async with open_upload(storage) as upload:
        await upload.write(CONTENT)
        await upload.finish()
        assert upload._id is not None
        await storage.abort(OUTPUT, upload._id)
        with pytest.raises(UploadLost):
            await upload.commit(None, {})


async def test_an_output_of_too_many_parts_is_refused(storage: FakeStorage) -> None:
    async with open_upload(storage, part_bytes=1) as upload:
        with pytest.raises(OutputRefused, match="more than 10000 parts"):
            await upload.write(bytes(MAX_PARTS + 10))


@pytest.mark.parametrize("size", [1, 10**6, 10**9, 10**11, 5 * 10**12])
def test_an_output_twice_the_size_of_its_input_fits_into_the_allowed_parts(size: int) -> None:
    part = JobMemory(8 << 20).upload_part_bytes(size)
    assert 2 * size / part <= MAX_PARTS + 1


def test_the_bytes_reserved_for_a_job_do_not_grow_with_its_file() -> None:
    memory = JobMemory(8 << 20)
    assert memory.reservation(1000, None, outputs=1) == 2000
    assert (
        memory.reservation(50 << 20, None, outputs=1)
        == memory.reservation(20 << 30, None, outputs=1)
        == memory.reservation(None, None, outputs=1)
    )
    assert memory.reservation(20 << 30, 100 << 20, outputs=1) == (100 + 16) << 20


def submit_large(cloud: Cloud, content: bytes = CONTENT, **more: object) -> Head:
    head = cloud.storage.add(INPUT, content)
    cloud.queue.send(body_of(head, **more))
    return head


def body_of(head: Head, **more: object) -> str:
    return body("large.csv", etag=head.etag, size=head.size, **more)


async def test_a_large_file_is_downloaded_and_uploaded_in_parts() -> None:
    cloud = Cloud(part_bytes=PART)
    submit_large(cloud)
    await cloud.run_worker()
    assert cloud.outputs() == {"p/large.csv": CONTENT.upper()}
    calls = [name for name, _ in cloud.storage.calls]
    assert calls.count("get") == 1
    assert calls.count("read") == len(CONTENT) // PART
    assert calls.count("put_part") == len(CONTENT) // PART + 1
    assert cloud.storage.uploads == 0


async def test_a_large_file_with_an_existing_output_is_not_predicted_again() -> None:
    cloud = Cloud(part_bytes=PART)
    head = submit_large(cloud)
    await cloud.run_worker()
    cloud.queue.send(body_of(head))
    await cloud.run_worker()
    assert cloud.pool.predicted == [CONTENT]
    assert not cloud.queue.messages


async def test_a_large_file_is_predicted_again_when_its_message_says_again() -> None:
    cloud = Cloud(part_bytes=PART)
    head = submit_large(cloud)
    await cloud.run_worker()
    cloud.queue.send(body_of(head, again=True))
    await cloud.run_worker()
    assert cloud.pool.predicted == [CONTENT, CONTENT]


async def test_after_a_lost_reply_to_the_completion_the_output_is_already_done() -> None:
    cloud = Cloud(part_bytes=PART)
    submit_large(cloud)
    lost: list[str] = []
    complete = cloud.storage.complete

    async def complete_and_lose(*arguments: object, **options: object) -> None:
        await complete(*arguments, **options)  # type: ignore[arg-type] # passed on unchanged
        if not lost:
            lost.append("reply")
            raise UploadLost("the SDK sent the request again, and the upload was completed")

    cloud.storage.complete = complete_and_lose  # type: ignore[method-assign] # of a fake
    await cloud.run_worker()
    assert lost
    assert cloud.outputs() == {"p/large.csv": CONTENT.upper()}
    assert cloud.pool.predicted == [CONTENT]
    assert not cloud.queue.messages


async def test_a_file_whose_upload_is_lost_in_a_conflict_is_predicted_again() -> None:
    cloud = Cloud(part_bytes=PART)
    submit_large(cloud)
    conflicts: list[str] = []

    def raise_conflict(name: str, _: S3Uri) -> None:
        if name == "complete" and not conflicts:
            conflicts.append(name)
            raise UploadLost("another write was under way")

    cloud.storage.before = raise_conflict
    await cloud.run_worker(idle_seconds=200)
    assert cloud.pool.predicted == [CONTENT, CONTENT]
    assert cloud.outputs() == {"p/large.csv": CONTENT.upper()}
    assert cloud.storage.uploads == 0


class SlowParts(FakeStorage):
    """Every part takes a minute."""

    async def put_part(self, uri: S3Uri, upload: str, number: int, body: bytes) -> str:
        await asyncio.sleep(60)
        return await super().put_part(uri, upload, number, body)


async def test_a_stop_during_a_large_upload_leaves_no_parts() -> None:
    cloud = Cloud(part_bytes=PART, storage=SlowParts())
    submit_large(cloud)
    async with cloud.running_worker(drain_seconds=10, wait_seconds=1) as stop:
        await asyncio.sleep(5)
        assert cloud.storage.uploads == 1
        stop.request("SIGTERM")
    assert cloud.storage.uploads == 0
    assert cloud.outputs() == {}
    assert cloud.queue.visible()


async def test_a_large_file_overwritten_during_its_download_is_left_to_the_newer_message() -> None:
    cloud = Cloud(part_bytes=PART)
    submit_large(cloud, sequencer="01")
    newer = CONTENT + b"newer"

    def overwrite(name: str, uri: S3Uri) -> None:
        if name == "read" and cloud.storage.body(INPUT) == CONTENT:
            head = cloud.storage.add(uri, newer)
            cloud.queue.send(body_of(head, sequencer="02"))

    cloud.storage.before = overwrite
    await cloud.run_worker()
    assert cloud.outputs() == {"p/large.csv": newer.upper()}
    assert cloud.pool.predicted == [newer]
