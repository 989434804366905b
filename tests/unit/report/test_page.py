"""The report's page, as HTML: the verdict, what it may load (nothing), and others' text as text."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from tests.support.run_pages import HOSTILE, facts, failure, hostile, line, whole
from tests.support.summaries import numbers
from tidegate.report.charts import histogram
from tidegate.report.distributions import Comparison, compare
from tidegate.report.page import RUNNING, SHOWN_COLUMNS, Facts, Tone, page_of, verdict_of
from tidegate.report.rendering import TEMPLATES, html, shown
from worker.distributions import Distributions

MOST_BYTES = 150_000
VOID = {"meta", "rect", "path", "br"}
STYLE = (TEMPLATES / "style.css").read_text()


class Parsed(HTMLParser):
    """The elements of a page, its text, and what is nested wrongly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def parsed(found: Facts) -> Parsed:
    return Parsed(html(page_of(found)))


PAGES = pytest.mark.parametrize(
    "make", [whole, hostile, lambda: facts([line()]), lambda: facts([], work=None)]
)


@PAGES
def test_a_page_is_well_formed_small_and_asks_for_nothing(make: Callable[[], Facts]) -> None:
    text = html(page_of(make()))
    page = Parsed(text)

    assert page.wrong == []
    assert len(text.encode()) <= MOST_BYTES
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "link", "img", "iframe", "object", "base", "form", "a"})
    names = {name for _, attributes in page.elements for name in attributes}
    assert names.isdisjoint({"src", "href", "style", "srcset", "action", "xlink:href"})
    assert [name for name in names if name.startswith("on")] == []
    assert "url(" not in STYLE
    assert "@import" not in STYLE


