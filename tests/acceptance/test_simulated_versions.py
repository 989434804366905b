"""Versions of objects, on both sides."""

from tests.support.conformance.calls import etag, get, put
from tests.support.conformance.sides import Side, on_both, refused


@on_both()
async def test_every_version_stays_readable_and_the_newest_is_current(side: Side) -> None:
    bucket = await side.bucket("Enabled")
    old = (await put(side, bucket, "a", b"old"))["VersionId"]
    new = (await put(side, bucket, "a", b"new"))["VersionId"]
    assert await get(side, bucket, "a") == b"new"
    assert await get(side, bucket, "a", VersionId=old) == b"old"
    assert (await side.s3.head_object(Bucket=bucket, Key="a"))["VersionId"] == new
    head = await side.s3.head_object(Bucket=bucket, Key="a", VersionId=old)
    assert (head["VersionId"], head["ETag"]) == (old, etag(b"old"))


@on_both()
async def test_a_range_of_a_version_brings_its_bytes_and_says_which(side: Side) -> None:
    bucket = await side.bucket("Enabled")
    old = (await put(side, bucket, "a", b"0123456789"))["VersionId"]
    await put(side, bucket, "a", b"new")
    answer = await side.s3.get_object(Bucket=bucket, Key="a", VersionId=old, Range="bytes=7-20")
    assert answer["ContentRange"] == "bytes 7-9/10"
    assert answer["ContentLength"] == 3
    assert await get(side, bucket, "a", VersionId=old, Range="bytes=7-20") == b"789"
    with refused("InvalidRange"):
        await get(side, bucket, "a", VersionId=old, Range="bytes=10-20")


@on_both()
async def test_a_version_that_is_gone_or_none_is_named_so(side: Side) -> None:
    bucket = await side.bucket("Enabled")
    gone = (await put(side, bucket, "a", b"old"))["VersionId"]
    await put(side, bucket, "a", b"new")
    await side.s3.delete_object(Bucket=bucket, Key="a", VersionId=gone)
    with refused("NoSuchVersion"):
        await get(side, bucket, "a", VersionId=gone)
    with refused("404"):
        await side.s3.head_object(Bucket=bucket, Key="a", VersionId=gone)
    with refused("InvalidArgument", "NoSuchVersion"):
        await get(side, bucket, "a", VersionId="no version id")


@on_both()
async def test_a_delete_marker_hides_the_versions_and_cannot_be_read(side: Side) -> None:
    bucket = await side.bucket("Enabled")
    written = (await put(side, bucket, "a", b"content"))["VersionId"]
    marker = await side.s3.delete_object(Bucket=bucket, Key="a")
    assert marker["DeleteMarker"] is True
    with refused("NoSuchKey"):
        await get(side, bucket, "a")
    with refused("404"):
        await side.s3.head_object(Bucket=bucket, Key="a")
    with refused("MethodNotAllowed"):
        await get(side, bucket, "a", VersionId=marker["VersionId"])
    with refused("405"):
        await side.s3.head_object(Bucket=bucket, Key="a", VersionId=marker["VersionId"])
    assert await get(side, bucket, "a", VersionId=written) == b"content"


@on_both()
async def test_what_is_under_a_delete_marker_or_a_version_comes_back_without_it(side: Side) -> None:
    bucket = await side.bucket("Enabled")
    await put(side, bucket, "a", b"old")
    new = (await put(side, bucket, "a", b"new"))["VersionId"]
    marker = await side.s3.delete_object(Bucket=bucket, Key="a")
    undone = await side.s3.delete_object(Bucket=bucket, Key="a", VersionId=marker["VersionId"])
    assert undone["DeleteMarker"] is True
    assert await get(side, bucket, "a") == b"new"
    deleted = await side.s3.delete_object(Bucket=bucket, Key="a", VersionId=new)
    assert not deleted.get("DeleteMarker")
    assert await get(side, bucket, "a") == b"old"


@on_both()
async def test_suspended_versioning_replaces_the_null_version_alone(side: Side) -> None:
    bucket = await side.bucket()
    await put(side, bucket, "a", b"before versions")
    await side.version(bucket, "Enabled")
    kept = (await put(side, bucket, "a", b"version"))["VersionId"]
    assert await get(side, bucket, "a", VersionId="null") == b"before versions"
    await side.version(bucket, "Suspended")

    await put(side, bucket, "a", b"suspended")

    assert await get(side, bucket, "a") == b"suspended"
    assert await get(side, bucket, "a", VersionId="null") == b"suspended"
    assert await get(side, bucket, "a", VersionId=kept) == b"version"
