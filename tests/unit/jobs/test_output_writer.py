"""Rejected rows: written before their output, and replaced together with it."""

import asyncio

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.faults import raising
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import INPUT, Cloud, body, output
from tests.support.simulation.bucket import Versioning
from worker.errors import ProcessLost, TransientError, Unparsable
from worker.job import S3Uri
from worker.storage.protocol import Head
from worker.storage.provenance import InputVersion

REJECTED = "p/a.csv.rejected.csv"


async def test_rejected_rows_are_written_before_their_output() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", b"bad")
    await cloud.run_worker()
    written_keys = [uri.key for name, uri in cloud.storage.calls if name == "put"]
    assert written_keys == [REJECTED, "p/a.csv"]
    assert cloud.storage.metadata(output("a.csv"))["rejected"] == "1"


async def test_rejected_rows_of_an_older_version_are_replaced_by_an_empty_table() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", b"bad", sequencer="01")
    await cloud.run_worker()
    cloud.submit("a.csv", b"good", sequencer="02")
    await cloud.run_worker()
    assert cloud.outputs() == {"p/a.csv": b"GOOD", REJECTED: b"line,reason,row\n"}


async def test_rejected_rows_of_the_newer_version_stay_in_either_order() -> None:
    cloud = Cloud()
    for content, sequencer in ((b"very bad", "02"), (b"good", "01")):
        cloud.submit("a.csv", content, sequencer=sequencer)
        await cloud.run_worker()
    assert cloud.outputs() == {
        "p/a.csv": b"VERY BAD",
        REJECTED: b"line,reason,row\n1,bad,bad\n",
    }


async def test_late_rejected_rows_of_an_older_version_are_not_written() -> None:
    cloud = Cloud()
    for content, sequencer in ((b"good", "02"), (b"bad", "01")):
        cloud.submit("a.csv", content, sequencer=sequencer)
        await cloud.run_worker()
    assert cloud.outputs() == {"p/a.csv": b"GOOD"}


async def test_older_rejected_rows_are_emptied_before_their_output_is_replaced() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", b"bad", sequencer="01")
    await cloud.run_worker()
    cloud.submit("a.csv", b"good", sequencer="02")
    cloud.storage.calls.clear()
    await cloud.run_worker()
    written = [uri.key for name, uri in cloud.storage.calls if name == "put"]
    assert written[-1] == "p/a.csv"
    assert REJECTED in written


@pytest.mark.parametrize("failing", ["put", "head"])
@pytest.mark.parametrize("failures", range(1, 5))
async def test_a_failure_at_any_call_leaves_no_older_rejected_rows_beside_the_newer_output(
    failing: str, failures: int
) -> None:
    cloud = Cloud()
    cloud.submit("a.csv", b"bad", sequencer="01")
    await cloud.run_worker()
    cloud.submit("a.csv", b"good", sequencer="02")
    count = 0

    def fail_once(name: str, _: S3Uri) -> None:
        nonlocal count
        if name == failing and (count := count + 1) == failures:
            raise TransientError("503")

    def check(name: str, uri: S3Uri) -> None:
        outputs = cloud.outputs()
        if outputs["p/a.csv"] == b"GOOD":
            assert outputs[REJECTED] == b"line,reason,row\n", (name, uri)
        fail_once(name, uri)

    cloud.storage.before = check
    await cloud.run_worker()
    assert cloud.outputs() == {"p/a.csv": b"GOOD", REJECTED: b"line,reason,row\n"}


@pytest.mark.parametrize("content", [b"good", b"very bad"])
async def test_rejected_rows_of_an_attempt_that_wrote_no_output_are_replaced_by_a_newer_version(
    content: bytes,
) -> None:
    cloud = Cloud()
    head = cloud.storage.add(S3Uri(INPUT, "a.csv"), b"bad")
    older = InputVersion(S3Uri(INPUT, "a.csv"), head.etag, head.version_id, "01")
    cloud.storage.add(output("a.csv.rejected.csv"), b"1,bad,bad", older.metadata())
    cloud.submit("a.csv", content, sequencer="02")
    await cloud.run_worker(max_rejected=0.5)
    written = [uri.key for name, uri in cloud.storage.calls if name == "put"]
    assert written[-1] == "p/a.csv"
    assert cloud.storage.metadata(output("a.csv.rejected.csv"))["source-sequencer"] == "02"


