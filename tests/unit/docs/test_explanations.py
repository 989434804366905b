"""The explanations name the values of the code and of the template."""

import inspect
from pathlib import Path

import pytest

from dispatcher import handler
from tests.support.template import PARAMETERS, ROOT, properties
from worker.formats.parts import _COLUMNS_PER_PART, _LARGEST_PART
from worker.jobs.limits import PATIENCE_SECONDS, RESULT_PATIENCE_SECONDS
from worker.jobs.settlement import LEAST_SHARE, MAX_BACKOFF_SECONDS
from worker.lifecycle.breaker import LEAST_INPUTS
from worker.pool.large_file import PARTS_AHEAD
from worker.queue.leases import MAX_LEASE_SECONDS, RETRY_SECONDS
from worker.queue.sqs import BATCH_SIZE
from worker.scoring.batches import BATCH_ROWS
from worker.scoring.score import PART_BYTES
from worker.storage.conditional_write import WRITE_ATTEMPTS

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PART = PART_BYTES >> 20
VISIBILITY = PARAMETERS["VisibilitySeconds"]["Default"]
NAMED = [
    (
        "waking.md",
        f"{NUMBERS[properties('DispatcherFailures')['MaximumRetryAttempts']]} more times",
    ),
    ("waking.md", f"{VISIBILITY} seconds by\ndefault"),
    ("waking.md", f"{MAX_BACKOFF_SECONDS} seconds at most"),
    ("waking.md", f"does\nso {NUMBERS[handler.GENERATIONS]} times"),
    ("waking.md", "Five minutes".lower()),
    ("leases.md", f"timeout, {VISIBILITY} seconds by default"),
    ("leases.md", f"up to {NUMBERS[BATCH_SIZE]} messages"),
    ("leases.md", f"{NUMBERS[PARAMETERS['MaxReceiveCount']['Default']]} receives"),
    ("leases.md", f"at most {MAX_BACKOFF_SECONDS} seconds"),
    ("leases.md", f"after {LEAST_SHARE * MAX_BACKOFF_SECONDS:g} to {MAX_BACKOFF_SECONDS} seconds"),
    ("leases.md", f"at least {NUMBERS[LEAST_INPUTS]} files"),
    ("writes.md", f"After {NUMBERS[WRITE_ATTEMPTS]} attempts"),
    ("types.md", f"the first {BATCH_ROWS:,} rows"),
    ("parts.md", f"larger than {PART} MiB"),
    ("parts.md", f"starts at byte {PART_BYTES:,}"),
    ("parts.md", f"more than {_COLUMNS_PER_PART} columns"),
    ("parts.md", f"up to {_LARGEST_PART * PART} MiB"),
    ("parts.md", f"Batches of {BATCH_ROWS:,} rows"),
]


@pytest.mark.parametrize(("page", "named"), NAMED)
def test_a_value_is_the_one_of_the_code(page: str, named: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")

    assert " ".join(named.split()) in " ".join(text.split())


def test_the_times_that_are_in_words_are_those_of_the_code() -> None:
    assert properties("Sweep")["ScheduleExpression"] == "rate(5 minutes)"  # "five minutes"
    assert PATIENCE_SECONDS == 15 * 60  # "for a quarter of an hour"
    assert RESULT_PATIENCE_SECONDS == 2 * 3600  # "for two hours"
    assert RETRY_SECONDS == 0.5  # "half a second later"
    assert MAX_LEASE_SECONDS == 12 * 3600 - 60  # "The last extension ends a minute before that"
    assert PARTS_AHEAD == 1  # "that part and the next one": docs/parts.md counts 25 MiB for both


def test_a_token_is_made_of_what_the_page_says() -> None:
    text = " ".join((ROOT / "docs" / "waking.md").read_text("utf-8").split())
    made = inspect.getsource(handler.Fleet._client_token)

    assert "(self.settings.cluster, family, minute, slot, capacity, generation)" in made
    assert (
        "the cluster, the task family, the minute, the number of the slot, the capacity (on demand "
        "or Spot) and the generation" in text
    )


def test_every_explanation_has_a_drawing_and_says_where_it_is_tested() -> None:
    for name in ("waking", "leases", "writes", "types", "parts"):
        text = Path(ROOT / "docs" / f"{name}.md").read_text("utf-8")
        assert "](drawings/" in text
        assert "## Where this is tested" in text
