"""Signature Version 4 for S3, for a request whose whole body is at hand."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from botocore.credentials import ReadOnlyCredentials

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"


def signed(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    region: str,
    credentials: ReadOnlyCredentials,
    now: datetime,
) -> dict[str, str]:
    """Return the headers, and those that sign them together with path, query and body.

    Path and query are quoted. The names of headers are in lower case, and `host` is one of them.
    """
    time = now.strftime("%Y%m%dT%H%M%SZ")
    payload = hashlib.sha256(body).hexdigest()
    result = {**headers, "x-amz-content-sha256": payload, "x-amz-date": time}
    if credentials.token:
        result["x-amz-security-token"] = credentials.token
    names = sorted(result)
    lines = "".join([f"{name}:{' '.join(result[name].split())}\n" for name in names])
    listed = ";".join(names)
    request = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{payload}"
    day = time[:8]
    scope = f"{day}/{region}/{SERVICE}/aws4_request"
    text = f"{ALGORITHM}\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = _digest(_signing_key(credentials.secret_key, day, region), text).hex()
    result["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={listed}, Signature={signature}"
    )
    return result


@lru_cache(maxsize=8)  # of one day: some regions, and the keys before and after a renewal
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for text in (day, region, SERVICE, "aws4_request"):
        key = _digest(key, text)
    return key


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
