"""A message may change some settings for its own job, and for no other one."""

import json
from dataclasses import dataclass, field

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.pool import FakePool
from tests.support.fakes.worker import Cloud, body, output, report
from worker.errors import SettingsError
from worker.interfaces import AsyncInputReader, AsyncOutputSink, ScoreOptions
from worker.job import Job, S3Uri
from worker.jobs.job_options import JobOptions
from worker.jobs.rejected_rows import rejects_of


@dataclass
class WatchedPool(FakePool):
    """Keeps the options of each attempt, by the input's first bytes."""

    options: dict[bytes, ScoreOptions] = field(default_factory=dict)

    async def prepare(
        self,
        reader: AsyncInputReader,
        options: ScoreOptions,
        output: AsyncOutputSink,  # noqa: ARG002 - the signature is the pool's
        *,
        fresh: bool,  # noqa: ARG002
    ) -> None:
        self.options[reader.first] = options


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(pool=WatchedPool())


async def test_settings_of_a_message_reach_the_pool_for_its_own_job_alone(cloud: Cloud) -> None:
    cloud.submit("a.csv", b"a", settings={"KEEP_COLUMNS": "*", "DELIMITER": ";"})
    cloud.submit("b.csv", b"b", settings={"ENCODING": "latin-1"})
    cloud.submit("c.csv", b"c")
    await cloud.run_worker(concurrency=1, keep_columns="id", quote="'")
    assert isinstance(cloud.pool, WatchedPool)
    found = {
        content: (one.keep_columns, one.delimiter, one.encoding, one.quote)
        for content, one in cloud.pool.options.items()
    }
    assert found == {
        b"a": (("*",), ";", "utf-8", "'"),
        b"b": (("id",), None, "latin-1", "'"),
        b"c": (("id",), None, "utf-8", "'"),
    }


async def test_a_message_may_allow_rejected_rows(cloud: Cloud) -> None:
    cloud.submit("a.csv", b"one bad row", settings={"MAX_REJECTED": "1"})
    await cloud.run_worker()
    assert rejects_of(output("a.csv")) in cloud.storage.versions


async def test_rejected_rows_that_a_message_allowed_are_emptied_beside_a_newer_output(
    cloud: Cloud,
) -> None:
    allowed = {"settings": {"MAX_REJECTED": "1"}}
    cloud.submit("a.csv", b"one bad row", sequencer="01", **allowed)
    await cloud.run_worker()
    cloud.submit("a.csv", b"all is well", sequencer="02", **allowed)
    await cloud.run_worker()
    assert cloud.storage.body(output("a.csv")) == b"ALL IS WELL"
    assert cloud.storage.body(rejects_of(output("a.csv"))) == b"line,reason,row\n"


async def test_a_setting_that_a_message_may_not_set_fails_the_job_with_a_report(
    cloud: Cloud,
) -> None:
    cloud.submit("a.csv", settings={"MODEL": "s3://other/model.pkl", "MAX_REJECTED": "2"})
    await cloud.run_worker()
    written = json.loads(cloud.storage.body(report("a.csv")))
    assert (written["error_type"], written["permanent"]) == ("SettingsRefused", True)
    assert "a message may not set 'MODEL'" in written["message"]
    assert written["job"]["settings"] == {"MODEL": "s3://other/model.pkl", "MAX_REJECTED": "2"}
    ((_, attributes),) = cloud.queue.dead_letters
    assert attributes["error_type"] == "SettingsRefused"
    assert cloud.outputs().keys() == {"p/_failed/a.csv.json"}
    assert not cloud.queue.messages


async def test_an_output_made_with_other_settings_is_done_unless_the_message_says_again(
    cloud: Cloud,
) -> None:
    cloud.submit("a.csv", b"abc", run="r1")
    await cloud.run_worker()
    other = {"KEEP_COLUMNS": "*"}
    cloud.queue.send(body("a.csv", run="r2", settings=other))
    await cloud.run_worker()
    assert cloud.storage.metadata(output("a.csv"))["run"] == "r1"
    cloud.queue.send(body("a.csv", run="r3", settings=other, again=True))
    await cloud.run_worker()
    assert cloud.storage.metadata(output("a.csv"))["run"] == "r3"


async def test_the_run_is_in_each_line_of_the_job_in_its_output_and_its_rejected_rows(
    cloud: Cloud, logs: LogCapture
) -> None:
    cloud.submit("a.csv", b"one bad row", run="r1", settings={"MAX_REJECTED": "1"})
    cloud.submit("b.csv", b"of no run")
    await cloud.run_worker(concurrency=1)
    runs = {line["input"]: line.get("run") for line in logs.entries if "input" in line}
    assert runs == {"s3://in/a.csv": "r1", "s3://in/b.csv": None}
    assert cloud.storage.metadata(output("a.csv"))["run"] == "r1"
    assert cloud.storage.metadata(rejects_of(output("a.csv")))["run"] == "r1"
    assert "run" not in cloud.storage.metadata(S3Uri("out", "p/b.csv"))


def test_the_settings_of_a_run_are_read_once() -> None:
    read = []

    def change(changes: object) -> ScoreOptions:
        read.append(changes)
        return ScoreOptions(encoding=f"{len(read)}")

    options = JobOptions(ScoreOptions(), change)
    fields = {"bucket": "in", "key": "a", "output_bucket": "out", "output_key": "p"}
    first = Job.model_validate(fields | {"settings": {"ENCODING": "a", "QUOTE": "b"}})
    same = Job.model_validate(fields | {"settings": {"QUOTE": "b", "ENCODING": "a"}})
    other = Job.model_validate(fields | {"settings": {"QUOTE": "a", "ENCODING": "b"}})
    found = [options.of(job).encoding for job in (first, same, other, first)]
    assert found == ["1", "1", "2", "1"]


async def test_several_wrong_settings_are_one_line(cloud: Cloud) -> None:
    cloud.submit("a.csv", settings={"MAX_REJECTED": "x", "OUTPUT_FORMAT": "xls"})
    await cloud.run_worker()
    message = json.loads(cloud.storage.body(report("a.csv")))["message"]
    assert "\n" not in message
    assert "WORKER_OUTPUT_FORMAT" in message
    assert "WORKER_MAX_REJECTED" in message


def test_settings_that_are_refused_are_refused_each_time() -> None:
    def refuse(_: object) -> ScoreOptions:
        raise SettingsError("no")

    options = JobOptions(ScoreOptions(), refuse)
    fields = {"bucket": "in", "key": "a", "output_bucket": "out", "output_key": "p"}
    job = Job.model_validate(fields | {"settings": {"MODEL": "m"}})
    for _ in range(2):
        with pytest.raises(Exception, match="settings are refused: no"):
            options.of(job)