@PAGES
def test_the_policy_allows_the_pages_own_style_and_nothing_else(make: Callable[[], Facts]) -> None:
    text = html(page_of(make()))
    (style,) = re.findall("<style>(.*?)</style>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"

    metas = [attributes for tag, attributes in Parsed(text).elements if tag == "meta"]
    assert {"http-equiv": "Content-Security-Policy", "content": policy} in metas


@pytest.mark.parametrize("name", HOSTILE)
def test_other_peoples_text_is_shown_as_text(name: str) -> None:
    page = parsed(facts([line(input=f"s3://b/{name}")], [failure(name, name, name)]))

    assert page.wrong == []
    assert " ".join(shown(f"s3://b/{name}", 240).split()) in page.text
    assert " ".join(shown(name).split()) in page.text
    usual = parsed(facts([line(input="s3://b/a")], [failure("a", "a", "a")]))
    assert page.elements == usual.elements


def test_marks_that_cannot_be_seen_are_shown_as_escapes() -> None:
    assert shown("a\u202eb\nc\x00") == "a\\u202eb\\nc\\x00"
    assert shown("שלום") == "שלום"
    assert shown("x" * 600, 9) == "xxxx…xxxx"


FAILED = [failure("a.csv")]


@pytest.mark.parametrize(
    ("found", "tone", "sentence"),
    [
        (facts([line()]), "good", "1 file predicted"),
        (facts([line(), line(input="s3://b/2")], FAILED), "bad", "1 of 3 files failed"),
        (facts([line()], [failure("a.csv", resolved=True)]), "bad", "1 of 2 files failed"),
        (facts([line(rejected=3)]), "warning", "1 file predicted, 3 rows rejected"),
        (facts([line()], work=None), "open", "1 file predicted; rejected rows are not known"),
    ],
)
def test_the_verdict_is_good_only_if_nothing_failed_and_no_row_was_rejected(
    found: Facts, tone: Tone, sentence: str
) -> None:
    assert (verdict_of(found).tone, verdict_of(found).sentence) == (tone, sentence)


def test_a_run_that_goes_on_or_was_cancelled_is_not_good() -> None:
    found = facts([line(), line(input="s3://b/2")])
    going_on = replace(found.counts, files=5, status=RUNNING, ended=None)
    cancelled = replace(found.counts, files=5, status="cancelled")

    open_verdict = verdict_of(replace(found, counts=going_on))
    assert (open_verdict.tone, open_verdict.sentence) == ("open", "2 of 5 files predicted so far")
    assert "3 files without a result yet" in open_verdict.details
    verdict = verdict_of(replace(found, counts=cancelled))
    assert (verdict.tone, verdict.sentence) == ("warning", "3 of 5 files left without a prediction")
    assert "`" not in parsed(replace(found, counts=going_on)).text
    assert "tidegate report 20260304-050607-ab12" in parsed(replace(found, counts=going_on)).text


def test_a_group_of_failures_has_its_reason_its_files_and_the_commands_for_it() -> None:
    failures = [failure(f"{place}.csv") for place in range(5)]
    text = parsed(facts([], failures)).text
    (group,) = page_of(facts([], failures)).groups

    assert "no column 'age'" in text
    assert "s3://churn-input/0.csv" in text
    assert "and 2 more" in text
    assert f"tidegate redrive {group.name} --first 1 --stack churn" in text
    assert f"tidegate redrive {group.name} --stack churn" in text


def test_a_group_without_anything_left_to_do_has_no_command() -> None:
    text = parsed(facts([], [failure("a.csv", resolved=True)])).text

    assert "redrive" not in text
    assert "1 failed file predicted since" in text


def test_failures_without_a_report_of_the_run_are_counted() -> None:
    found = facts([], FAILED)
    found = replace(found, counts=replace(found.counts, files=3, failed=3))

    assert "2 more failed: tidegate failures --stack churn" in parsed(found).text


def test_what_could_not_be_asked_is_named() -> None:
    assert "the cost: denied" in parsed(facts([line()], unanswered=["the cost: denied"])).text


def test_distributions_are_shown_where_there_are_summaries() -> None:
    text = parsed(whole()).text

    assert "activation Population stability index 0." in text
    assert "The outline is the baseline, of 2,000 predictions: smallest " in text
    assert "5,640 predictions; in the baseline 2,000" in text
    assert "<b>unknown</b>" in text
    assert "Predictions" not in parsed(facts([line()])).text


def test_without_a_baseline_the_page_says_how_to_make_one() -> None:
    comparisons = [Comparison("p", numbers([0.5]))]
    text = parsed(facts([line(), line(input="s3://b/2")], comparisons=comparisons)).text

    assert "tidegate check MODEL FILE --baseline" in text
    assert "stability" not in text
    assert "Without the predictions of 2 files, of which there is no summary." in text


def test_columns_that_are_not_shown_are_counted() -> None:
    many = Distributions({str(place): numbers([0.5]) for place in range(SHOWN_COLUMNS + 2)}, 3)
    found = facts([line(predictions=many.fields())])
    assert found.work is not None
    shown_ones = replace(found, comparisons=compare(found.work.predictions, lambda _: None))

    assert "and 5 more prediction columns, not shown here" in parsed(shown_ones).text


SHIFTED = [Comparison("p", numbers([0.9] * 99), numbers([0.1] * 99))]


@pytest.mark.parametrize(
    ("found", "tone", "sentence"),
    [
        (facts([line()]), "warning", "1 file predicted, with a shifted distribution"),
        (facts([line(rejected=3)]), "warning", "1 file predicted, 3 rows rejected"),
        (facts([line()], FAILED), "bad", "1 of 2 files failed"),
    ],
)
def test_a_shifted_distribution_is_in_the_verdict_after_what_has_failed(
    found: Facts, tone: Tone, sentence: str
) -> None:
    verdict = verdict_of(replace(found, comparisons=SHIFTED))

    assert (verdict.tone, verdict.sentence) == (tone, sentence)
    assert "1 prediction column is shifted far from the baseline of the model" in verdict.details


def test_one_number_far_away_leaves_the_chart_of_the_others_as_wide() -> None:
    some = [place / 100 for place in range(100)]
    alone, beside = histogram(numbers(some), None), histogram(numbers([*some, 1e9]), None)

    assert beside.marks[-1] > 1e8
    assert len(beside.bars) == len(alone.bars) + 1
    assert beside.bars[0].width > 0.8 * alone.bars[0].width
    assert all(low < high for low, high in pairwise(beside.marks))


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): #(\w{6})", block))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_charts_stand_out_from_what_is_behind_them(theme: str) -> None:
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    found = colours(light if theme == "light" else dark.partition("* {")[0])

    for behind in ("page", "panel"):
        for text in ("text", "quiet", "good", "warning", "bad", "open"):
            assert contrast(found[text], found[behind]) >= 4.5, (text, behind)
        for shape in ("chart", "outline"):
            assert contrast(found[shape], found[behind]) >= 3, (shape, behind)
