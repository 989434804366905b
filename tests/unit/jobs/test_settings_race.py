"""Two jobs of one version, with other settings or models: both files are of one of the jobs."""

import hashlib
import json

import pytest

from tests.support.fakes.worker import INPUT, Cloud, output
from worker.job import S3Uri
from worker.jobs.rejected_rows import NO_REJECTS, rejects_of
from worker.storage.protocol import Head
from worker.storage.provenance import InputVersion

OUTPUT, REJECTS = output("a.csv"), rejects_of(output("a.csv"))
SETTINGS = {"MAX_REJECTED": "1"}
OTHERS = [{"settings-sha256": "0" * 64, "model-sha256": "0" * 64}, {"model-sha256": "1" * 64}]
OWN = {
    "model-sha256": "0" * 64,
    "settings-sha256": hashlib.sha256(json.dumps(SETTINGS).encode()).hexdigest(),
}


class Race:
    """A job that runs while another one writes its files: `at` the call of that name and object."""

    def __init__(self, content: bytes, others: dict[str, str], part_bytes: int = 5 << 20) -> None:
        self.cloud = Cloud(part_bytes=part_bytes)
        self.others = others
        self.cloud.submit("a.csv", content, settings=SETTINGS)

    def write(self, uri: S3Uri, content: bytes, made_by: dict[str, str]) -> Head:
        """Write an object of the present version, as the other job does."""
        source = S3Uri(INPUT, "a.csv")
        version = self.cloud.storage.versions[source][-1]
        recorded = InputVersion(source, version.etag, version.id, None)
        return self.cloud.storage.add(uri, content, {**recorded.metadata(), **made_by})

    async def run(self, at: tuple[str, S3Uri], *written: tuple[S3Uri, bytes]) -> dict[str, bytes]:
        """Run the job; the other one writes these objects just before that call, once."""

        def write_meanwhile(name: str, uri: S3Uri) -> None:
            if (name, uri) == at:
                self.cloud.storage.before = None
                for target, content in written:
                    self.write(target, content, self.others)

        self.cloud.storage.before = write_meanwhile
        await self.cloud.run_worker()
        assert not self.cloud.queue.messages
        return self.cloud.outputs()


BY_THIS_JOB = {OUTPUT.key: b"ONE BAD ROW", REJECTS.key: b"line,reason,row\n1,bad,bad\n"}


@pytest.mark.parametrize("others", OTHERS)
async def test_the_job_whose_rejected_rows_are_there_writes_the_output_too(
    others: dict[str, str],
) -> None:
    race = Race(b"one bad row", others)
    assert await race.run(("put", OUTPUT), (OUTPUT, b"another's")) == BY_THIS_JOB


@pytest.mark.parametrize("others", OTHERS)
async def test_the_job_whose_rejected_rows_were_replaced_leaves_the_output(
    others: dict[str, str],
) -> None:
    race = Race(b"one bad row", others)
    files = (REJECTS, b"another's rows"), (OUTPUT, b"another's")
    assert await race.run(("put", OUTPUT), *files) == {uri.key: content for uri, content in files}


@pytest.mark.parametrize("others", OTHERS)
async def test_a_finished_pair_of_other_settings_stays_as_it_is(others: dict[str, str]) -> None:
    for content in (b"one bad row", b"all is well"):
        race = Race(content, others)
        files = (REJECTS, b"another's rows"), (OUTPUT, b"another's")
        found = await race.run(("get", S3Uri(INPUT, "a.csv")), *files)
        assert found == {uri.key: content for uri, content in files}


@pytest.mark.parametrize("others", OTHERS)
async def test_rejected_rows_without_an_output_are_taken_over(others: dict[str, str]) -> None:
    race = Race(b"one bad row", others)
    found = await race.run(("get", S3Uri(INPUT, "a.csv")), (REJECTS, b"another's rows"))
    assert found == BY_THIS_JOB
    race = Race(b"all is well", others)
    found = await race.run(("get", S3Uri(INPUT, "a.csv")), (REJECTS, b"another's rows"))
    assert found == {OUTPUT.key: b"ALL IS WELL", REJECTS.key: NO_REJECTS}


async def test_equal_settings_and_models_write_nothing_twice() -> None:
    race = Race(b"one bad row", OWN)
    assert await race.run(("put", OUTPUT), (OUTPUT, b"another's")) == {
        **BY_THIS_JOB,
        OUTPUT.key: b"another's",
    }


async def test_a_large_file_goes_on_if_an_earlier_attempt_has_left_its_rejected_rows() -> None:
    race = Race(b"one bad row" * 3, OTHERS[0], part_bytes=10)
    race.write(REJECTS, b"line,reason,row\n1,bad,bad\n", OWN)
    race.write(OUTPUT, b"another's", OTHERS[0])
    await race.cloud.run_worker()
    assert race.cloud.outputs()[OUTPUT.key] == b"ONE BAD ROW" * 3
    assert race.cloud.storage.uploads == 0
