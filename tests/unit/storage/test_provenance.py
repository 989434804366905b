"""Whether a newer version has taken the place of the one that a message names."""

import pytest

from worker.storage.protocol import Head
from worker.storage.provenance import is_replaced


@pytest.mark.parametrize(
    ("current", "etag", "version_id", "expected"),
    [
        (Head("two", "v2"), "one", "v1", True),
        (Head("one", "v2"), "one", "v1", True),
        (Head("one", "v1"), "one", "v1", False),
        (Head("two", "v2"), None, "v1", True),
        (Head("two"), "one", None, True),
        (Head("one"), "one", None, False),
        (Head("two", "null"), "one", "null", True),
        (Head("one", "null"), None, "null", False),
        (Head("one", "null"), None, "v1", False),
        (Head("one", "v1"), None, None, False),
        (None, "one", "v1", False),
    ],
)
def test_a_version_is_replaced_if_the_input_shows_another_one(
    current: Head | None, etag: str | None, version_id: str | None, *, expected: bool
) -> None:
    assert is_replaced(current, etag=etag, version_id=version_id) is expected
