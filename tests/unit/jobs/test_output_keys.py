import pytest

from worker.errors import OutputRefused
from worker.job import Job, S3Uri
from worker.jobs.output_keys import output_key, output_uri, report_key
from worker.storage.provenance import InputVersion

INPUT = S3Uri("in", "iris.csv")


def job(**changes: object) -> Job:
    fields = {"bucket": "in", "key": "iris.csv", "output_bucket": "out", "output_key": "p"}
    return Job.model_validate(fields | changes)


def test_the_output_key_follows_from_the_input() -> None:
    assert output_key("{output_key}/{key}", job(key="dir/iris.csv")) == "p/dir/iris.csv"


def test_an_empty_prefix_leaves_no_slash() -> None:
    assert output_key("{output_key}/{key}", job(output_key="")) == "iris.csv"


def test_braces_in_a_key_are_letters() -> None:
    assert output_key("{output_key}/{key}", job(key="{key}.csv")) == "p/{key}.csv"


def test_a_key_may_name_the_version() -> None:
    version = InputVersion(INPUT, "abc", "v7", None)
    key = output_key("{output_key}/{version_id}/{etag}/{key}", job(), version)
    assert key == "p/v7/abc/iris.csv"


def test_a_key_longer_than_s3_allows_is_refused() -> None:
    with pytest.raises(OutputRefused, match="1024 bytes"):
        output_key("{output_key}/{key}", job(key="ü" * 512))


@pytest.mark.parametrize("prefix", ["p", ""])
def test_no_output_stands_where_the_command_line_keeps_its_runs(prefix: str) -> None:
    of_a_run = job(key="_runs/r1/summary.json", output_key=prefix)
    with pytest.raises(OutputRefused, match="_runs/, where Tidegate keeps its runs"):
        output_uri("{output_key}/{key}", of_a_run, None, None)


@pytest.mark.parametrize("key", ["_runs", "_runs.csv", "a/_runs/b.csv", "_failed/b.csv"])
def test_other_keys_may_hold_these_words(key: str) -> None:
    target = output_uri("{output_key}/{key}", job(key=key), None, None)
    assert target == S3Uri("out", f"p/{key}")


def test_the_report_of_a_key_too_long_goes_under_its_hash() -> None:
    key = report_key("{output_key}/_failed/{key}.json", job(key="ü" * 512))
    assert len(key) == len("p/_failed/.json") + 64
