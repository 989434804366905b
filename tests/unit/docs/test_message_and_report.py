"""The messages, the report and the metadata of the reference are those of the worker."""

import json
import re

import pytest

from tests.support.fakes.worker import Cloud, output
from tests.support.schemas import checked
from tests.support.template import ROOT
from worker.job import Job

BLOCK = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    """Return the blocks of JSON of a page."""
    return BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))


@pytest.mark.parametrize("message", blocks("message.md"))
def test_a_message_that_is_shown_is_a_job_and_fits_the_schema(message: str) -> None:
    checked("message", message)

    assert Job.parse(message).model_dump(exclude_unset=True) == json.loads(message)


def test_the_schema_of_a_message_refuses_what_the_worker_refuses() -> None:
    whole = json.loads(blocks("message.md")[0])
    for name in whole:
        with pytest.raises(AssertionError, match=name):
            checked("message", json.dumps({**whole, name: None}))


def test_the_report_that_is_shown_fits_the_schema_and_names_every_field() -> None:
    (example,) = blocks("failure-report.md")

    report = checked("failure-report", example)

    job = Job.model_validate(report["job"])
    assert job.model_dump(exclude_none=True) == report["job"]


async def test_the_metadata_of_an_output_is_listed() -> None:
    cloud = Cloud()
    settings = {"MAX_REJECTED": "0.5"}
    cloud.submit("a.csv", sequencer="0A", run="r", settings=settings)
    await cloud.run_worker()
    text = (ROOT / "docs" / "output.md").read_text("utf-8")
    table = text.partition("## Metadata")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)

    listed = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    assert cloud.storage.metadata(output("a.csv")).keys() == listed
