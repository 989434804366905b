"""Which inputs need a message, in their order, and which of them an interrupted run still has."""

import threading
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tidegate.runs.test_join import CONVERTED, ENDINGS, KEYS, START, listing
from tidegate.aws.listing import Listed
from tidegate.cli.definitions.runs import Moment
from tidegate.runs.choice import LOOK_AHEAD, Choice, Chosen, Counts, keys_of, unsent
from tidegate.runs.join import Found, join
from tidegate.runs.request import Request, Selection, new_run
from tidegate.runs.states import State
from worker.errors import SettingsError


class Inquiry:
    """Answers for each key; the first one last, so that the others overtake it."""

    def __init__(self, states: dict[str, State], first: str = "") -> None:
        self.states, self.first = states, first
        self.asked: list[str] = []
        self._others = threading.Event()

    def state(self, found: Found) -> State:
        self.asked.append(found.source.key)
        if found.source.key == self.first:
            assert self._others.wait(10)
        else:
            self._others.set()
        return self.states[found.source.key]


def unclear(key: str) -> Found:
    return Found(Listed(key, "e", 1, START), is_unclear=True)


def choice(inquiry: object = None, **more: Any) -> Choice:  # noqa: ANN401 - fields of Choice
    any_one: Any = inquiry
    return Choice(any_one, takes=lambda _: True, **more)


def test_the_order_of_the_inputs_stays_whatever_answers_first() -> None:
    states = {"a": State.MISSING, "b": State.STALE, "c": State.PREDICTED, "d": State.FAILED}
    counts = Counts()
    chosen = choice(Inquiry(states, first="a")).of([unclear(key) for key in states], counts)
    assert [(one.source.key, one.again) for one in chosen] == [("a", False), ("b", True)]
    assert (counts.files, counts.done, counts.failed) == (2, 1, 1)


def test_an_output_of_an_older_version_needs_no_again() -> None:
    newer = Found(
        Listed("a", "e", 1, START), output=Listed("p/a", "o", 1, START - timedelta(seconds=9))
    )
    assert [one.again for one in choice().of([newer], Counts())] == [False]


def test_again_asks_nobody() -> None:
    inquiry = Inquiry({})
    chosen = choice(inquiry, again=True).of([unclear("a")], Counts())
    assert [one.again for one in chosen] == [True]
    assert inquiry.asked == []


def test_inputs_are_read_as_they_are_needed() -> None:
    read = 0

    def inputs() -> Iterator[Found]:
        nonlocal read
        for number in range(10 * LOOK_AHEAD):
            read += 1
            yield unclear(f"{number:05}")

    class Never:
        state = staticmethod(lambda _: State.MISSING)

    chosen = choice(Never()).of(inputs(), Counts())
    next(chosen)
    assert read <= LOOK_AHEAD + 1


@given(st.sets(st.builds(str.__add__, KEYS, ENDINGS), min_size=1), st.data())
def test_an_interrupted_run_has_what_was_not_sent_and_hardly_more(
    keys: set[str], data: st.DataObject
) -> None:
    order = [one.source for one in join(CONVERTED, listing(keys), [], [])]
    sent = order[: data.draw(st.integers(1, len(order)))]
    last = max(one.key for one in sent)
    left = {one.source.key for one in unsent((Chosen(one, again=False) for one in order), last)}
    assert left >= {one.key for one in order} - {one.key for one in sent}
    assert all(last.startswith(key) for key in left & {one.key for one in sent})


def peak_bytes(count: int) -> int:
    inputs = (Found(Listed(f"{number:07}", "e", 1, START)) for number in range(count))
    tracemalloc.start()
    try:
        assert sum(1 for _ in choice().of(inputs, Counts())) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_inputs() -> None:
    peak_bytes(10)  # what is made once
    assert peak_bytes(20_000) < peak_bytes(1000) + 2000


def test_a_list_is_of_keys_and_uris_of_the_bucket() -> None:
    lines = ["s3://in/p/a b\n", "p/ü\r\n", "\n", "p/c"]
    assert list(keys_of(lines, "in", "p/")) == ["p/a b", "p/ü", "p/c"]
    for wrong in ("s3://other/p/a", "q/a"):
        with pytest.raises(SettingsError, match="is not within s3://in/p/"):
            list(keys_of([wrong], "in", "p/"))


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection((".csv",)), ["d/A.CSV", "d/b.csv"]),
        (Selection((".csv",), include=("d/*.txt",)), ["d/c.txt"]),
        (Selection((".csv",), exclude=("*b*",)), ["d/A.CSV"]),
        (Selection(since=START + timedelta(seconds=1)), ["d/c.txt"]),
        (Selection(), ["d/A.CSV", "d/b.csv", "d/c.txt"]),
    ],
)
def test_globs_suffixes_and_time_select(selection: Selection, taken: list[str]) -> None:
    objects = [Listed("d/A.CSV", "e", 1, START), Listed("d/b.csv", "e", 1, START)]
    objects.append(Listed("d/c.txt", "e", 1, START + timedelta(seconds=2)))
    assert [one.key for one in objects if selection.takes(one)] == taken


def test_a_time_is_a_date_or_so_long_ago() -> None:
    def moment(text: str) -> datetime:
        return Moment().convert(text, None, None)

    assert moment("2026-11-28") == datetime(2026, 11, 28, tzinfo=UTC)
    assert moment("2026-11-28T08:30+01:00") == datetime(2026, 11, 28, 7, 30, tzinfo=UTC)
    assert timedelta(days=1) <= moment("2d") - moment("3d") < timedelta(days=1, minutes=9)
    for wrong in ("", "h", "yesterday", "28.11.2026"):
        with pytest.raises(click.BadParameter):
            moment(wrong)


def test_a_request_is_read_as_it_was_written() -> None:
    request = Request(
        run=new_run(datetime(2026, 11, 28, 1, 2, 3, tzinfo=UTC)),
        stack="tide",
        by="arn:aws:iam::1:user/a",
        began=START,
        bucket="in",
        prefix="p/",
        output_bucket="out",
        output_key="predictions",
        model="s3://m/model.pkl",
        include=("*.csv",),
        since=START,
        limit=3,
        settings={"MAX_REJECTED": "0.5"},
    )
    assert request.run.startswith("20261128-010203-")
    assert Request.from_json(request.to_json()) == request
