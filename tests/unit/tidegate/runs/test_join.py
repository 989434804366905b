import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.aws.errors import AwsError
from tidegate.aws.listing import Listed
from tidegate.runs.join import Found, join
from tidegate.runs.layout import Layout

START = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN, CONVERTED = Layout("out", "p"), Layout("out", "p", "csv")
BESIDE = Layout("out", "", "csv", failure_template="{key}-failed", output_template="{key}.scored")


def listed(key: str, second: int = 0) -> Listed:
    return Listed(key, "e", 1, START + timedelta(seconds=second))


def listing(keys: Iterable[str]) -> list[Listed]:
    """A listing in S3's order, that of the UTF-8 bytes, with times in another order."""
    return [listed(key, crc32(key.encode()) % 7) for key in sorted(keys, key=str.encode)]


def found(layout: Layout, inputs: Iterable[str], others: Iterable[str]) -> list[Found]:
    """Join inputs with what is in the output bucket, of which each listing shows a part."""
    everything = listing(others)
    assert layout.reports is not None
    before = layout.reports.before
    reports = [one for one in everything if one.key.startswith(before)]
    outputs = [
        one
        for one in everything
        if one.key.startswith(layout.outputs[0].before) and not one.key.startswith(layout.skipped)
    ]
    # Copied at once: what is added after that would come too late.
    return [replace(one) for one in join(layout, listing(inputs), outputs, reports)]


def by_lookup(
    layout: Layout, key: str, others: Mapping[str, Listed]
) -> tuple[str | None, str | None]:
    """What the join must find: each place looked up."""
    assert layout.reports is not None
    places = [place.of(key) for place in layout.outputs]
    outputs = [
        others[one] for one in places if one in others and not one.startswith(layout.skipped)
    ]
    newest = max(outputs, key=lambda one: one.modified, default=None)
    report = others.get(layout.reports.of(key))
    return newest.key if newest else None, report.key if report else None


# Few characters, on both sides of the full stop, so that keys begin with each other.
KEYS = st.text(st.sampled_from("a-.~\U0001f30a"), min_size=1, max_size=4)
ENDINGS = st.sampled_from(
    ["", ".csv", ".json", ".scored", ".scored.csv", "-failed", ".rejected.csv"]
)
FOLDERS = st.sampled_from(["", "p/", "p/_failed/", "p/_runs/"])


@given(
    st.sampled_from([PLAIN, CONVERTED, BESIDE]),
    st.sets(st.builds(str.__add__, KEYS, ENDINGS), max_size=12),
    st.data(),
)
@example(PLAIN, {"a", "a-b"}, None)
@example(CONVERTED, {"a", "a-b", "a.csv", "a.f"}, None)
@example(BESIDE, {"a", "a-b", "a.csv"}, None)
def test_the_join_finds_what_looking_up_each_key_finds(
    layout: Layout, inputs: set[str], data: st.DataObject | None
) -> None:
    assert layout.reports is not None
    likely = [
        place.of(key) for key in sorted(inputs) for place in [*layout.outputs, layout.reports]
    ]
    others: set[str] = set(likely)
    if data is not None:
        chosen = st.sets(st.sampled_from(likely)) if likely else st.just(set[str]())
        unrelated = st.sets(st.builds("{}{}{}".format, FOLDERS, KEYS, ENDINGS), max_size=6)
        others = data.draw(chosen) | data.draw(unrelated)
    joined = found(layout, inputs, others)
    assert sorted(one.source.key for one in joined) == sorted(inputs)
    known = {one.key: one for one in listing(others)}
    for one in joined:
        shown = tuple(listed and listed.key for listed in (one.output, one.report))
        assert shown == by_lookup(layout, one.source.key, known)


@given(st.sets(st.builds(str.__add__, KEYS, ENDINGS), min_size=1, max_size=20))
def test_an_input_waits_for_no_others_than_those_that_begin_with_its_key(keys: set[str]) -> None:
    read: list[str] = []

    def inputs() -> Iterator[Listed]:
        for one in listing(keys):
            read.append(one.key)
            yield one

    for one in join(CONVERTED, inputs(), [], []):
        later = read[read.index(one.source.key) + 1 : -1]
        assert all(key.startswith(one.source.key) for key in later)


def test_an_output_that_two_inputs_may_have_is_unclear() -> None:
    joined = found(CONVERTED, ["a", "a.csv", "b"], ["p/a.csv", "p/b"])
    assert {one.source.key: one.is_unclear for one in joined} == {
        "a": True,
        "a.csv": True,
        "b": False,
    }


def test_two_inputs_of_which_nothing_is_there_are_clear() -> None:
    assert not any(one.is_unclear for one in found(CONVERTED, ["a", "a.csv"], []))


def test_an_input_that_the_listings_hide_is_unclear() -> None:
    joined = found(PLAIN, ["_failed/a", "b"], ["p/_failed/a"])
    assert [(one.source.key, one.is_unclear) for one in joined] == [
        ("_failed/a", True),
        ("b", False),
    ]


@pytest.mark.parametrize("side", [0, 1, 2])
def test_a_listing_that_is_not_sorted_is_refused_where_it_is_read(side: int) -> None:
    prefixes = "", "p/", "p/_failed/"
    orders = ["abcd"] * 3
    orders[side] = "acbd"
    suffixes = "", "", ".json"
    inputs, outputs, reports = (
        [listed(f"{prefix}{name}{suffix}") for name in order]
        for prefix, order, suffix in zip(prefixes, orders, suffixes, strict=True)
    )
    with pytest.raises(AwsError, match="not sorted"):
        list(join(PLAIN, inputs, outputs, reports))


def peak_bytes(count: int) -> int:
    """The most memory that a join of so many inputs takes at once."""

    def keys(form: str, step: int) -> Iterator[Listed]:
        return (Listed(form % number, "e", 1, START) for number in range(0, count, step))

    tracemalloc.start()
    try:
        joined = join(
            CONVERTED,
            keys("%07d.csv", 1),
            keys("p/%07d.csv", 2),
            keys("p/_failed/%07d.csv.json", 3),
        )
        assert sum(one.output is not None for one in joined) == (count + 1) // 2
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_listings() -> None:
    peak_bytes(10)  # what is made once
    assert peak_bytes(20_000) < peak_bytes(200) + 2000
