"""Multipart uploads of a simulated S3, from their creation until they are completed or aborted."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.simulation.bucket import md5, moment
from tests.support.simulation.errors import refused

SMALLEST_PART = 5 << 20  # the last part may be smaller
MAX_PARTS = 10_000
COMPLETE = "CompleteMultipartUpload"


@dataclass(frozen=True)
class Upload:
    """An upload under way: its parts by number, and the object's metadata."""

    id: str
    bucket: str
    key: str
    metadata: Mapping[str, str]
    content_type: str
    at: float
    content_encoding: str | None = None
    parts: dict[int, bytes] = field(default_factory=dict)

    def put(self, number: int, body: bytes) -> str:
        """Store a part; it replaces an earlier part of that number. Returns the quoted ETag."""
        if not 1 <= number <= MAX_PARTS:
            raise refused("UploadPart", "InvalidArgument", f"Part number must be 1 to {MAX_PARTS}")
        self.parts[number] = bytes(body)
        return f'"{md5(body)}"'

    def assembled(
        self, asked: Sequence[Mapping[str, Any]], smallest_part: int
    ) -> tuple[bytes, str]:
        """Join the requested parts; returns the body and its ETag."""
        numbers = [part["PartNumber"] for part in asked]
        if not numbers:
            raise refused(COMPLETE, "MalformedXML", "There are no parts.")
        if any(one >= following for one, following in itertools.pairwise(numbers)):
            raise refused(COMPLETE, "InvalidPartOrder", "Parts must be in ascending order.")
        for part in asked:
            body = self.parts.get(part["PartNumber"])
            if body is None or md5(body) != part["ETag"].strip('"'):
                raise refused(COMPLETE, "InvalidPart", f"Part {part['PartNumber']} was not found.")
        bodies = [self.parts[number] for number in numbers]
        if any(len(body) < smallest_part for body in bodies[:-1]):
            raise refused(COMPLETE, "EntityTooSmall", f"A part is smaller than {smallest_part} B.")
        digests = b"".join(bytes.fromhex(md5(body)) for body in bodies)
        return b"".join(bodies), f"{md5(digests)}-{len(bodies)}"

    def described(self) -> dict[str, Any]:
        return {"UploadId": self.id, "Key": self.key, "Initiated": moment(self.at)}
