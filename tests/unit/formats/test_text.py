import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import cut, examples, sizes
from worker.errors import Unparsable
from worker.formats.text import peek, resize_pieces, to_utf8

PIECES = sizes(0, 4)
# A byte order mark at the beginning is no part of the text: other tests are about that.
TEXTS = st.text('a,\r\n"ü€𝄞\ufeff', min_size=1).filter(lambda text: text[0] != "\ufeff")


def decoded(body: bytes, encoding: str = "utf-8") -> bytes:
    return b"".join(to_utf8(iter([body]), encoding))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "gb18030"]
)
@examples(0.5)
@given(st.just("a,b\r\nü,€,𝄞,\ufeff\n" * 5) | TEXTS, PIECES)
def test_text_in_pieces_of_any_size_is_the_same_text(
    encoding: str, text: str, pieces: list[int]
) -> None:
    found = list(to_utf8(iter(cut(text.encode(encoding), pieces)), encoding))
    assert b"".join(found) == text.encode()
    assert all(piece.decode() is not None for piece in found)


def test_a_byte_order_mark_at_the_beginning_is_no_part_of_the_text() -> None:
    body = "\ufeffid\ufeff".encode()
    for size in range(1, len(body)):
        found = to_utf8(iter([body[:size], body[size:]]), "utf-8")
        assert b"".join(found).decode() == "id\ufeff"


def test_one_byte_encodings_are_read_as_set() -> None:
    assert decoded("naïve".encode("latin-1"), "latin-1") == "naïve".encode()


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (b"a,b\n\xe9,1\n", "utf-8", r"byte 4 \(0xe9\) is not utf-8: set WORKER_ENCODING"),
        ("ü€".encode() + b"\xff", "utf-8", r"byte 5 \(0xff\)"),
        ("a€".encode()[:-1], "utf-8", r"byte 1 \(0xe2\)"),
        ("a€".encode()[:-1] + b"b", "utf-8", r"byte 1 \(0xe2\)"),
        ("ab".encode("utf-16") + b"c", "utf-16", r"byte 6 \(0x63\) is not utf-16: set"),
        (b"\xef\xbb\xbfab\xff", "utf-8-sig", r"byte 5 \(0xff\)"),
        (
            "a,b\n".encode("utf-16"),
            "utf-8",
            r"byte 0 \(0xff\) is not utf-8 \(it looks like utf-16\)",
        ),
        ("a,b\n".encode("utf-16-le"), "utf-16", "not utf-16 .*start with BOM"),
        (b"a\\ud800b", "unicode-escape", "not unicode-escape .*surrogates not allowed"),
    ],
)
@examples(0.3)
@given(pieces=PIECES)
def test_an_invalid_byte_is_named_by_its_position_in_pieces_of_any_size(
    body: bytes, encoding: str, message: str, pieces: list[int]
) -> None:
    with pytest.raises(Unparsable, match=message):
        list(to_utf8(iter(cut(body, pieces)), encoding))


@given(PIECES, st.sampled_from([1, 3, 10, 250, 251]) | st.integers(1, 300))
def test_pieces_of_any_size_are_cut_to_one_size(pieces: list[int], size: int) -> None:
    body = bytes(range(250))
    found = list(resize_pieces(iter(cut(body, pieces)), size))
    assert b"".join(found) == body
    assert {len(piece) for piece in found[:-1]} <= {size}
    assert 0 < len(found[-1]) <= size


def test_no_bytes_give_no_pieces() -> None:
    assert list(resize_pieces(iter([b"", b""]), 10)) == []


def test_peeking_takes_nothing_away() -> None:
    head, pieces = peek(iter([b"a", b"bc", b"d"]), 2)
    assert (head, b"".join(pieces)) == (b"abc", b"abcd")


def test_peeking_into_a_short_text_shows_all_of_it() -> None:
    head, pieces = peek(iter([b"a"]), 2)
    assert (head, b"".join(pieces)) == (b"a", b"a")
