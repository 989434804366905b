"""What differs from file to file is masked, so that failures of one cause are one group."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.jobs.announcing.failure_groups import group_name, mask

PAIRS = [
    (
        "line 4: column 'rooms' is 'three', not a number",
        "line 911: column 'area' is 'x y', not a number",
    ),
    ("1 of 3 rows are bad", "1,017 of 20000 rows are bad"),
    ("the model's columns 'a' are missing", "the model's columns 'a', 'b' and 'c' are missing"),
    (
        "not in the file: 'a' (nearest: 'b'), 'c' (nearest: 'd'); the file has 'id', 'b'",
        "not in the file: 'a' (nearest: 'b'); the file has 'id', 'x', 'y', 'z'",
    ),
    ("s3://in/dir/a.csv is gone", "s3://in/b.csv is gone"),
    ("request 1f3870be274f6c49 failed", "request 9e107d9d372bb682 failed"),
    ("took -1.5e3 s at 12:30", "took 2 s at 9:05"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_messages_of_one_cause_are_alike(one: str, other: str) -> None:
    assert mask(one) == mask(other)
    assert group_name("E", mask(one)) == group_name("E", mask(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("line 4: column 'a' is 'x', not a number", "line 4: column 'a' is 'x', not a date"),
        ("the model's columns are missing", "the model's rows are missing"),
    ],
)
def test_messages_of_other_causes_are_not(one: str, other: str) -> None:
    assert mask(one) != mask(other)


def test_an_apostrophe_opens_no_quote() -> None:
    assert mask("the model's kind isn't 'known'") == "the model's kind isn't '…'"


def test_the_files_own_names_are_masked_wherever_they_stand() -> None:
    assert mask("cannot read dir/a b.csv now", "s3://in/dir/a b.csv", "dir/a b.csv") == (
        "cannot read FILE now"
    )


WORDS = st.lists(
    st.one_of(
        st.sampled_from(
            ["row", "model's", "'a'", '"b"', "`c`", "s3://x/y", "(nearest: 'd')", ", "]
        ),
        st.integers().map(str),
        st.floats(allow_nan=False).map(str),
        st.text(max_size=8),
    ),
    max_size=12,
)


@given(WORDS)
def test_a_masked_message_is_not_masked_further(words: list[str]) -> None:
    masked = mask(" ".join(words))
    assert mask(masked) == masked


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.text("abc xyz", max_size=9))
def test_numbers_and_quoted_text_never_make_another_group(a: int, b: int, text: str) -> None:
    assert mask(f"line {a}: '{text}' is no number") == mask(f"line {b}: 'q' is no number")
