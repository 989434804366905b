"""Conditional reads and writes, on both sides."""

from tests.support.conformance.calls import get, put
from tests.support.conformance.sides import Side, on_both, refused


@on_both()
async def test_if_none_match_writes_only_where_nothing_is(side: Side) -> None:
    bucket = await side.bucket()
    await put(side, bucket, "a", b"first", IfNoneMatch="*")
    with refused("PreconditionFailed"):
        await put(side, bucket, "a", b"second", IfNoneMatch="*")
    assert await get(side, bucket, "a") == b"first"


@on_both()
async def test_if_none_match_writes_over_a_delete_marker(side: Side) -> None:
    bucket = await side.bucket("Enabled")
    await put(side, bucket, "a", b"first")
    await side.s3.delete_object(Bucket=bucket, Key="a")
    await put(side, bucket, "a", b"second", IfNoneMatch="*")
    assert await get(side, bucket, "a") == b"second"


@on_both()
async def test_if_match_writes_only_over_the_object_it_names(side: Side) -> None:
    bucket = await side.bucket()
    first = (await put(side, bucket, "a", b"first"))["ETag"]
    await put(side, bucket, "a", b"second", IfMatch=first)
    with refused("PreconditionFailed"):
        await put(side, bucket, "a", b"third", IfMatch=first)
    assert await get(side, bucket, "a") == b"second"
    with refused("NoSuchKey"):
        await put(side, bucket, "nothing", b"first", IfMatch=first)


@on_both()
async def test_if_match_finds_nothing_under_a_delete_marker(side: Side) -> None:
    bucket = await side.bucket("Enabled")
    first = (await put(side, bucket, "a", b"first"))["ETag"]
    await side.s3.delete_object(Bucket=bucket, Key="a")
    with refused("NoSuchKey"):
        await put(side, bucket, "a", b"second", IfMatch=first)


@on_both()
async def test_reads_with_if_match_refuse_another_object(side: Side) -> None:
    bucket = await side.bucket()
    first = (await put(side, bucket, "a", b"first"))["ETag"]
    assert await get(side, bucket, "a", IfMatch=first) == b"first"
    await put(side, bucket, "a", b"second")
    with refused("PreconditionFailed"):
        await get(side, bucket, "a", IfMatch=first)
    with refused("412"):
        await side.s3.head_object(Bucket=bucket, Key="a", IfMatch=first)
    with refused("NoSuchKey"):
        await get(side, bucket, "nothing", IfMatch=first)
