"""Changes to the deployed stack's policies where the emulator's IAM differs from AWS.

- On AWS, `sqs:SendMessage` allows batches too. The emulator wants a separate action for each batch
  call.
- On AWS, the condition `ecs:cluster` limits ECS calls to a cluster. The emulator takes the cluster
  as the resource of every ECS call.
- The emulator speaks plain HTTP, which the buckets' policies deny.
- The agent that runs in place of ECS cannot send the source conditions with which ECS assumes a
  task's roles.

Each grant that is added here follows from a grant of the template. A grant that the template lacks
is missing here too.
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

BATCHED = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
POLICY = "local-cloud-only"


def translate(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements that the emulator needs in addition to a policy of the template."""
    return [added for statement in policy["Statement"] for added in _translate(statement)]


def _translate(statement: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    named = statement["Action"]
    actions = [named] if isinstance(named, str) else named
    if batches := [f"{action}Batch" for action in actions if action in BATCHED]:
        yield {"Effect": statement["Effect"], "Action": batches, "Resource": statement["Resource"]}
    if cluster := statement.get("Condition", {}).get("ArnEquals", {}).get("ecs:cluster"):
        yield {"Effect": statement["Effect"], "Action": actions, "Resource": cluster}


def translate_role(iam: Any, role: str) -> None:  # noqa: ANN401 (its stubs are not among ours)
    """Add the translation of a role's policies to the role, as one more policy."""
    added: list[dict[str, Any]] = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        added += translate(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
    if not added:
        return
    document = {"Version": "2012-10-17", "Statement": added}
    iam.put_role_policy(RoleName=role, PolicyName=POLICY, PolicyDocument=json.dumps(document))


def remove_source_conditions(iam: Any, role: str) -> None:  # noqa: ANN401 (its stubs are not among ours)
    """Remove the source conditions from a role's trust policy."""
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    document = json.dumps(without_conditions(trust))
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=document)


def without_conditions(trust: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trust policy without its conditions."""
    kept = [
        {name: part for name, part in statement.items() if name != "Condition"}
        for statement in trust["Statement"]
    ]
    return {**trust, "Statement": kept}


def allow_plain_http(s3: "S3Client", bucket: str) -> None:
    """Remove the statements of a bucket's policy that deny connections without TLS."""
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    kept = [one for one in policy["Statement"] if not is_about_tls(one)]
    if kept:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**policy, "Statement": kept}))
    else:
        s3.delete_bucket_policy(Bucket=bucket)


def is_about_tls(statement: Mapping[str, Any]) -> bool:
    """Return whether a statement denies connections without TLS."""
    return "aws:SecureTransport" in statement.get("Condition", {}).get("Bool", {})
