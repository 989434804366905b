"""Errors and redirects as S3 words them."""

from collections.abc import Mapping
from http import HTTPStatus

from tests.support.http_messages import with_length

REGION_HEADER = "x-amz-bucket-region"


def refusal(
    request: bytes,
    status: int,
    code: str,
    *,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return an answer with an error, to the request with that head."""
    about = {"Content-Type": "application/xml", **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in about.items())
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n".encode()
    if request.startswith(b"HEAD "):
        return with_length(head, 0)
    told = {"Code": code, "Message": "as ordered", **(fields or {})}
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
    body = f"<Error>{inner}</Error>".encode()
    return with_length(head, len(body)) + body


def target_of(request: bytes) -> str:
    """Return the path and the query of a request, as they were sent."""
    return request.split(b" ", 2)[1].decode()
