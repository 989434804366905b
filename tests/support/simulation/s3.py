"""A simulated S3: buckets, versions and multipart uploads, as aiobotocore's client has them.

Every operation takes effect at once and is consistent, as documented: latency, lost answers and
conflicts of writes under way are the network's.
"""

# ruff: noqa: N803 - the parameters have the client's names
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from tests.support.simulation.body import SimulatedBody
from tests.support.simulation.bucket import SimulatedBucket, Version, md5
from tests.support.simulation.effects import Removed, S3Effect, Written, now
from tests.support.simulation.errors import refused
from tests.support.simulation.multipart import COMPLETE, SMALLEST_PART, Upload
from tests.support.simulation.objects import BINARY, Answer, ObjectOperations, checked

__all__ = [
    "Removed",
    "S3Effect",
    "SimulatedBody",
    "SimulatedBucket",
    "SimulatedS3",
    "Version",
    "Written",
]


Completion = tuple[str, str, list[Mapping[str, Any]]]  # bucket, key and parts


class Parts(TypedDict):
    """The argument of CompleteMultipartUpload: part numbers and ETags, in ascending order."""

    Parts: Sequence[Mapping[str, Any]]


class SimulatedS3(ObjectOperations):
    """An account's buckets; `on_effect` is called with each effect on an object.

    A repeated completion fails with NoSuchUpload, as documented. With `completes_again` it returns
    the first response without an effect, as S3 has been observed to do.
    """

    def __init__(
        self, *, completes_again: bool = False, smallest_part: int = SMALLEST_PART
    ) -> None:
        super().__init__()
        self.uploads: dict[str, Upload] = {}  # those under way
        self._smallest_part = smallest_part
        self._completes_again = completes_again
        self._completed: dict[str, tuple[Completion, Answer]] = {}
        self._numbers = itertools.count(1)

    async def create_multipart_upload(
        self,
        *,
        Bucket: str,
        Key: str,
        ContentType: str = BINARY,
        ContentEncoding: str | None = None,
        Metadata: Mapping[str, str] | None = None,
    ) -> Answer:
        operation = "CreateMultipartUpload"
        self._bucket(operation, Bucket)
        metadata = checked(operation, Key, Metadata)
        name = f"upload-{next(self._numbers)}"
        about = (metadata, ContentType, now(), ContentEncoding)
        self.uploads[name] = Upload(name, Bucket, Key, *about)
        return {"Bucket": Bucket, "Key": Key, "UploadId": name}

    async def upload_part(
        self, *, Bucket: str, Key: str, UploadId: str, PartNumber: int, Body: bytes = b""
    ) -> Answer:
        upload = self._upload("UploadPart", Bucket, Key, UploadId)
        return {"ETag": upload.put(PartNumber, Body)}

    async def complete_multipart_upload(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        MultipartUpload: Parts,
        IfMatch: str | None = None,
        IfNoneMatch: Literal["*"] | None = None,
    ) -> Answer:
        bucket = self._bucket(COMPLETE, Bucket)
        asked = (Bucket, Key, list(MultipartUpload["Parts"]))
        if self._completes_again and UploadId in self._completed:
            before, answer = self._completed[UploadId]
            if asked == before:
                return dict(answer)
        upload = self._upload(COMPLETE, Bucket, Key, UploadId)
        body, etag = upload.assembled(MultipartUpload["Parts"], self._smallest_part)
        bucket.check_write(COMPLETE, Key, IfMatch, IfNoneMatch)
        del self.uploads[UploadId]
        about = (upload.metadata, upload.content_type, now())
        version = Version(
            bucket.new_id(), etag, body, *about, content_encoding=upload.content_encoding
        )
        written = self._write(bucket, Key, version)
        answer = written | {"Bucket": Bucket, "Key": Key}
        self._completed[UploadId] = asked, answer
        return dict(answer)

    async def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> Answer:
        self._upload("AbortMultipartUpload", Bucket, Key, UploadId)
        del self.uploads[UploadId]
        return {}

    async def list_multipart_uploads(self, *, Bucket: str, Prefix: str = "") -> Answer:
        self._bucket("ListMultipartUploads", Bucket)
        uploads = [
            upload.described()
            for upload in self.uploads.values()
            if upload.bucket == Bucket and upload.key.startswith(Prefix)
        ]
        uploads.sort(key=lambda upload: upload["Key"].encode())
        return {"IsTruncated": False, **({"Uploads": uploads} if uploads else {})}

    async def list_parts(self, *, Bucket: str, Key: str, UploadId: str) -> Answer:
        upload = self._upload("ListParts", Bucket, Key, UploadId)
        parts = [
            {"PartNumber": number, "ETag": f'"{md5(body)}"', "Size": len(body)}
            for number, body in sorted(upload.parts.items())
        ]
        return {"IsTruncated": False, **({"Parts": parts} if parts else {})}

    def _upload(self, operation: str, bucket: str, key: str, upload_id: str) -> Upload:
        upload = self.uploads.get(upload_id)
        if upload is None or (upload.bucket, upload.key) != (bucket, key):
            self._bucket(operation, bucket)
            raise refused(operation, "NoSuchUpload", "The upload does not exist.", 404)
        return upload
