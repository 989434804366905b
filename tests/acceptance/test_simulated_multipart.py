"""Multipart uploads, on both sides."""

import pytest

from tests.support.conformance.calls import complete, etag, get, md5, part, put, started
from tests.support.conformance.sides import Side, on_both, refused
from tests.support.simulation.multipart import SMALLEST_PART
from worker.job import S3Uri
from worker.storage.protocol import UploadLost, WriteConflict
from worker.storage.s3 import S3Storage

BIG = b"x" * SMALLEST_PART


@on_both()
async def test_parts_uploaded_in_any_order_become_one_object_at_completion(side: Side) -> None:
    bucket = await side.bucket("Enabled")
    about = {"Metadata": {"source-id": "abc"}, "ContentType": "text/csv"}
    upload = await started(side, bucket, "a", **about)
    last = await part(side, upload, 7, b"end")
    first = await part(side, upload, 2, BIG)
    with refused("404"):
        await side.s3.head_object(Bucket=bucket, Key="a")

    completed = await complete(side, upload, first, last)

    digests = b"".join(md5(body).digest() for body in (BIG, b"end"))
    head = await side.s3.head_object(Bucket=bucket, Key="a")
    assert head["ETag"] == completed["ETag"] == f'"{md5(digests).hexdigest()}-2"'
    assert head["VersionId"] == completed["VersionId"]
    assert {name: head[name] for name in about} == about
    assert await get(side, bucket, "a") == BIG + b"end"


@on_both()
async def test_a_part_uploaded_again_replaces_the_earlier_one(side: Side) -> None:
    bucket = await side.bucket()
    upload = await started(side, bucket, "a")
    old = await part(side, upload, 1, b"old")
    new = await part(side, upload, 1, b"new")
    with refused("InvalidPart"):
        await complete(side, upload, old)
    await complete(side, upload, new)
    assert await get(side, bucket, "a") == b"new"


@on_both()
async def test_only_parts_that_are_there_can_be_asked_for(side: Side) -> None:
    bucket = await side.bucket()
    upload = await started(side, bucket, "a")
    first, second = await part(side, upload, 1, BIG), await part(side, upload, 2, b"end")
    with refused("InvalidPart"):
        await complete(side, upload, first, {"PartNumber": 3, "ETag": second["ETag"]})
    await complete(side, upload, second)
    assert await get(side, bucket, "a") == b"end"


@on_both(local_cloud_differs="parts may be named in any order there")
async def test_parts_must_be_named_in_order(side: Side) -> None:
    bucket = await side.bucket()
    upload = await started(side, bucket, "a")
    first, second = await part(side, upload, 1, BIG), await part(side, upload, 2, b"end")
    with refused("InvalidPartOrder"):
        await complete(side, upload, second, first)
    with refused("InvalidPartOrder"):
        await complete(side, upload, first, first)


@on_both()
async def test_a_part_has_a_number_from_1_to_10000(side: Side) -> None:
    upload = await started(side, await side.bucket(), "a")
    for number in (0, 10_001):
        with refused("InvalidArgument"):
            await part(side, upload, number, b"end")


@on_both(local_cloud_differs="an object without parts is made there")
async def test_an_upload_without_parts_cannot_be_completed(side: Side) -> None:
    upload = await started(side, await side.bucket(), "a")
    with refused("MalformedXML"):
        await complete(side, upload)


@on_both(local_cloud_differs="undersized parts are accepted there")
async def test_only_the_last_part_may_be_below_five_mebibytes(side: Side) -> None:
    bucket = await side.bucket()
    upload = await started(side, bucket, "a")
    small, last = await part(side, upload, 1, b"small"), await part(side, upload, 2, b"end")
    with refused("EntityTooSmall"):
        await complete(side, upload, small, last)


@on_both()
async def test_an_upload_that_has_ended_takes_no_more_parts_and_is_not_listed(side: Side) -> None:
    bucket = await side.bucket()
    completed, aborted = await started(side, bucket, "a"), await started(side, bucket, "a")
    await complete(side, completed, await part(side, completed, 1, b"end"))
    await side.s3.abort_multipart_upload(**aborted)
    for upload in (completed, aborted):
        with refused("NoSuchUpload"):
            await part(side, upload, 1, b"more")
        with refused("NoSuchUpload"):
            await side.s3.list_parts(**upload)
    assert "Uploads" not in await side.s3.list_multipart_uploads(Bucket=bucket)


