"""The checks of S3 on a body: in `aws-chunked` encoding, with its checksum behind it; or plain.

The SDK sends bodies in that encoding over TLS. The direct client sends them plain.
"""

import base64
import hashlib
import re
import zlib

from tests.support.http_messages import header

STREAMING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class Refused(Exception):
    """S3 refuses the body; the message is the code of S3's error."""


def is_aws_chunked(head: bytes) -> bool:
    """Return whether the body of a request is in aws-chunked encoding."""
    return header(head, "x-amz-content-sha256") == STREAMING


def decoded(head: bytes, body: bytes) -> bytes:
    """Return the object of an aws-chunked body; raises Refused unless length and checksum fit."""
    parts, rest = [], body
    while size := _size_of(rest):
        _, _, rest = rest.partition(b"\r\n")
        parts.append(rest[:size])
        rest = rest[size + 2 :]
    content = b"".join(parts)
    if len(content) != int(header(head, "x-amz-decoded-content-length") or -1):
        raise Refused("IncompleteBody")
    if rest != f"0\r\n{header(head, 'x-amz-trailer')}:{_crc32(content)}\r\n\r\n".encode():
        raise Refused("BadDigest")
    return content


def check(head: bytes, body: bytes) -> None:
    """Raise Refused unless a body fits its length and the checksums that come with it."""
    if is_aws_chunked(head):
        decoded(head, body)
    elif (checksum := header(head, "x-amz-checksum-crc32")) is not None:
        if header(head, "x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
            raise Refused("XAmzContentSHA256Mismatch")
        if checksum != _crc32(body):
            raise Refused("BadDigest")


def _crc32(content: bytes) -> str:
    return base64.b64encode(zlib.crc32(content).to_bytes(4)).decode()


def _size_of(chunk: bytes) -> int:
    """Return the size that a chunk begins with."""
    if (line := re.match(rb"([0-9a-f]+)\r\n", chunk)) is None:
        raise Refused("IncompleteBody")
    return int(line[1], 16)
