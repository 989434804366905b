"""An existing output bucket, and prefixes that would let predictions be predicted again."""

from typing import cast

import pytest

from tests.support.fakes.account import FakeAccount, FakeBucket, FakeS3
from tests.support.template import Deployed
from tidegate.aws.account import Account
from tidegate.aws.output_bucket import check_prefixes, policy_for_output
from worker.errors import SettingsError


def policy(account: FakeAccount) -> str:
    return policy_for_output(cast("Account", account), "lake", "out", stack="churn")


def test_a_bucket_of_this_account_needs_no_policy() -> None:
    assert policy(FakeAccount(FakeS3({"lake": FakeBucket(region="us-east-2")}))) == ""


def test_for_a_bucket_of_another_account_the_policy_is_given() -> None:
    assert "s3:PutObject" in policy(FakeAccount(FakeS3({"lake": FakeBucket(owner="2")})))


def test_a_bucket_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="there is no bucket lake"):
        policy(FakeAccount())


@pytest.mark.parametrize(
    ("prefix", "key"),
    [("", "out"), ("in/", ""), ("out/", "out"), ("out/in/", "out"), ("data/", "data/out")],
)
def test_prefixes_that_overlap_in_one_bucket_are_refused(prefix: str, key: str) -> None:
    both = Deployed(InputBucket="lake", OutputBucket="lake", InputPrefix=prefix, OutputKey=key)
    apart = Deployed(InputBucket="lake", OutputBucket="sea", InputPrefix=prefix, OutputKey=key)

    with pytest.raises(SettingsError, match="overlap in the bucket lake"):
        check_prefixes(both)
    check_prefixes(apart)


@pytest.mark.parametrize(("prefix", "key"), [("in/", "out"), ("out-of/", "out"), ("a/in/", "a/o")])
def test_prefixes_beside_each_other_are_taken(prefix: str, key: str) -> None:
    check_prefixes(
        Deployed(InputBucket="lake", OutputBucket="lake", InputPrefix=prefix, OutputKey=key)
    )


def test_the_stacks_own_buckets_are_two() -> None:
    check_prefixes(Deployed(OutputKey=""))


@pytest.mark.parametrize("name", ["OUTPUT_TEMPLATE", "FAILURE_TEMPLATE"])
def test_a_template_of_keys_that_leaves_what_the_workers_may_write_is_refused(name: str) -> None:
    settings = {"WorkerSettings": f"KEEP_COLUMNS=id {name}=elsewhere/{{key}}"}

    with pytest.raises(SettingsError, match=rf"WORKER_{name} must begin with {{output_key}}/"):
        check_prefixes(Deployed(OutputBucket="lake", **settings))
    check_prefixes(Deployed(OutputBucket="lake", OutputKey="", **settings))
    check_prefixes(Deployed(**settings))


def test_a_template_of_keys_below_the_output_key_is_taken() -> None:
    settings = "OUTPUT_TEMPLATE={output_key}/today/{key}"

    check_prefixes(Deployed(OutputBucket="lake", WorkerSettings=settings))
