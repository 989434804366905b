"""Each fact of docs/security.md that stands in the template, the Dockerfile or a workflow."""

import re
from collections.abc import Mapping
from typing import Any

from tests.support.template import PARAMETERS, ROLES, ROOT, container, of_type, properties

PAGE = " ".join((ROOT / "docs" / "security.md").read_text("utf-8").split())
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
WORKFLOWS = [path.read_text("utf-8") for path in (ROOT / ".github/workflows").glob("*.yaml")]


def all_properties(kind: str) -> list[Mapping[str, Any]]:
    found = [one["Properties"] for one in of_type(kind).values()]
    assert found
    return found


def test_a_bucket_of_the_stack_refuses_what_is_not_tls() -> None:
    assert "a bucket policy denies every request without TLS" in PAGE
    policies = all_properties("AWS::S3::BucketPolicy")
    assert len(policies) == len(of_type("AWS::S3::Bucket"))
    for policy in policies:
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_bucket_of_the_stack_is_encrypted_and_not_public() -> None:
    assert "AES-256 by S3, or a KMS key of yours (`InputKmsKey`, `OutputKmsKey`)" in PAGE
    assert "is blocked in all four ways" in PAGE
    for bucket in all_properties("AWS::S3::Bucket"):
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        _, with_key, without = rule["ServerSideEncryptionByDefault"]["Fn::If"]
        assert with_key["SSEAlgorithm"] == "aws:kms"
        assert with_key["KMSMasterKeyID"]["Ref"] in ("InputKmsKey", "OutputKmsKey")
        assert without == {"SSEAlgorithm": "AES256"}
        assert list(bucket["PublicAccessBlockConfiguration"].values()) == [True] * 4


def test_queues_are_encrypted_by_keys_of_sqs() -> None:
    assert "by SQS's own keys" in PAGE
    assert all(queue["SqsManagedSseEnabled"] for queue in all_properties("AWS::SQS::Queue"))


def test_each_role_of_the_template_is_in_the_table_of_who_may_do_what() -> None:
    assert set(re.findall(r"\(`(\w+Role)`\)", PAGE)) == set(ROLES)


def test_tasks_may_reach_port_443_and_nothing_reaches_them() -> None:
    assert "to port 443 and no other" in PAGE
    (group,) = all_properties("AWS::EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in group
    assert {(one["FromPort"], one["ToPort"]) for one in group["SecurityGroupEgress"]} == {
        (443, 443)
    }


def test_the_container_is_not_root_and_writes_to_tmp_alone() -> None:
    (user,) = re.findall(r"^USER (\d+):\1$", DOCKERFILE, re.MULTILINE)
    assert f"as user {user}, not as root" in PAGE
    assert container()["ReadonlyRootFilesystem"] is True
    assert [mount["ContainerPath"] for mount in container()["MountPoints"]] == ["/tmp"]  # noqa: S108 - what the template has
    (base,) = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert f"The image holds `{base}`" in PAGE


def test_an_image_has_what_the_locks_name_and_its_tag_never_moves() -> None:
    assert "`--require-hashes` and from wheels only" in PAGE
    assert "--require-hashes --only-binary :all:" in DOCKERFILE
    assert properties("Repository")["ImageTagMutability"] == "IMMUTABLE"
    assert properties("Repository")["ImageScanningConfiguration"] == {"ScanOnPush": True}
    for lock in (ROOT / "requirements").glob("*.txt"):
        pinned = re.findall(r"^[\w.-]+(?:\[\w,-]+\])?==", lock.read_text("utf-8"), re.MULTILINE)
        hashed = re.findall(r"==[^\n]*\\\n    --hash=sha256:", lock.read_text("utf-8"))
        assert len(pinned) == len(hashed), lock


def test_actions_are_pinned_by_commit_and_their_token_reads() -> None:
    assert "actions are pinned by commit" in PAGE
    for workflow in WORKFLOWS:
        used = re.findall(r"uses: (\S+)", workflow)
        assert all(re.search(r"@[0-9a-f]{40}$", action) for action in used)
        assert re.search(r"^permissions:\n  contents: read$", workflow, re.MULTILINE)


def test_logs_are_kept_for_as_long_as_the_page_says() -> None:
    days = PARAMETERS["LogDays"]["Default"]
    assert f"for {days} days (`LogDays`)" in PAGE
    groups = all_properties("AWS::Logs::LogGroup")
    assert all(group["RetentionInDays"] == {"Ref": "LogDays"} for group in groups)
