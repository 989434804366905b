import pytest

from worker.errors import SettingsError
from worker.queue.address import check_address, parse

REGION = "eu-central-1"
AWS = "https://sqs.eu-central-1.amazonaws.com"
LOCAL = "http://localhost:4566"


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("jobs", None),
        ("https://sqs.us-west-2.amazonaws.com/123456789012/jobs", "us-west-2"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/jobs", "us-gov-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/jobs", "cn-north-1"),
        ("https://sqs.eu-west-1.api.aws/123456789012/jobs", "eu-west-1"),
        ("https://vpce-0a.sqs.eu-west-1.vpce.amazonaws.com/123456789012/jobs", "eu-west-1"),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/jobs", "eu-west-1"),
        ("https://queue.amazonaws.com/123456789012/jobs", "us-east-1"),
        ("http://localhost:4566/000000000000/jobs", None),
        ("http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/jobs", None),
        ("arn:aws:sqs:us-west-2:123456789012:jobs", "us-west-2"),
        ("arn:aws-cn:sqs:cn-north-1:123456789012:jobs", "cn-north-1"),
    ],
)
def test_an_address_says_its_name_and_its_region(address: str, region: str | None) -> None:
    assert (parse(address).name, parse(address).region) == ("jobs", region)


@pytest.mark.parametrize(
    "address",
    [
        "my jobs",
        "s3://bucket/jobs",
        "x" * 81,
        "arn:aws:sns:us-west-2:123456789012:jobs",
        "arn:aws:sqs:us-west-2",
        "https://sqs.us-west-2.amazonaws.com/",
        "https://[sqs/jobs",
    ],
)
def test_what_is_no_address_of_a_queue_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match=r"^WORKER_QUEUE: "):
        parse(address)


@pytest.mark.parametrize(
    "address",
    [
        "arn:aws:sqs:us-west-2:123456789012:jobs",
        "https://sqs.us-west-2.amazonaws.com/123456789012/jobs",
    ],
)
def test_a_queue_of_another_region_is_refused_naming_both(address: str) -> None:
    with pytest.raises(SettingsError, match=r"us-west-2.*eu-central-1.*set AWS_REGION=us-west-2"):
        check_address(address, REGION, AWS)


def test_a_queue_on_another_server_than_aws_is_refused_before_aws_is_asked() -> None:
    with pytest.raises(SettingsError, match=r"the queue is at localhost.*set AWS_ENDPOINT_URL"):
        check_address(f"{LOCAL}/000000000000/jobs", REGION, AWS)


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("jobs", AWS),
        (f"{AWS}/123456789012/jobs", AWS),
        (f"{AWS}/123456789012/jobs", "https://vpce-0a.sqs.eu-central-1.vpce.amazonaws.com"),
        (f"{AWS}/123456789012/jobs", LOCAL),
        (f"{LOCAL}/000000000000/jobs", LOCAL),
        (f"{LOCAL}/000000000000/jobs", "https://localhost:8443"),
        (f"arn:aws:sqs:{REGION}:123456789012:jobs", AWS),
        (f"arn:aws:sqs:{REGION}:123456789012:jobs", LOCAL),
    ],
)
def test_an_address_that_the_endpoint_may_serve_is_accepted(address: str, endpoint: str) -> None:
    check_address(address, REGION, endpoint)
