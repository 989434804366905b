import pytest

from tidegate.runs.layout import Layout, Place
from worker.interfaces import Format
from worker.job import Job
from worker.jobs.output_keys import output_uri, report_key


def job(key: str, prefix: str = "p") -> Job:
    return Job(bucket="in", key=key, output_bucket="out", output_key=prefix)


@pytest.mark.parametrize("prefix", ["p", "p/", "a/b", ""])
@pytest.mark.parametrize(
    "template", ["{output_key}/{key}", "x/{key}.out", "{{{output_key}/{key}}}"]
)
def test_places_are_where_the_worker_writes(template: str, prefix: str) -> None:
    layout = Layout(
        "out", prefix, "csv", output_template=template, failure_template=template + ".f"
    )
    of = job("dir/a b{key}.txt", prefix)
    formats: tuple[Format | None, ...] = (None, "csv")
    expected = [output_uri(template, of, None, converted).key for converted in formats]
    assert [place.of(of.key) for place in layout.outputs] == expected
    assert list(layout.output_keys(of)) == expected
    assert layout.reports is not None
    assert layout.reports.of(of.key) == report_key(template + ".f", of) == layout.report_key(of)


@pytest.mark.parametrize(
    "template", ["{etag}/{key}", "{key}{version_id}", "{key}/{key}", "p/x", "{key:>9}", "{key!r}"]
)
def test_a_template_that_rewrites_the_key_has_no_place(template: str) -> None:
    assert Place.of_template(template, "p") is None
    assert Layout("out", "p", output_template=template).hides("a.csv")
    assert Layout("out", "p", failure_template=template).hides("a.csv")


def test_the_folders_of_reports_runs_and_trials_are_skipped() -> None:
    assert Layout("out", "p").skipped == ("p/_runs/", "p/_smoke/", "p/_failed/")
    assert Layout("out", "").skipped == ("_runs/", "_smoke/", "_failed/")


def test_reports_beside_the_outputs_and_folders_elsewhere_are_not_skipped() -> None:
    beside = Layout("out", "p", failure_template="{output_key}/{key}.failed.json")
    assert beside.skipped == ("p/_runs/", "p/_smoke/")
    assert Layout("out", "p", output_template="scores/{key}").skipped == ()


@pytest.mark.parametrize(
    ("key", "hidden"),
    [
        ("a.csv", False),
        ("_failed/a.csv", True),
        ("_runs/a.csv", True),
        ("a/_failed/b.csv", False),
        ("ü" * 504, False),  # the report's key has 1,024 bytes
        ("ü" * 505, True),  # the report is under a hash
    ],
)
def test_what_lies_in_a_skipped_folder_or_under_a_hash_is_hidden(key: str, hidden: bool) -> None:
    assert Layout("out", "p").hides(key) is hidden


def test_an_output_key_that_is_too_long_is_none() -> None:
    assert list(Layout("out", "p", "csv").output_keys(job("x" * 1020))) == ["p/" + "x" * 1020]
