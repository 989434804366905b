"""Signatures: botocore's own signer is the judge."""

from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from worker.storage.signature import signed

HOST = "bucket.s3.eu-central-1.amazonaws.com"
NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@given(
    method=st.sampled_from(["GET", "HEAD", "PUT"]),
    key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    version=st.none() | values,
    headers=st.dictionaries(st.sampled_from(["if-match", "range", "x-amz-meta-a"]), values),
    body=st.binary(),
    region=st.sampled_from(["eu-central-1", "us-east-1"]),
    secret=st.sampled_from(["secret", "another/secret+"]),
    token=st.none() | st.just("token"),
)
def test_a_request_is_signed_as_botocore_signs_it(  # noqa: PLR0917 - hypothesis gives them all by name
    method: str,
    key: str,
    version: str | None,
    headers: dict[str, str],
    body: bytes,
    region: str,
    secret: str,
    token: str | None,
) -> None:
    path = "/" + quote(key, safe="/~")
    query = "" if version is None else f"versionId={quote(version, safe='')}"
    credentials = ReadOnlyCredentials("access", secret, token)
    request = AWSRequest(
        method, f"http://{HOST}{path}{'?' if query else ''}{query}", headers, data=body
    )
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        S3SigV4Auth(credentials, "s3", region).add_auth(request)

    ours = signed(
        method,
        path,
        query,
        {"host": HOST, **headers},
        body,
        region=region,
        credentials=credentials,
        now=NOW,
    )

    assert ours["authorization"] == request.headers["Authorization"]
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]