@pytest.mark.parametrize("sequencers", [("01", "02"), (None, None)])
@pytest.mark.parametrize("versioning", ["Enabled", None])
async def test_rejected_rows_written_while_a_newer_output_is_written_are_emptied(
    versioning: Versioning | None, sequencers: tuple[str | None, str | None]
) -> None:
    cloud = Cloud()
    cloud.storage.versioning = versioning
    older, newer = sequencers
    cloud.submit("a.csv", b"bad", sequencer=older)

    def write_newer_output(name: str, uri: S3Uri) -> None:
        if (name, uri) == ("put", output("a.csv")):
            cloud.storage.before = None
            source = S3Uri(INPUT, "a.csv")
            head = cloud.storage.add(source, b"good")
            version = InputVersion(source, head.etag, head.version_id, newer)
            cloud.storage.add(uri, b"GOOD", version.metadata())

    cloud.storage.before = write_newer_output
    await cloud.run_worker()
    assert cloud.outputs() == {"p/a.csv": b"GOOD", REJECTED: b"line,reason,row\n"}


@pytest.mark.parametrize("again", [False, True])
async def test_rejected_rows_of_the_same_version_are_emptied_only_if_it_is_predicted_again(
    *, again: bool
) -> None:
    cloud = Cloud()
    source = S3Uri(INPUT, "a.csv")
    head = cloud.storage.add(source, b"good")
    version = InputVersion(source, head.etag, head.version_id, "01")
    cloud.storage.add(output("a.csv"), b"by another model", version.metadata())
    cloud.storage.add(output("a.csv.rejected.csv"), b"1,bad,bad", version.metadata())
    cloud.queue.send(body("a.csv", version_id=head.version_id, sequencer="01", again=again))
    await cloud.run_worker(max_rejected=0.5)
    assert cloud.outputs() == (
        {"p/a.csv": b"GOOD", REJECTED: b"line,reason,row\n"}
        if again
        else {"p/a.csv": b"by another model", REJECTED: b"1,bad,bad"}
    )


async def test_a_large_outdated_file_empties_the_rejected_rows_that_it_left() -> None:
    cloud = Cloud(part_bytes=10)
    source = S3Uri(INPUT, "a.csv")
    older = cloud.storage.add(source, b"bad" * 10)
    newer = cloud.storage.add(source, b"good")
    left = InputVersion(source, older.etag, older.version_id, "01")
    kept = InputVersion(source, newer.etag, newer.version_id, "02")
    cloud.storage.add(output("a.csv"), b"GOOD", kept.metadata())
    cloud.storage.add(output("a.csv.rejected.csv"), b"1,bad,bad", left.metadata())
    cloud.queue.send(body("a.csv", version_id=older.version_id, sequencer="01"))
    await cloud.run_worker()
    assert cloud.outputs() == {"p/a.csv": b"GOOD", REJECTED: b"line,reason,row\n"}


@pytest.mark.parametrize("output_format", [None, "jsonl"])
async def test_an_overwritten_version_empties_the_rejected_rows_that_it_left(
    output_format: str | None,
) -> None:
    cloud = Cloud()
    cloud.storage.versioning = None
    source = S3Uri(INPUT, "a.csv")
    older = cloud.storage.add(source, b"bad")
    newer = cloud.storage.add(source, b"good")
    key = "a.csv.jsonl" if output_format else "a.csv"
    kept = InputVersion(source, newer.etag, None, "02")
    left = InputVersion(source, older.etag, None, "01")
    cloud.storage.add(output(key), b"GOOD", kept.metadata())
    cloud.storage.add(output(f"{key}.rejected.csv"), b"1,bad,bad", left.metadata())
    cloud.queue.send(body("a.csv", etag=older.etag, sequencer="01"))
    await cloud.run_worker(max_rejected=0.5, output_format=output_format)
    assert cloud.outputs() == {f"p/{key}": b"GOOD", f"p/{key}.rejected.csv": b"line,reason,row\n"}


async def left_beside_a_newer_output(cloud: Cloud) -> tuple[Head, Head]:
    """Write the older and the newer input, the newer output, and rejected rows of the older one."""
    source = S3Uri(INPUT, "a.csv")
    older, newer = cloud.storage.add(source, b"bad"), cloud.storage.add(source, b"good")
    left = InputVersion(source, older.etag, older.version_id, "01")
    kept = InputVersion(source, newer.etag, newer.version_id, "02")
    cloud.storage.add(output("a.csv"), b"GOOD", kept.metadata())
    cloud.storage.add(output("a.csv.rejected.csv"), b"1,bad,bad", left.metadata())
    return older, newer


