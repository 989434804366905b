"""What a worker makes of the reconciler's messages: the newest version's output, written anew."""

import json
from datetime import timedelta

import pytest

from tests.support.fakes.faults import raising
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import INPUT, OUTPUT, Cloud, body, output, report
from tests.support.simulation.bucket import Versioning
from tests.unit.reconciler.test_handler import Aws, night
from worker.errors import Unparsable
from worker.job import S3Uri

KEY = "a.csv"
VERSIONINGS = pytest.mark.parametrize("versioning", [None, "Suspended", "Enabled"])


def reconciled(cloud: Cloud, result: S3Uri) -> None:
    """Let a night pass that finds the input newer than its result."""
    aws = Aws()
    aws.put(INPUT, KEY, timedelta(hours=5))
    aws.put(OUTPUT, result.key, timedelta(hours=6))
    night(aws)
    (message,) = aws.sent
    current = cloud.storage.versions[S3Uri(INPUT, KEY)][-1]
    cloud.queue.send(json.dumps(message | {"etag": current.etag, "size": len(current.body)}))


@VERSIONINGS
async def test_a_version_whose_event_was_lost_gets_its_output_and_keeps_it(
    versioning: Versioning | None,
) -> None:
    cloud = Cloud(storage=FakeStorage(versioning))
    first = cloud.storage.add(S3Uri(INPUT, KEY), b"first")
    before = body(KEY, etag=first.etag, sequencer="01")
    cloud.queue.send(before)
    await cloud.run_worker()
    cloud.storage.add(S3Uri(INPUT, KEY), b"second")
    reconciled(cloud, output(KEY))
    await cloud.run_worker()
    assert cloud.outputs() == {f"p/{KEY}": b"SECOND"}
    # The event of the older version comes again, and that of the newer one comes late.
    cloud.queue.send(before)
    cloud.queue.send(body(KEY, sequencer="02"))
    await cloud.run_worker()
    assert cloud.outputs() == {f"p/{KEY}": b"SECOND"}


@VERSIONINGS
async def test_equal_bytes_get_an_output_that_is_newer_than_they_are(
    versioning: Versioning | None,
) -> None:
    cloud = Cloud(storage=FakeStorage(versioning))
    cloud.submit(KEY, b"first", sequencer="01")
    await cloud.run_worker()
    cloud.storage.add(S3Uri(INPUT, KEY), b"first")
    older = cloud.storage.versions[output(KEY)][-1]
    reconciled(cloud, output(KEY))
    await cloud.run_worker()
    assert cloud.storage.versions[output(KEY)][-1] is not older


async def test_a_failure_of_the_newer_version_gets_a_report_that_is_newer_than_it_is() -> None:
    cloud = Cloud()
    cloud.pool.before = raising(Unparsable("bad"))
    cloud.submit(KEY, b"first", sequencer="01")
    await cloud.run_worker()
    cloud.storage.add(S3Uri(INPUT, KEY), b"first")
    older = cloud.storage.versions[report(KEY)][-1]
    reconciled(cloud, report(KEY))
    await cloud.run_worker()
    assert cloud.storage.versions[report(KEY)][-1] is not older
