"""Listings of S3: every object below a prefix, in the order of the keys, a page at a time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

PAGE_KEYS = 1000  # the most that S3 gives
LAST_CHARACTER = chr(0x10FFFF)


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it; the ETag without its quotes."""

    key: str
    etag: str
    size: int
    modified: datetime
    """In whole seconds. Of a multipart upload, when it began."""

    @classmethod
    def of(cls, entry: "ObjectTypeDef") -> Self:
        """Read an object of ListObjectsV2's answer."""
        return cls(entry["Key"], entry["ETag"].strip('"'), entry["Size"], entry["LastModified"])

    @property
    def is_multipart(self) -> bool:
        """Whether it was uploaded in parts: `modified` is then before it was complete."""
        return "-" in self.etag


def list_objects(
    s3: "S3Client",
    bucket: str,
    prefix: str,
    *,
    skipped: Sequence[str] = (),
    page_keys: int = PAGE_KEYS,
) -> Iterator[Listed]:
    """Yield all objects below a prefix but those below a skipped one; the next page is read ahead.

    A skipped prefix costs one call, whatever the number of objects below it.
    """
    pages = _pages(s3, bucket, prefix, tuple(skipped), page_keys)
    with ThreadPoolExecutor(1, thread_name_prefix="listing") as reader:
        page = reader.submit(next, pages, None)
        while (objects := page.result()) is not None:
            page = reader.submit(next, pages, None)
            yield from objects


def _pages(
    s3: "S3Client", bucket: str, prefix: str, skipped: tuple[str, ...], page_keys: int
) -> Iterator[list[Listed]]:
    start: dict[str, Any] = {}
    while True:
        answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=page_keys, **start)
        entries = answer.get("Contents", [])
        yield [Listed.of(one) for one in entries if not one["Key"].startswith(skipped)]
        if not answer["IsTruncated"]:
            return
        start = {"ContinuationToken": answer["NextContinuationToken"]}
        last = entries[-1]["Key"] if entries else ""
        for below in skipped:
            if last.startswith(below) and last < below + LAST_CHARACTER:
                start = {"StartAfter": below + LAST_CHARACTER}
