import gzip
import random
import tracemalloc
import zlib
from collections.abc import Iterator

import pyarrow as pa
import pytest

from worker.errors import TransientError, Unparsable
from worker.formats.compression import compressor, decompress, detect_compression
from worker.interfaces import Compression

TEXT = b"".join(b"id-%d,%d\n" % (n, n * n * 7919 % 10007) for n in range(20_000))
BOTH: list[Compression] = ["gzip", "zstd"]


def pack(plain: bytes, compression: Compression | None) -> bytes:
    found = compressor(compression)
    return found.compress(plain) + found.flush()


def unpack(packed: bytes, size: int | None = None) -> bytes:
    pieces = (
        [packed] if size is None else [packed[n : n + size] for n in range(0, len(packed), size)]
    )
    return b"".join(decompress(iter(pieces), detect_compression(packed)))


def test_plain_bytes_are_left_as_they_are() -> None:
    assert (detect_compression(TEXT), unpack(TEXT), pack(TEXT, None)) == (None, TEXT, TEXT)


@pytest.mark.parametrize("compression", BOTH)
@pytest.mark.parametrize("size", [1, 7, 20_000, None])
def test_packing_is_undone_in_pieces_of_any_size(compression: Compression, size: int) -> None:
    packed = pack(TEXT[:2000] if size == 1 else TEXT, compression)
    assert detect_compression(packed) == compression
    assert TEXT.startswith(unpack(packed, size))
    assert unpack(packed, size) == unpack(packed)


@pytest.mark.parametrize("size", [1, 5, None])
def test_gzip_of_several_members_is_read_whole(size: int) -> None:
    packed = gzip.compress(b"first,") + gzip.compress(b"") + gzip.compress(b"last")
    assert unpack(packed, size) == b"first,last"


@pytest.mark.parametrize("size", [1, 5, None])
def test_zeros_after_gzip_are_padding(size: int) -> None:
    packed = gzip.compress(b"first,") + b"\0" * 9 + gzip.compress(b"last") + b"\0" * 40_000
    assert unpack(packed, size) == b"first,last"


def test_zstd_of_several_frames_is_read_whole() -> None:
    frame = pa.compress(TEXT, codec="zstd", asbytes=True)
    assert unpack(frame + frame) == TEXT * 2


@pytest.mark.parametrize("size", [1, 5, None])
def test_frames_of_zstd_that_hold_no_data_are_passed_over(size: int | None) -> None:
    frame, empty = pack(b"text", "zstd"), b"\x50\x2a\x4d\x18\x04\0\0\0note"
    assert unpack(empty + frame + empty + frame + empty, size) == b"texttext"


@pytest.mark.parametrize("compression", BOTH)
def test_truncated_data_is_refused_naming_where_it_ends(compression: Compression) -> None:
    packed = pack(TEXT, compression)
    for end in (10, len(packed) // 2, len(packed) - 1):
        with pytest.raises(Unparsable, match=f"{compression} data is .*truncated.* byte {end}"):
            unpack(packed[:end], 1000)


@pytest.mark.parametrize("compression", BOTH)
def test_damage_is_refused_naming_the_place(compression: Compression) -> None:
    packed = bytearray(pack(TEXT * 10, compression))
    place = len(packed) // 2
    packed[place : place + 40] = b"\xff" * 40
    with pytest.raises(Unparsable, match=f"{compression} data is corrupt.* near byte ") as caught:
        unpack(bytes(packed))
    named = int(str(caught.value).split("byte ")[1].split(":")[0])
    assert place - 2**14 <= named < len(packed)


def test_a_checksum_that_is_wrong_is_refused() -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 1
    with pytest.raises(Unparsable, match="gzip data is corrupt near byte"):
        unpack(bytes(packed))


@pytest.mark.parametrize("compression", BOTH)
def test_garbage_after_the_end_is_refused_naming_where_it_begins(compression: Compression) -> None:
    packed = pack(b"text", compression)
    with pytest.raises(
        Unparsable, match=f"{compression} data is corrupt.* near byte {len(packed)}"
    ):
        unpack(packed + b"garbage", len(packed))


@pytest.mark.parametrize("compression", BOTH)
def test_a_bomb_is_unpacked_a_bounded_piece_at_a_time(compression: Compression) -> None:
    packer = compressor(compression)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(100)) + packer.flush()
    tracemalloc.start()
    try:
        assert max(map(len, decompress(iter([packed]), compression))) <= 2**20
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", BOTH)
@pytest.mark.parametrize("error", [ConnectionResetError("gone"), TransientError("later")])
def test_an_error_on_the_way_is_not_taken_for_damage(
    compression: Compression, error: Exception
) -> None:
    def cut_off() -> Iterator[bytes]:
        yield pack(TEXT, compression)[:1000]
        raise error

    with pytest.raises(type(error)):
        list(decompress(cut_off(), compression))


@pytest.mark.parametrize("compression", BOTH)
def test_the_same_pieces_are_packed_to_the_same_bytes(compression: Compression) -> None:
    def packed() -> bytes:
        packer = compressor(compression)
        return b"".join([packer.compress(TEXT), packer.compress(TEXT), packer.flush()])

    assert packed() == packed()
    assert unpack(packed()) == TEXT * 2


def test_gzip_carries_no_time_and_no_name() -> None:
    assert pack(TEXT, "gzip")[3:8] == b"\0\0\0\0\0"


def test_what_is_ready_of_the_packed_bytes_leaves_at_once() -> None:
    chance = random.Random(5)  # noqa: S311 - examples, not secrets
    for compression in BOTH:
        packer = compressor(compression)
        assert sum(len(packer.compress(chance.randbytes(2**18))) for _ in range(8)) > 2**20


def test_zlib_without_gzips_wrapping_is_not_taken_for_it() -> None:
    assert detect_compression(zlib.compress(TEXT)) is None
