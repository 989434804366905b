"""Rejected rows: written before their output, and replaced together with it."""

import pytest

from tests.support.fakes.worker import INPUT, Cloud, body, output
from worker.job import S3Uri

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
