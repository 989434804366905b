"""Whole workers over TLS: S3 checks the checksum of every body."""

import hashlib
from pathlib import Path

import pytest

from tests.support.aws_bodies import Refused, check, decoded
from tests.support.certificates import make_authority
from tests.support.scenario import Endpoint, drain_ten, iris, model_file
from tests.support.tls_front import Front
from worker.jobs.limits import PART_BYTES

CHUNKED = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (CHUNKED.replace(b"hello", b"jello"), "BadDigest"),
        (CHUNKED.replace(b"NhCm", b"0000"), "BadDigest"),
        (CHUNKED.partition(b"x-amz")[0] + b"\r\n", "BadDigest"),
        (CHUNKED.replace(b"5\r\nhello", b"4\r\nhell"), "IncompleteBody"),
        (b"hello", "IncompleteBody"),
    ],
)
def test_the_front_refuses_what_s3_refuses(body: bytes, code: str) -> None:
    head = (
        b"PUT /\r\nx-amz-trailer: x-amz-checksum-crc32\r\nx-amz-decoded-content-length: 5\r\n\r\n"
    )
    assert decoded(head, CHUNKED) == b"hello"
    with pytest.raises(Refused, match=code):
        decoded(head, body)


@pytest.mark.parametrize(
    ("body", "code"), [(b"jello", "XAmzContentSHA256Mismatch"), (b"hello", "BadDigest")]
)
def test_the_front_refuses_plain_bodies_as_s3_does(body: bytes, code: str) -> None:
    digest = hashlib.sha256(b"hello").hexdigest().encode()
    head = b"PUT /\r\nx-amz-content-sha256: %s\r\nx-amz-checksum-crc32: %s\r\n\r\n"
    check(head % (digest, b"NhCmhg=="), b"hello")
    with pytest.raises(Refused, match=code):
        check(head % (digest, b"00CmhA=="), body)


@pytest.fixture
def over_tls(endpoint: Endpoint, front: Front) -> Endpoint:
    endpoint.environment |= front.environment
    front.seen.clear()
    return endpoint


async def test_ten_small_files_are_predicted(
    over_tls: Endpoint, front: Front, tmp_path: Path
) -> None:
    await drain_ten(over_tls, tmp_path, WORKER_CONCURRENCY="1")

    # The SDK makes the first call for a bucket.
    assert (front.seen["aws-chunked"], front.seen["100 Continue"], front.seen["checksum"]) == (
        1,
        1,
        9,
    )


async def test_a_large_file_leaves_in_parts(
    over_tls: Endpoint, front: Front, tmp_path: Path
) -> None:
    model = model_file(tmp_path).read_bytes()
    over_tls.s3.put_object(Bucket=over_tls.input, Key="model.pkl", Body=model)
    row = iris().to_csv(index=False, header=False).encode().splitlines(keepends=True)[0]
    header = ",".join(iris().columns).encode() + b"\n"
    rows = [b"%060d," % number + row.partition(b",")[2] for number in range(3 * PART_BYTES // 150)]
    over_tls.submit("large.csv", header + b"".join(rows))

    ended = await over_tls.worker(WORKER_MODEL=f"s3://{over_tls.input}/model.pkl")

    assert ended.status == 0, ended.stderr
    output = over_tls.get("p/large.csv")
    assert len(output) > PART_BYTES
    _, *found = output.splitlines()
    assert [line.partition(b",")[0] for line in found] == [b"%060d" % n for n in range(len(rows))]
    assert front.seen["aws-chunked"] == -(-len(output) // PART_BYTES)  # of parts, each once
    etag = over_tls.s3.head_object(Bucket=over_tls.output, Key="p/large.csv")["ETag"]
    assert "-" in etag  # of a multipart upload


async def test_a_certificate_of_another_authority_ends_the_start(
    over_tls: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = make_authority(tmp_path / "other")

    ended = await over_tls.worker(
        WORKER_MODEL=f"s3://{over_tls.input}/model.pkl", AWS_CA_BUNDLE=str(other)
    )

    assert ended.status == 1
    (line,) = ended.events
    assert "CERTIFICATE_VERIFY_FAILED" in str(line["error"])