@on_both()
async def test_an_aborted_upload_cannot_be_completed(side: Side) -> None:
    bucket = await side.bucket()
    upload = await started(side, bucket, "a")
    only = await part(side, upload, 1, b"end")
    await side.s3.abort_multipart_upload(**upload)
    with refused("NoSuchUpload"):
        await complete(side, upload, only)


@on_both()
async def test_an_upload_that_has_ended_cannot_be_aborted(side: Side) -> None:
    bucket = await side.bucket()
    upload = await started(side, bucket, "a")
    await side.s3.abort_multipart_upload(**upload)
    with refused("NoSuchUpload"):
        await side.s3.abort_multipart_upload(**upload)


@on_both(local_cloud_differs="the same completion is answered again there, as S3 has been seen to")
async def test_a_completed_upload_cannot_be_completed_again(side: Side) -> None:
    bucket = await side.bucket()
    upload = await started(side, bucket, "a")
    only = await part(side, upload, 1, b"end")
    await complete(side, upload, only)
    with refused("NoSuchUpload"):
        await complete(side, upload, only)


@on_both()
async def test_an_upload_belongs_to_its_key(side: Side) -> None:
    bucket = await side.bucket()
    upload = await started(side, bucket, "a")
    with refused("NoSuchUpload"):
        await part(side, upload | {"Key": "b"}, 1, b"end")


@on_both()
async def test_a_completion_with_if_none_match_writes_only_where_nothing_is(side: Side) -> None:
    bucket = await side.bucket()
    upload = await started(side, bucket, "a")
    only = await part(side, upload, 1, b"second")
    await put(side, bucket, "a", b"first")
    with refused("PreconditionFailed"):
        await complete(side, upload, only, IfNoneMatch="*")
    assert await get(side, bucket, "a") == b"first"
    await side.s3.abort_multipart_upload(**upload)


@on_both()
async def test_a_completion_with_if_match_writes_only_over_what_it_names(side: Side) -> None:
    bucket = await side.bucket()
    first = (await put(side, bucket, "a", b"first"))["ETag"]
    upload = await started(side, bucket, "a")
    only = await part(side, upload, 1, b"second")
    with refused("PreconditionFailed"):
        await complete(side, upload, only, IfMatch=etag(b"another"))
    await complete(side, upload, only, IfMatch=first)
    assert await get(side, bucket, "a") == b"second"
    nowhere = await started(side, bucket, "nothing")
    only = await part(side, nowhere, 1, b"second")
    with refused("NoSuchKey"):
        await complete(side, nowhere, only, IfMatch=first)


@on_both()
async def test_uploads_under_way_and_their_parts_are_listed(side: Side) -> None:
    bucket = await side.bucket()
    other = await started(side, bucket, "q/a")
    upload = await started(side, bucket, "p/a")
    for number in (2, 1):
        await part(side, upload, number, b"%d" % number)
    listed = await side.s3.list_multipart_uploads(Bucket=bucket)
    assert [one["UploadId"] for one in listed["Uploads"]] == [upload["UploadId"], other["UploadId"]]
    parts = (await side.s3.list_parts(**upload))["Parts"]
    said = [(one["PartNumber"], one["ETag"], one["Size"]) for one in parts]
    assert said == [(1, etag(b"1"), 1), (2, etag(b"2"), 1)]
    await side.s3.abort_multipart_upload(**upload)
    listed = await side.s3.list_multipart_uploads(Bucket=bucket, Prefix="p/")
    assert "Uploads" not in listed


@on_both()
async def test_the_workers_storage_uploads_in_parts_on_it(side: Side) -> None:
    bucket = await side.bucket()
    storage = S3Storage(side.s3)
    uri = S3Uri(bucket, "p/a.csv")
    upload = await storage.begin(uri, metadata={"source-id": "abc"}, content_type="text/csv")
    etags = [await storage.put_part(uri, upload, n, body) for n, body in ((1, BIG), (2, b"end"))]
    there = (await put(side, bucket, uri.key, b"older"))["ETag"].strip('"')
    with pytest.raises(WriteConflict):
        await storage.complete(uri, upload, etags, replacing=None)
    await storage.complete(uri, upload, etags, replacing=there)
    assert await get(side, bucket, uri.key) == BIG + b"end"
    await storage.abort(uri, upload)
    given_up = await storage.begin(uri, metadata={}, content_type="text/csv")
    etags = [await storage.put_part(uri, given_up, 1, b"never seen")]
    await storage.abort(uri, given_up)
    with pytest.raises(UploadLost):
        await storage.complete(uri, given_up, etags, replacing=None)
    head = await storage.head(uri)
    assert head is not None
    assert await storage.read(uri, 1, 3, version_id=None, etag=head.etag) == b"xx"
