"""Summaries of predictions: at most 1 KB, and merged exactly, in any order."""

import json
import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.summaries import classes, numbers
from worker.distributions import Classes, Distributions, Numbers, short_name
from worker.distributions.axis import place_of, value_at
from worker.distributions.numbers import BINS, PLACES
from worker.distributions.summary import COLUMNS, MOST_BYTES

values = st.lists(st.floats() | st.floats(0, 1) | st.sampled_from([0.5, 1.0, 5e-324]), max_size=80)
HOSTILE = ["\U0001f991" * 40, '"\\' * 30, "\x00" * 50, "a" * 10_000, "مرحبا" * 20, "", "\ud800" * 9]


def without_mean(one: Numbers) -> Numbers:
    return replace(one, mean=0.0)


@given(values, values)
def test_merged_summaries_are_the_summary_of_all_values(
    one: list[float], other: list[float]
) -> None:
    merged = numbers(one).merge(numbers(other))

    assert without_mean(merged) == without_mean(numbers(one + other))
    assert sum(merged.bins.values()) == merged.count
    assert len(merged.bins) <= BINS
    assert merged.count + merged.not_finite == len(one + other)


@given(values, values, values)
def test_the_order_of_merging_does_not_matter(
    one: list[float], two: list[float], three: list[float]
) -> None:
    a, b, c = numbers(one), numbers(two), numbers(three)

    assert without_mean(a.merge(b).merge(c)) == without_mean(c.merge(a.merge(b)))


@given(values)
def test_each_value_is_in_its_bin(given_values: list[float]) -> None:
    found = numbers(given_values)
    for value in filter(math.isfinite, given_values):
        ends = [
            (value_at(place * 2.0**found.scale), value_at((place + 1) * 2.0**found.scale))
            for place in found.bins
        ]
        # A place has 42 bits behind the point, and a bin at least 2**-20.
        assert any(
            low <= value < high
            or math.isclose(value, low, rel_tol=1e-9)
            or math.isclose(value, high, rel_tol=1e-9)
            for low, high in ends
        )


def test_a_place_of_the_axis_is_further_on_for_a_larger_number() -> None:
    places = [place / 8 for place in range(-8 * 1030, 8 * 1030)]

    assert all(value_at(one) < value_at(two) for one, two in pairwise(places))
    for number in (-1e9, -1, -1e-9, 0, 1e-9, 0.25, 0.5, 0.75, 1, 1.5, 1e300):
        assert value_at(place_of(number)) == pytest.approx(number, rel=1e-9)


def test_the_bins_are_the_smallest_of_which_there_are_few_enough() -> None:
    found = numbers([place / 1000 for place in range(1000)])
    finer = numbers([0.5 + place / 1000 for place in range(3)])

    assert BINS / 2 < len(found.bins) <= BINS
    assert finer.scale < found.scale
    assert all(place >> 1 in finer.coarser().bins for place in finer.bins)


def test_one_value_far_away_leaves_the_bins_of_the_others_as_they_are() -> None:
    draw = random.Random(3)  # noqa: S311 - no secret
    some = numbers([draw.betavariate(2, 5) for _ in range(1_000)])

    assert some.merge(numbers([1e9])).scale <= some.scale + 1
    assert max(numbers([-1e308, 1e308]).bins) - min(numbers([-1e308, 1e308]).bins) < PLACES


@pytest.mark.parametrize("probability", [0.001, 0.999])
def test_rare_classes_are_told_apart_near_0_and_near_1(probability: float) -> None:
    draw = random.Random(4)  # noqa: S311 - no secret
    shares = [draw.betavariate(100 * probability, 100 * (1 - probability)) for _ in range(5_000)]
    near = [one for one in shares if abs(one - round(probability)) < 0.1]
    found = numbers(shares)

    assert len(near) > 4_900
    width = 2.0**found.scale
    assert sum(abs(value_at(at * width) - round(probability)) < 0.1 for at in found.bins) > 8


def test_one_value_alone_and_values_that_are_all_alike_have_one_bin() -> None:
    assert numbers([0.3]).bins == {next(iter(numbers([0.3] * 9).bins)): 1}
    assert numbers([0.3] * 9).mean == pytest.approx(0.3)
    assert list(numbers([5e-324, 0.0]).bins.values()) == [2]


