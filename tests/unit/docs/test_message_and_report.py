"""The messages and the report that the reference shows are ones of the worker."""

import json
import re

import pytest

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
