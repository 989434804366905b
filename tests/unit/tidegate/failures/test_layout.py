"""Where outputs and reports are, by the stack's own settings."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.aws.stack import DeployedStack
from tidegate.failures.reports import StackKeys
from worker.errors import OutputRefused
from worker.job import Job
from worker.jobs.output_keys import report_key

OUTPUTS = {"OutputBucket": "out", "OutputKey": "predictions/"}
DEFAULT = StackKeys.of(DeployedStack("s", "", "", {}, OUTPUTS, {}))
JOB = {"bucket": "in", "key": "dir/a.csv", "output_bucket": "out", "output_key": "predictions"}


def with_settings(text: str) -> StackKeys:
    return StackKeys.of(DeployedStack("s", "", "", {"WorkerSettings": text}, OUTPUTS, {}))


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ("", "predictions/dir/a.csv"),
        ("OUTPUT_FORMAT=parquet MAX_REJECTED=0.1", "predictions/dir/a.csv.parquet"),
        ("WORKER_OUTPUT_TEMPLATE='{output_key}/v 2/{key}'", "predictions/v 2/dir/a.csv"),
        ("NO_SUCH=1", "predictions/dir/a.csv"),
        ("'unclosed", "predictions/dir/a.csv"),
    ],
)
def test_the_output_follows_the_stacks_settings(settings: str, key: str) -> None:
    target = with_settings(settings).output_of(None, JOB)  # type: ignore[arg-type] # S3 is not asked
    assert target is not None
    assert target.key == key


def test_a_jobs_own_settings_come_first() -> None:
    job = JOB | {"settings": {"OUTPUT_FORMAT": "jsonl"}}
    target = with_settings("OUTPUT_FORMAT=csv").output_of(None, job)  # type: ignore[arg-type] # as above
    assert target is not None
    assert target.key == "predictions/dir/a.csv.jsonl"


TEMPLATES = (
    "{output_key}/_failed/{key}.json",
    "_reports/{output_key}/{key}",
    "{output_key}/{version_id}/{key}.failed",
    "{key}.failed.json",
)


@given(
    st.sampled_from(TEMPLATES),
    st.sampled_from(["", "predictions", "a+b/(c)"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
)
def test_every_report_is_found_by_listing(template: str, prefix: str, key: str) -> None:
    layout = replace(DEFAULT, prefix=prefix, failure_template=template)
    job = Job(bucket="in", key=key, output_bucket="out", output_key=prefix)
    try:
        target = report_key(template, job)
    except OutputRefused:
        return
    assert target.startswith(layout.reports_prefix)
    assert layout.is_report(target)


@pytest.mark.parametrize(
    "key", ["predictions/a.csv", "predictions/_failed/a.txt", "other/_failed/a.csv.json"]
)
def test_other_objects_are_no_reports(key: str) -> None:
    assert not DEFAULT.is_report(key)