@pytest.mark.parametrize("error", [Unparsable("nonsense"), ProcessLost("killed")])
async def test_a_version_that_fails_for_good_leaves_no_rejected_rows_beside_the_newer_output(
    error: Exception,
) -> None:
    cloud = Cloud(FakeQueue(max_receive_count=1))
    older, _ = await left_beside_a_newer_output(cloud)
    cloud.pool.before = raising(error)
    cloud.queue.send(body("a.csv", version_id=older.version_id, etag=older.etag, sequencer="01"))
    await cloud.run_worker(max_rejected=0.5)
    assert cloud.outputs() == {"p/a.csv": b"GOOD", REJECTED: b"line,reason,row\n"}
    assert not cloud.queue.messages


async def test_without_rejected_rows_a_version_that_fails_for_good_costs_no_look_at_them() -> None:
    cloud = Cloud()
    cloud.pool.before = raising(Unparsable("nonsense"))
    cloud.submit("a.csv", b"bad")
    await cloud.run_worker()
    assert output("a.csv.rejected.csv") not in [uri for _, uri in cloud.storage.calls]


@pytest.mark.parametrize("max_receive_count", [1, 2])
async def test_rejected_rows_that_cannot_be_looked_at_delay_a_dead_letter_but_never_prevent_it(
    max_receive_count: int, logs: LogCapture
) -> None:
    cloud = Cloud(FakeQueue(max_receive_count=max_receive_count))
    cloud.pool.before = raising(Unparsable("nonsense"))

    def fail(name: str, uri: S3Uri) -> None:
        if (name, uri) == ("head", output("a.csv")):
            raise TransientError("503")

    cloud.storage.before = fail
    cloud.submit("a.csv", b"bad")
    await cloud.run_worker(max_rejected=0.5, idle_seconds=1000)
    ((_, attributes),) = cloud.queue.dead_letters
    assert attributes["error_type"] == "Unparsable"
    assert attributes["receive_count"] == str(max_receive_count)
    assert "rejected rows not emptied" in [line["event"] for line in logs.entries]


@pytest.mark.parametrize("part_bytes", [100, 1], ids=["small", "large"])
async def test_an_output_that_is_already_there_has_no_older_rejected_rows_beside_it(
    part_bytes: int,
) -> None:
    cloud = Cloud(part_bytes=part_bytes)
    await left_beside_a_newer_output(cloud)
    cloud.queue.send(body("a.csv"))  # of an attempt that ended between its two writes
    await cloud.run_worker(max_rejected=0.5)
    assert cloud.outputs() == {"p/a.csv": b"GOOD", REJECTED: b"line,reason,row\n"}


async def test_both_uploads_are_aborted_though_the_job_is_cancelled_meanwhile() -> None:
    class SlowAborts(FakeStorage):
        async def abort(self, uri: S3Uri, upload: str) -> None:
            await asyncio.sleep(1.5)
            await super().abort(uri, upload)

    cloud = Cloud(FakeQueue(max_receive_count=1), SlowAborts(), part_bytes=10)
    cloud.storage.before = raising(TransientError("503"), on="complete")
    cloud.submit("a.csv", b"bad" * 10)
    await cloud.run_worker(job_seconds=1)
    ((_, attributes),) = cloud.queue.dead_letters
    assert "WORKER_JOB_SECONDS" in attributes["error_message"]
    assert [name for name, _ in cloud.storage.calls].count("begin") == 2
    assert cloud.storage.uploads == 0


async def test_by_default_a_first_output_costs_one_get_and_one_put() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", b"good")
    await cloud.run_worker()
    assert [name for name, _ in cloud.storage.calls] == ["get", "put"]


async def test_another_programs_object_at_the_key_of_the_rejected_rows_is_not_touched() -> None:
    cloud = Cloud()
    foreign = output("a.csv.rejected.csv")
    cloud.storage.add(foreign, b"foreign")
    for content, sequencer in ((b"fine", "01"), (b"good", "02")):
        cloud.submit("a.csv", content, sequencer=sequencer)
        await cloud.run_worker()
    assert cloud.outputs() == {"p/a.csv": b"GOOD", foreign.key: b"foreign"}


@pytest.mark.parametrize("content", [b"short", b"long" * 100], ids=["put", "multipart"])
async def test_an_output_is_written_with_the_content_encoding_of_its_form(content: bytes) -> None:
    cloud = Cloud(part_bytes=100)
    cloud.storage.add(S3Uri(INPUT, "a.csv"), content, content_encoding="gzip")
    cloud.queue.send(body("a.csv"))
    cloud.submit("b.csv", content)
    await cloud.run_worker()
    (encoded,), (plain,) = (cloud.storage.versions[output(key)] for key in ("a.csv", "b.csv"))
    assert (encoded.body, encoded.content_type) == (plain.body, "text/csv")
    assert (encoded.content_encoding, plain.content_encoding) == ("gzip", None)