def test_the_mean_of_merged_summaries_is_the_mean_of_all_values() -> None:
    assert numbers([1.0, 2.0]).merge(numbers([6.0])).mean == pytest.approx(3.0)
    assert numbers([1.7e308] * 3).mean == pytest.approx(1.7e308)


def test_what_is_no_finite_number_is_counted_apart() -> None:
    found = numbers([0.5, -math.inf, math.nan, math.inf])

    assert (found.count, found.not_finite, found.mean) == (1, 3, 0.5)
    assert numbers([]).merge(found) == found
    assert numbers([math.nan]).fields() == {"count": 0, "not_finite": 1}


@given(values)
def test_a_summary_comes_back_from_its_json(given_values: list[float]) -> None:
    found = Distributions({"p": numbers(given_values), "c": classes("aab")}, left_out=2)
    back = Distributions.from_fields(json.loads(json.dumps(found.fields())))

    assert back is not None
    assert back.fields() == found.fields()
    assert back.columns["c"] == found.columns["c"]


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        {"columns": 3},
        {"columns": {"p": {}}},
        {"columns": {"p": {"classes": 3}}},
        {"columns": {"p": {"count": 1, "min": 0, "max": 0, "mean": 0, "scale": 0}}},
        {"columns": {"p": numbers([1.0]).fields() | {"count": 2}}},
        {"columns": {"p": numbers([1.0]).fields() | {"scale": 10**9}}},
        {"columns": {"p": numbers([1.0]).fields() | {"first": 10**30}}},
        {"columns": {"p": numbers([1.0]).fields() | {"mean": math.nan}}},
        {"columns": {"p": numbers([1.0]).fields() | {"bins": "x"}}},
        {"columns": {"p": numbers([1.0]).fields() | {"sample": 0}}},
        {"columns": {"p": {"classes": {"a": 1}, "sample": 2}}},
        {"columns": {"p": {"classes": {"a": -1, "b": 2}}}},
        {"columns": {"p": numbers([1.0, 2.0]).fields() | {"bins": "3 -5"}}},
    ],
)
def test_what_is_no_summary_is_none(fields: object) -> None:
    assert Distributions.from_fields(fields) is None


def test_a_job_is_summarized_in_at_most_a_kilobyte() -> None:
    draw = random.Random(1)  # noqa: S311 - no secret
    wide = numbers([draw.uniform(-1e300, 1e300) for _ in range(9_999)] + [math.nan])
    huge = replace(wide, count=10**15, bins=dict.fromkeys(range(-900, -800, 2), 10**13))
    names = [short_name(name) for name in HOSTILE]
    labels = Classes(dict.fromkeys(map(short_name, [*HOSTILE, *map(str, range(90))]), 10**12))
    for columns in (
        {"p": huge},
        {"label": labels},
        dict.fromkeys(names, huge),
        dict.fromkeys(names, labels),
        {"label": labels} | {f"activation_{place}": huge for place in range(COLUMNS)},
    ):
        found = Distributions(columns).within()

        assert len(json.dumps(found.fields())) <= MOST_BYTES
        assert next(iter(found.columns)) == next(iter(columns))
        assert len(found.columns) + found.left_out == len(columns)
        for name, column in found.columns.items():
            assert column.count == columns[name].count


def test_a_summary_that_is_small_enough_stays_as_it_is() -> None:
    found = Distributions({"label": classes("aab"), "activation": numbers([0.1, 0.2])})

    assert found.within() == found


def test_names_are_short_and_stay_different() -> None:
    short = [short_name(name) for name in [*HOSTILE, "a" * 9_999 + "b"]]

    assert len(set(short)) == len(HOSTILE) + 1
    assert max(len(json.dumps(name)) for name in short) <= 42
    assert short_name("activation_setosa") == "activation_setosa"


def test_classes_are_counted_and_the_rare_ones_together() -> None:
    assert classes("aab").merge(classes("bcd")) == classes("aabbcd")

    many = classes([*map(str, range(130)), "7", "7"])
    assert (len(many.counts), many.counts["7"], many.other, many.count) == (100, 3, 30, 132)


def test_a_column_that_changes_its_kind_keeps_the_first() -> None:
    one, other = Distributions({"p": numbers([1.0])}), Distributions({"p": classes("a")}, 1)

    assert one.merge(other) == Distributions({"p": numbers([1.0])}, 1)
