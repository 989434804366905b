"""Protection and retention of the stack's own buckets and queues."""

import pytest

from tests.support.template import PARAMETERS, RESOURCES, arn_of, of_type, properties

BUCKETS = of_type("AWS::S3::Bucket")
DEAD_LETTER_DAYS = 14


def test_the_bucket_is_made_after_the_permission_that_its_notification_needs() -> None:
    assert RESOURCES["StackInputBucket"]["DependsOn"] == "InputMayInvokeDispatcher"


def test_the_permission_is_for_this_bucket_of_this_account() -> None:
    permission = properties("InputMayInvokeDispatcher")
    (bucket,) = properties("StackInputBucket")["BucketName"].values()

    assert permission["SourceArn"]["Fn::Sub"].endswith(f":s3:::{bucket}")
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_every_bucket_is_kept_versioned_encrypted_and_private(bucket: str) -> None:
    bucket_properties = properties(bucket)

    assert RESOURCES[bucket]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[bucket]["UpdateReplacePolicy"] == "Retain"
    assert bucket_properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket_properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(bucket_properties["PublicAccessBlockConfiguration"].values()) == {True}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_every_bucket_forgets_incomplete_uploads_and_old_versions_and_nothing_else(
    bucket: str,
) -> None:
    uploads, versions = properties(bucket)["LifecycleConfiguration"]["Rules"]

    assert uploads == {
        "Id": "abort-incomplete-uploads",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    assert versions.keys() == {"Id", "Status", "NoncurrentVersionExpiration"}


def test_an_input_that_was_overwritten_outlives_the_dead_letter_that_names_its_version() -> None:
    _, versions = properties("StackInputBucket")["LifecycleConfiguration"]["Rules"]
    waits = properties("Queue")["MessageRetentionPeriod"] / 86400

    kept = versions["NoncurrentVersionExpiration"]["NoncurrentDays"]

    assert kept > waits + DEAD_LETTER_DAYS


@pytest.mark.parametrize("bucket", BUCKETS)
def test_every_bucket_refuses_what_is_not_tls(bucket: str) -> None:
    (statement,) = properties(f"{bucket}Policy")["PolicyDocument"]["Statement"]

    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_that_outlives_the_stack_still_refuses_it(bucket: str) -> None:
    assert RESOURCES[f"{bucket}Policy"]["DeletionPolicy"] == RESOURCES[bucket]["DeletionPolicy"]


@pytest.mark.parametrize("queue", of_type("AWS::SQS::Queue"))
def test_every_queue_is_encrypted(queue: str) -> None:
    assert properties(queue)["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("queue", ["DeadLetterQueue", "UndispatchedQueue"])
def test_what_failed_is_kept_for_14_days_and_longer_than_jobs(queue: str) -> None:
    kept, waits = (properties(name)["MessageRetentionPeriod"] / 86400 for name in (queue, "Queue"))

    assert kept == DEAD_LETTER_DAYS > waits


def test_a_message_is_received_ten_times_before_it_is_given_up_and_never_below_five() -> None:
    count = PARAMETERS["MaxReceiveCount"]
    redrive = properties("Queue")["RedrivePolicy"]

    assert redrive["deadLetterTargetArn"] == arn_of("DeadLetterQueue")
    assert redrive["maxReceiveCount"] == {"Ref": "MaxReceiveCount"}
    assert (count["Default"], count["MinValue"]) == (10, 5)
