"""What is written to S3: objects in one request or in parts, each on a condition."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.job import S3Uri
from worker.s3_answers import completion_error, said, write_error
from worker.storage import UploadLost

if TYPE_CHECKING:  # stubs of a development package
    from types_aiobotocore_s3 import S3Client


class S3Writes:
    """The writing half of the storage on S3."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    async def put(
        self,
        uri: S3Uri,
        body: bytes,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        replacing: str | None,
    ) -> None:
        """Write where nothing is yet, or over the object with the ETag `replacing`."""
        async with said(f"writing {uri}", uri, write_error):
            await self._client.put_object(
                Bucket=uri.bucket,
                Key=uri.key,
                Body=body,
                ContentType=content_type,
                Metadata=metadata,
                **_condition(replacing),
            )

    async def begin(self, uri: S3Uri, *, metadata: Mapping[str, str], content_type: str) -> str:
        """Begin an upload in parts; answer its id."""
        async with said(f"writing {uri}", uri, write_error):
            answer = await self._client.create_multipart_upload(
                Bucket=uri.bucket, Key=uri.key, ContentType=content_type, Metadata=metadata
            )
        return answer["UploadId"]

    async def put_part(self, uri: S3Uri, upload: str, number: int, body: bytes) -> str:
        """Send a part; answer its ETag."""
        async with said(f"writing part {number} of {uri}", uri, write_error):
            answer = await self._client.upload_part(
                Bucket=uri.bucket, Key=uri.key, UploadId=upload, PartNumber=number, Body=body
            )
        return answer["ETag"]

    async def complete(
        self, uri: S3Uri, upload: str, etags: Sequence[str], *, replacing: str | None
    ) -> None:
        """Make an object of the parts, where nothing is yet or in the place of `replacing`."""
        parts: list[Any] = [
            {"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)
        ]
        async with said(f"writing {uri}", uri, completion_error):
            await self._client.complete_multipart_upload(
                Bucket=uri.bucket,
                Key=uri.key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                **_condition(replacing),
            )

    async def abort(self, uri: S3Uri, upload: str) -> None:
        """Let go of an upload and its parts; one that is over already is no error."""
        try:
            async with said(f"leaving {uri}", uri, write_error):
                await self._client.abort_multipart_upload(
                    Bucket=uri.bucket, Key=uri.key, UploadId=upload
                )
        except UploadLost:
            return


def _condition(replacing: str | None) -> dict[str, Any]:
    return {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": f'"{replacing}"'}
