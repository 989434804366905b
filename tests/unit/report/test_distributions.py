"""Summaries of predictions: small, merged exactly in any order, and compared."""

import json
import math
import random
from dataclasses import asdict
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.report.distributions import BINS, Classes, Comparison, Numbers

numbers = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30)


def without_mean(one: Numbers) -> dict[str, object]:
    return {name: value for name, value in asdict(one).items() if name != "mean"}


@given(numbers, numbers)
def test_merged_summaries_are_the_summary_of_all_values(
    one: list[float], other: list[float]
) -> None:
    merged = Numbers.of(one).merge(Numbers.of(other))

    assert without_mean(merged) == without_mean(Numbers.of(one + other))
    assert len(merged.bins) <= BINS
    assert sum(merged.bins) == merged.count


@given(numbers, numbers, numbers)
def test_the_order_of_merging_does_not_matter(
    one: list[float], two: list[float], three: list[float]
) -> None:
    a, b, c = Numbers.of(one), Numbers.of(two), Numbers.of(three)

    assert without_mean(a.merge(b).merge(c)) == without_mean(c.merge(a.merge(b)))


@given(numbers)
def test_each_value_is_in_its_bin(values: list[float]) -> None:
    found = Numbers.of(values)

    for value in values:
        place = Fraction(value) // Fraction(2) ** found.scale
        assert found.bins[place - found.first] > 0


def test_the_mean_of_merged_summaries_is_the_mean_of_all_values() -> None:
    assert Numbers.of([1.0, 2.0]).merge(Numbers.of([6.0])).mean == pytest.approx(3.0)


def test_what_is_no_number_is_counted_apart() -> None:
    found = Numbers.of([0.5, None, math.nan, math.inf])

    assert (found.count, found.missing, found.mean) == (1, 3, 0.5)
    assert Numbers.of([]).merge(found) == found


def test_a_summary_has_at_most_a_kilobyte() -> None:
    many = Numbers.of(random.Random(1).uniform(-1e300, 1e300) for _ in range(9_999))  # noqa: S311 - no secret
    huge = Numbers(
        10**13,
        10**13,
        many.minimum,
        many.maximum,
        many.mean,
        many.scale,
        many.first,
        (10**12,) * BINS,
    )
    labels = Classes.of(f"{'klasse' * 9}-{place}" for place in range(999))

    assert len(json.dumps(asdict(huge), separators=(",", ":"))) <= 1024
    assert (
        len(json.dumps(asdict(Classes({f"{place:<24}": 10**12 for place in range(20)}, 9)))) <= 1024
    )
    assert len(json.dumps(asdict(labels), ensure_ascii=False)) <= 1024


def test_one_value_more_than_there_are_bins_doubles_their_width() -> None:
    assert Numbers.of(range(BINS)).bins == (1,) * BINS
    assert Numbers.of(range(BINS + 1)).bins == (2,) * (BINS // 2) + (1,)


def test_classes_are_counted_and_the_rare_ones_together() -> None:
    some, others = Classes.of("aab"), Classes.of("bcd")
    assert some.merge(others) == Classes.of("aabbcd")

    many = Classes.of([*range(30), 7, 7])
    assert (len(many.counts), many.counts["7"], many.other, many.count) == (20, 3, 10, 32)


def test_the_stability_index_is_zero_for_the_same_and_large_for_another_distribution() -> None:
    draw = random.Random(2)  # noqa: S311 - no secret
    low = Numbers.of(draw.betavariate(2, 8) for _ in range(2_000))
    same = Numbers.of(draw.betavariate(2, 8) for _ in range(2_000))
    high = Numbers.of(draw.betavariate(8, 2) for _ in range(2_000))

    assert Comparison("p", low, low).stability_index == 0
    alike, different = Comparison("p", same, low), Comparison("p", high, low)
    assert alike.stability_index is not None
    assert alike.stability_index < 0.1
    assert alike.verdict == "as in the baseline"
    assert different.verdict == "shifted far"


def test_the_stability_index_of_two_classes_is_the_formulas() -> None:
    found = Comparison("c", Classes.of("a" * 30 + "b" * 70), Classes.of("a" * 50 + "b" * 50))
    wanted = (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.7 - 0.5) * math.log(0.7 / 0.5)

    assert found.stability_index == pytest.approx(wanted)
    assert found.verdict == "somewhat shifted"


@pytest.mark.parametrize("baseline", [None, Classes.of("a"), Numbers.of([])])
def test_without_a_baseline_of_the_same_kind_there_is_no_index(
    baseline: Classes | Numbers | None,
) -> None:
    found = Comparison("p", Numbers.of([0.1]), baseline)

    assert found.stability_index is None
    assert found.verdict == ""
