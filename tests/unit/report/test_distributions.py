"""How a run's predictions differ from the baseline, and what that means."""

import math
import random
from dataclasses import replace

import pytest

from tests.support.summaries import classes, numbers
from tidegate.report.distributions import Comparison, Row, compare
from worker.distributions import Classes, Distributions, Numbers


def beta(seed: int, a: float, b: float, count: int = 2_000) -> Numbers:
    draw = random.Random(seed)  # noqa: S311 - no secret
    return numbers(draw.betavariate(a, b) for _ in range(count))


def index(found: Numbers | Classes, baseline: Numbers | Classes) -> float:
    one = Comparison("p", found, baseline).stability_index
    assert one is not None
    return one


def test_the_stability_index_is_zero_for_the_same_and_large_for_another_distribution() -> None:
    low = beta(1, 2, 8)

    assert index(low, low) == 0
    assert Comparison("p", beta(2, 2, 8), low).verdict == "as in the baseline"
    assert Comparison("p", beta(3, 8, 2), low).verdict == "shifted far"
    assert Comparison("p", beta(3, 8, 2), low).is_shifted_far


def test_the_stability_index_of_two_classes_is_the_formulas() -> None:
    found = Comparison("c", classes("a" * 3000 + "b" * 7000), classes("a" * 5000 + "b" * 5000))
    wanted = (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.7 - 0.5) * math.log(0.7 / 0.5)

    assert found.stability_index == pytest.approx(wanted, rel=0.01)
    assert found.verdict == "somewhat shifted"


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_rare_class_that_has_become_twice_as_rare_is_seen(mirrored: bool) -> None:
    draw = random.Random(5)  # noqa: S311 - no secret

    def shares(mean: float) -> Numbers:
        drawn = [draw.betavariate(100 * mean, 100 * (1 - mean)) for _ in range(5_000)]
        return numbers(1 - one if mirrored else one for one in drawn)

    assert index(shares(0.02), shares(0.01)) > 0.25


def test_predictions_where_the_baseline_has_none_are_a_shift() -> None:
    ends = numbers([0.1, 0.9] * 500)

    assert index(numbers([0.1, 0.5] * 500), ends) > 0.25
    assert index(numbers([0.5] * 1_000), numbers([0.9] * 1_000)) > 0.25
    assert index(numbers([0.5] * 1_000), numbers([0.5] * 10)) == 0


def test_one_number_far_away_hides_no_shift() -> None:
    assert index(beta(1, 8, 2).merge(numbers([1e300])), beta(2, 2, 8)) > 0.25


def test_by_chance_the_index_of_one_distribution_stays_below_its_bound() -> None:
    for count in (100, 1_000):
        baseline = beta(0, 2, 5, 5 * count)
        found = [Comparison("p", beta(seed, 2, 5, count), baseline) for seed in range(1, 200)]
        above = sum(one.stability_index > one.by_chance for one in found)  # type: ignore[operator]

        assert above < 0.15 * len(found)  # 0.05 by the approximation, which rare bins make worse
        assert not any(one.is_shifted_far for one in found)


def test_few_predictions_say_little() -> None:
    few = Comparison("p", beta(1, 2, 5, 20), beta(2, 2, 5))

    assert few.by_chance is not None
    assert few.by_chance > 0.25
    assert few.verdict == "says little, because there are few predictions"
    assert not few.is_shifted_far


def test_a_class_that_only_one_side_names_may_be_among_the_others_of_the_other_side() -> None:
    def of_1000(*, other: int = 0, **counts: int) -> Classes:
        return Classes(counts, other, sample=1_000)

    named = of_1000(a=900, b=60, c=40)

    assert index(named, of_1000(a=900, b=60, other=40)) == 0
    assert index(of_1000(a=900, other=100), named) == 0
    assert index(of_1000(a=900, d=100), of_1000(a=900, b=100)) > 0.25


def test_a_sample_of_large_files_tells_no_more_than_as_many_rows() -> None:
    few, many = numbers([0.1, 0.9] * 20), beta(2, 2, 5)
    standing_for_more = replace(
        few, count=40_000, bins={place: 1_000 * count for place, count in few.bins.items()}
    )

    for found in (few, standing_for_more):
        one = Comparison("p", found, many)
        assert one.by_chance == pytest.approx(Comparison("p", few, many).by_chance)
        assert one.stability_index == pytest.approx(index(few, many))


@pytest.mark.parametrize("baseline", [None, classes("a"), numbers([]), numbers([math.nan])])
def test_without_a_baseline_of_the_same_kind_there_is_no_index(
    baseline: Classes | Numbers | None,
) -> None:
    found = Comparison("p", numbers([0.1]), baseline)

    assert found.stability_index is None
    assert (found.verdict, found.before) == ("", None)
    assert not found.is_shifted_far


def test_classes_of_run_and_baseline_are_listed_with_their_shares() -> None:
    found = Comparison("c", classes("aaab"), classes("aacccccccc"))

    assert found.rows(9) == [
        Row("a", 3, 0.75, 0.2),
        Row("b", 1, 0.25, 0.0),
        Row("c", 0, 0.0, 0.8),
    ]
    assert found.rows(1) == [Row("a", 3, 0.75, 0.2), Row(None, 1, 0.25, 0.8)]


def test_each_model_is_compared_with_its_own_baseline() -> None:
    one, two = Distributions({"p": numbers([0.1])}), Distributions({"p": numbers([0.2])})
    found = compare({"aa" * 32: one, "bb" * 32: two}, {"bb" * 32: one}.get)

    assert [(one.model, one.baseline is None) for one in found] == [
        ("aa" * 6, True),
        ("bb" * 6, False),
    ]
    assert [one.model for one in compare({"aa": one}, lambda _: None)] == [""]
