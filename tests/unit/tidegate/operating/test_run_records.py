"""Failure reports and open runs by one listing, whatever else lies between them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.failures.reports import StackKeys
from tidegate.operating.run_records import look

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LAYOUT = StackKeys("out", "p", "{output_key}/{key}", "{output_key}/_failed/{key}.json", None)


class Bucket:
    """S3's listings of some keys, a few to a page, and how many pages were asked for."""

    def __init__(self, keys: Iterable[str], page_keys: int = 1000) -> None:
        self.keys = sorted(keys)
        self.page_keys = page_keys
        self.calls = 0
        self.has_empty_pages = False

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803, ARG002 - boto3's names, as those below
        Prefix: str,  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        ContinuationToken: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        self.calls += 1
        if self.has_empty_pages and StartAfter:
            return {"IsTruncated": True, "NextContinuationToken": StartAfter}
        StartAfter = StartAfter or ContinuationToken  # noqa: N806
        keys = [key for key in self.keys if key.startswith(Prefix) and key > StartAfter]
        page = [{"Key": key, "ETag": '"e"', "LastModified": NOW} for key in keys]
        shown = page[: self.page_keys]
        return {"Contents": shown, "IsTruncated": len(page) > len(shown)}


def record(run: str, *names: str) -> list[str]:
    return [f"p/_runs/{run}/{name}" for name in ("request.json", *names)]


SENT = ("sent/000001-50000.jsonl.gz", "sent/000002-7.jsonl.gz", "sent.json")


def test_one_call_tells_reports_and_open_runs() -> None:
    s3: Any = Bucket(
        [
            "p/_failed/a.csv.json",
            "p/a.csv",
            "p/_data/other.csv",
            *record("20261127-1", *SENT, "summary.json"),
            *record("20261128-1", *SENT),
            *record("mine", "cancelled"),
            "p/_runs/not-one/notes.txt",
        ]
    )
    seen = look(s3, LAYOUT, NOW)
    assert s3.calls == 1
    assert (seen.reports, seen.more_reports) == (1, False)
    first, second = seen.open_runs
    assert (first.name, first.files, first.all_sent) == ("20261128-1", 50_007, True)
    assert (second.name, second.files, second.all_sent) == ("mine", 0, False)


def test_many_reports_leave_room_for_the_runs_in_a_second_call() -> None:
    reports = [f"p/_failed/{number}.csv.json" for number in range(9)]
    s3: Any = Bucket([*reports, *record("20261128-1", *SENT)], page_keys=5)
    seen = look(s3, LAYOUT, NOW)
    assert s3.calls == 2
    assert (seen.reports, seen.more_reports) == (5, True)
    assert [run.name for run in seen.open_runs] == ["20261128-1"]


def test_of_very_many_runs_the_latest_are_told() -> None:
    old = [name for day in range(10, 20) for name in record(f"202611{day}-1", *SENT)]
    s3: Any = Bucket([*old, *record("20261127-1", *SENT)], page_keys=8)
    seen = look(s3, LAYOUT, NOW)
    assert s3.calls == 2
    assert [run.name for run in seen.open_runs] == ["20261127-1"]


@pytest.mark.parametrize("template", ["{output_key}/zz/{key}.json", "{output_key}/{key}.failed"])
def test_reports_may_lie_behind_the_runs(template: str) -> None:
    layout = replace(LAYOUT, failure_template=template)
    before, after = template.replace("{output_key}", "p").split("{key}")
    others = [f"p/b/{number}.csv" for number in range(9)]
    keys = [f"{before}zz.csv{after}", *record("r1", *SENT), *others]
    s3: Any = Bucket(keys)
    assert look(s3, layout, NOW).reports == 1
    s3 = Bucket(keys, page_keys=5)
    seen = look(s3, layout, NOW)
    assert [run.name for run in seen.open_runs] == ["r1"]
    assert seen.reports == 1 or seen.more_reports


def test_a_page_without_objects_is_not_the_end_of_the_listing() -> None:
    s3: Any = Bucket(["p/_failed/a.csv.json", *record("20261128-1", *SENT)])
    s3.has_empty_pages = True
    seen = look(s3, LAYOUT, NOW)
    assert (seen.reports, [run.name for run in seen.open_runs]) == (1, ["20261128-1"])
