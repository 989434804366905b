"""Patience: which calls are tried again in place, for how long, and what ends that."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.faults import raising
from tests.support.fakes.storage import FakeStorage
from worker.clock import now
from worker.errors import (
    InfrastructureError,
    LeaseLost,
    NoSuchInput,
    TransientError,
)
from worker.job import S3Uri
from worker.jobs.limits import PATIENCE_SECONDS, RESULT_PATIENCE_SECONDS, JobTimeout, JobTimeouts
from worker.jobs.patience import Patience, PatientStorage
from worker.lifecycle.breaker import Breaker
from worker.metrics import Metrics
from worker.storage.conditional_write import WriteResult, write
from worker.storage.provenance import InputVersion
from worker.storage.streaming import Upload

SOURCE, TARGET = S3Uri("in", "a.csv"), S3Uri("out", "a.csv")


def held() -> None:
    """Check a lease that is not lost."""


def patience(limit: JobTimeout, check_lease: Callable[[], None] = held) -> Patience:
    return Patience(Breaker(Metrics("q", None)), limit, check_lease)


class Call:
    """A call that fails until a time."""

    def __init__(self, until: float, error: Exception | None = None) -> None:
        self.until = until
        self.error = error or InfrastructureError("503")
        self.times: list[float] = []

    async def __call__(self) -> str:
        self.times.append(now())
        if now() < self.until:
            raise self.error
        return "answer"


async def test_a_call_is_made_again_until_it_is_answered() -> None:
    call = Call(until=800)
    async with JobTimeouts(3600).limit("a") as limit:
        assert await patience(limit).call(call) == "answer"
    pauses = [later - sooner for sooner, later in itertools.pairwise(call.times)]
    assert pauses[0] <= 1
    assert 30 < max(pauses) <= 60
    assert now() <= 860


async def test_after_a_quarter_of_an_hour_the_error_is_raised() -> None:
    async with JobTimeouts(3600).limit("a") as limit:
        with pytest.raises(InfrastructureError, match=r"^503, tried again for 900 s$"):
            await patience(limit).call(Call(until=10**6))
    assert PATIENCE_SECONDS <= now() <= PATIENCE_SECONDS + 61


async def test_a_result_is_tried_for_two_hours() -> None:
    async with JobTimeouts(3600).limit("a") as limit:
        limit.has_result()
        with pytest.raises(InfrastructureError):
            await patience(limit).call(Call(until=10**6))
    assert RESULT_PATIENCE_SECONDS <= now() <= RESULT_PATIENCE_SECONDS + 61


@pytest.mark.parametrize("error", [NoSuchInput("gone"), TransientError("unknown"), KeyError("a")])
async def test_only_infrastructure_is_tried_again(error: Exception) -> None:
    call = Call(until=10**6, error=error)
    async with JobTimeouts(3600).limit("a") as limit:
        with pytest.raises(type(error)):
            await patience(limit).call(call)
    assert len(call.times) == 1


async def test_without_patience_a_call_is_made_once_also_while_the_breaker_is_tripped() -> None:
    call = Call(until=10**6)
    async with asyncio.timeout(1.5) as timeout:
        impatient = patience(JobTimeout("a", timeout, 0.0))
        trip(impatient.breaker)
        with pytest.raises(InfrastructureError):
            await impatient.call(call)
    assert len(call.times) == 1
    assert now() == 0


async def test_the_jobs_timeout_stands_still_while_calls_wait() -> None:
    async def two_calls(limit: JobTimeout) -> None:
        patient = patience(limit)
        await asyncio.gather(patient.call(Call(until=500)), patient.call(Call(until=700)))

    async with JobTimeouts(50).limit("a") as limit:
        await two_calls(limit)
        await asyncio.sleep(49)

    async def too_long() -> None:
        async with JobTimeouts(50).limit("a") as limit:
            await two_calls(limit)
            await asyncio.sleep(51)

    with pytest.raises(TransientError, match="WORKER_JOB_SECONDS"):
        await too_long()


async def test_a_call_that_hangs_when_it_is_made_again_counts_as_the_jobs_time() -> None:
    async def hang() -> None:
        if now() < 5:
            raise InfrastructureError("503")
        await asyncio.Event().wait()

    with pytest.raises(TransientError, match="WORKER_JOB_SECONDS"):
        async with JobTimeouts(50).limit("a") as limit:
            await patience(limit).call(hang)
    assert now() < 100


def trip(breaker: Breaker) -> None:
    for number in range(10):
        breaker._failed(str(number), InfrastructureError("503"), probes=False)
    assert breaker.tripped


async def test_time_in_which_the_breaker_is_tripped_does_not_count() -> None:
    async with JobTimeouts(50).limit("a") as limit:
        patient = patience(limit)
        trip(patient.breaker)
        assert await patient.call(Call(until=40_000)) == "answer"
        assert not patient.breaker.tripped
        with pytest.raises(InfrastructureError):
            await patient.call(Call(until=10**6))
    assert 40_000 + PATIENCE_SECONDS <= now() <= 40_000 + PATIENCE_SECONDS + 200


async def test_the_first_attempt_waits_for_a_tripped_breaker_and_its_wait_does_not_count() -> None:
    call = Call(until=0)
    async with JobTimeouts(50).limit("a") as limit:
        patient = patience(limit)
        trip(patient.breaker)
        for _ in range(10):
            patient.breaker._put_off_the_next_probe()
        assert await patient.call(call) == "answer"
        await asyncio.sleep(49)
    assert call.times[0] >= 30


async def test_a_lease_that_is_lost_during_the_wait_ends_it() -> None:
    def lost_at_100() -> None:
        if now() > 100:
            raise LeaseLost("expired")

    call = Call(until=10**6)
    async with JobTimeouts(3600).limit("a") as limit:
        with pytest.raises(LeaseLost):
            await patience(limit, lost_at_100).call(call)
    assert max(call.times) <= 100 < now() <= 161


async def test_a_cancellation_ends_the_wait_at_once() -> None:
    async def job() -> None:
        async with JobTimeouts(3600).limit("a") as limit:
            await patience(limit).call(Call(until=10**6))

    task = asyncio.create_task(job())
    await asyncio.sleep(300)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert now() == 300


async def test_a_cause_is_logged_once_for_each_job(logs: LogCapture) -> None:
    async with JobTimeouts(3600).limit("a") as limit:
        patient = patience(limit)
        for _ in range(2):
            with pytest.raises(InfrastructureError):
                await patient.call(Call(until=10**6))
    (line,) = logs.entries
    assert (line["event"], line["log_level"]) == ("call failed, trying again in place", "warning")
    assert line["error"] == "503"


@contextmanager
def lost_answer(storage: FakeStorage, name: str) -> Iterator[None]:
    """Lose the first answer to a call of that name: the call has its effect, and fails."""
    client = storage._s3
    original = getattr(client, name)
    lost = False

    async def call(**arguments: object) -> object:
        nonlocal lost
        answer = await original(**arguments)
        if not lost:
            lost = True
            raise ConnectionResetError
        return answer

    setattr(client, name, call)
    yield
    assert lost


async def write_output(storage: FakeStorage, size: int, *, force: bool = False) -> WriteResult:
    """Write an output as a job does, in parts of ten bytes if it is larger."""
    version = InputVersion(SOURCE, "etag", "v1", "01")
    async with JobTimeouts(3600).limit("a") as limit:
        patient = PatientStorage(storage, patience(limit))
        upload = Upload(
            patient, TARGET, metadata=version.metadata(), content_type="text/csv", part_bytes=10
        )
        await upload.write(b"x" * size)
        await upload.finish()
        return await write(
            patient,
            TARGET,
            lambda replacing: upload.commit(replacing, {}),
            version=version,
            replaces=lambda _: force,
            check_lease=held,
        )


@pytest.mark.parametrize(
    ("operation", "size", "result"),
    [
        ("put_object", 5, WriteResult.ALREADY_DONE),
        ("create_multipart_upload", 25, WriteResult.NEW),
        ("upload_part", 25, WriteResult.NEW),
        ("complete_multipart_upload", 25, WriteResult.ALREADY_DONE),
    ],
)
async def test_a_lost_answer_to_a_write_leaves_one_whole_output(
    operation: str, size: int, result: WriteResult
) -> None:
    storage = FakeStorage()
    with lost_answer(storage, operation):
        assert await write_output(storage, size) is result
    assert [version.body for version in storage.versions[TARGET]] == [b"x" * size]


async def test_a_lost_answer_to_a_forced_write_replaces_the_output_by_itself() -> None:
    storage = FakeStorage()
    with lost_answer(storage, "put_object"):
        assert await write_output(storage, 5, force=True) is WriteResult.REPLACED
    assert storage.body(TARGET) == b"x" * 5


async def test_an_abort_is_not_tried_again() -> None:
    storage = FakeStorage()
    storage.before = raising(InfrastructureError("503"), on="abort")
    async with JobTimeouts(3600).limit("a") as limit:
        with pytest.raises(InfrastructureError):
            await PatientStorage(storage, patience(limit)).abort(TARGET, "upload-1")
    assert now() == 0
