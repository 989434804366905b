"""How objects are written, read, listed and deleted, on both sides."""

from typing import Any

import pytest

from tests.support.conformance.calls import etag, get, part, put, started
from tests.support.conformance.sides import Side, on_both, refused
from worker.job import S3Uri
from worker.storage.protocol import WriteConflict
from worker.storage.s3 import S3Storage


@on_both()
async def test_an_object_is_read_as_it_was_written(side: Side) -> None:
    bucket = await side.bucket()
    about = {"Metadata": {"source-id": "abc"}, "ContentType": "text/csv"}
    written = await put(side, bucket, "dir/a b.csv", b"content", **about)

    answer = await side.s3.get_object(Bucket=bucket, Key="dir/a b.csv")
    head = await side.s3.head_object(Bucket=bucket, Key="dir/a b.csv")

    assert await answer["Body"].read() == b"content"
    assert written["ETag"] == answer["ETag"] == head["ETag"] == etag(b"content")
    for said in (answer, head):
        assert said["ContentLength"] == 7
        assert {name: said[name] for name in about} == about
        assert "VersionId" not in said
    assert "VersionId" not in written


@on_both()
async def test_a_body_is_read_in_pieces(side: Side) -> None:
    bucket = await side.bucket()
    await put(side, bucket, "a", b"content")
    answer = await side.s3.get_object(Bucket=bucket, Key="a")
    async with answer["Body"]:
        pieces = [await answer["Body"].read(size) for size in (3, 0, 3, 3, 3)]
    assert pieces == [b"con", b"", b"ten", b"t", b""]


@on_both()
async def test_what_is_missing_is_named_by_a_get_and_a_number_to_a_head(side: Side) -> None:
    bucket = await side.bucket()
    with refused("NoSuchKey"):
        await get(side, bucket, "nothing")
    for name in (bucket, "no-such-bucket"):
        with refused("404"):
            await side.s3.head_object(Bucket=name, Key="nothing")


@on_both()
async def test_a_bucket_that_is_not_there_is_named_so_by_every_operation(side: Side) -> None:
    nowhere = "no-such-bucket"
    upload = {"Bucket": nowhere, "Key": "a", "UploadId": "upload"}
    with refused("NoSuchBucket"):
        await get(side, nowhere, "a")
    with refused("NoSuchBucket"):
        await put(side, nowhere, "a", b"")
    with refused("NoSuchBucket"):
        await side.s3.delete_object(Bucket=nowhere, Key="a")
    with refused("NoSuchBucket"):
        await side.s3.list_objects_v2(Bucket=nowhere)
    with refused("NoSuchBucket"):
        await started(side, nowhere, "a")
    with refused("NoSuchBucket"):
        await side.s3.list_multipart_uploads(Bucket=nowhere)
    with refused("NoSuchBucket"):
        await part(side, upload, 1, b"")


@on_both()
async def test_a_range_brings_its_bytes_and_says_which(side: Side) -> None:
    bucket = await side.bucket()
    await put(side, bucket, "a", b"0123456789")
    for asked, expected, said in (
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", b"0123456789", "bytes 0-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
    ):
        answer = await side.s3.get_object(Bucket=bucket, Key="a", Range=asked)
        assert answer["ContentRange"] == said
        assert await answer["Body"].read() == expected
        assert answer["ContentLength"] == len(expected)
        assert answer["ETag"] == etag(b"0123456789")
    for beyond in ("bytes=10-", "bytes=10-20", "bytes=-0", "bytes=3-2"):
        with refused("InvalidRange"):
            await get(side, bucket, "a", Range=beyond)


@on_both()
async def test_deleting_what_is_not_there_is_no_error(side: Side) -> None:
    bucket = await side.bucket()
    await put(side, bucket, "a", b"content")
    for _ in range(2):
        await side.s3.delete_object(Bucket=bucket, Key="a")
    with refused("NoSuchKey"):
        await get(side, bucket, "a")


@on_both()
async def test_a_listing_is_ordered_by_bytes_paged_and_without_what_is_deleted(side: Side) -> None:
    bucket = await side.bucket("Enabled")
    for key in ("p/b", "p/B", "p/a", "q/a", "p/gone", "p/ä"):
        await put(side, bucket, key, key.encode())
    await side.s3.delete_object(Bucket=bucket, Key="p/gone")
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = await side.s3.list_objects_v2(Bucket=bucket, Prefix="p/", MaxKeys=3, **more)
        assert page["KeyCount"] == len(page["Contents"]) <= 3
        found += [one["Key"] for one in page["Contents"]]
        if not page["IsTruncated"]:
            break
        more = {"ContinuationToken": page["NextContinuationToken"]}
    assert found == ["p/B", "p/a", "p/b", "p/ä"]
    assert page["Contents"][-1]["ETag"] == etag("p/ä".encode())
    assert page["Contents"][-1]["Size"] == len("p/ä".encode())


@on_both()
async def test_an_empty_listing_has_no_contents(side: Side) -> None:
    page = await side.s3.list_objects_v2(Bucket=await side.bucket())
    assert (page["KeyCount"], page["IsTruncated"]) == (0, False)
    assert "Contents" not in page


@on_both(local_cloud_differs="any key is accepted there")
async def test_a_key_has_1024_bytes_at_most(side: Side) -> None:
    bucket = await side.bucket()
    await put(side, bucket, "ä" * 512, b"")
    with refused("KeyTooLongError"):
        await put(side, bucket, "ä" * 513, b"")


@on_both(local_cloud_differs="any metadata is accepted there")
async def test_metadata_has_two_kilobytes_at_most(side: Side) -> None:
    bucket = await side.bucket()
    await put(side, bucket, "a", b"", Metadata={"name": "v" * 2044})
    with refused("MetadataTooLarge"):
        await put(side, bucket, "a", b"", Metadata={"name": "v" * 2045})


@on_both()
async def test_the_workers_storage_works_on_it(side: Side) -> None:
    bucket = await side.bucket("Enabled")
    storage = S3Storage(side.s3)
    uri = S3Uri(bucket, "p/a.csv")
    assert await storage.head(uri) is None
    about: dict[str, Any] = {"metadata": {"source-id": "abc"}, "content_type": "text/csv"}
    await storage.put(uri, b"first", replacing=None, **about)
    with pytest.raises(WriteConflict):
        await storage.put(uri, b"second", replacing=None, **about)
    head = await storage.head(uri)
    assert head is not None
    await storage.put(uri, b"second", replacing=head.etag, **about)
    old = await storage.get(uri, version_id=head.version_id, etag=None, max_bytes=100)
    assert (old.body, old.head) == (b"first", head)
