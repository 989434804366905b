"""Where the local cloud differs from AWS, what the template grants is said again in its words.

On AWS `sqs:SendMessage` sends batches too, and ECS calls know the condition `ecs:cluster`. The
emulator asks for an action of its own for each batch call, and takes the cluster for the resource
of every ECS call. Each grant made here follows from one in the template: what is missing there is
missing here as well. The emulator speaks plain HTTP, which the buckets' policies refuse, and the
agent that stands in for ECS cannot say for whom it assumes a task's roles, as ECS does.
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Stubs alone: this package is not there outside development.
    from mypy_boto3_s3 import S3Client

BATCHED = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
POLICY = "local-cloud-only"


def translate(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements that a policy of the template lacks for the emulator."""
    return [added for statement in policy["Statement"] for added in _translate(statement)]


def _translate(statement: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    named = statement["Action"]
    actions = [named] if isinstance(named, str) else named
    if batches := [f"{action}Batch" for action in actions if action in BATCHED]:
        yield {"Effect": statement["Effect"], "Action": batches, "Resource": statement["Resource"]}
    if cluster := statement.get("Condition", {}).get("ArnEquals", {}).get("ecs:cluster"):
        yield {"Effect": statement["Effect"], "Action": actions, "Resource": cluster}


def translate_role(iam: Any, role: str) -> None:  # noqa: ANN401 (its stubs are not among ours)
    """Give a role the translation of its own policies, as a policy beside them."""
    added: list[dict[str, Any]] = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        added += translate(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
    if not added:
        return
    document = {"Version": "2012-10-17", "Statement": added}
    iam.put_role_policy(RoleName=role, PolicyName=POLICY, PolicyDocument=json.dumps(document))


def let_agent_assume(iam: Any, role: str) -> None:  # noqa: ANN401 (its stubs are not among ours)
    """Take from a role's trust what it says about the source of ECS's calls."""
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    document = json.dumps(without_source(trust))
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=document)


def without_source(trust: Mapping[str, Any]) -> dict[str, Any]:
    """Return a role's trust as it is, its conditions excepted."""
    kept = [
        {name: part for name, part in statement.items() if name != "Condition"}
        for statement in trust["Statement"]
    ]
    return {**trust, "Statement": kept}


def allow_plain_http(s3: "S3Client", bucket: str) -> None:
    """Drop what a bucket's policy says against connections without TLS, and nothing else."""
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    kept = [one for one in policy["Statement"] if not is_about_tls(one)]
    if kept:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**policy, "Statement": kept}))
    else:
        s3.delete_bucket_policy(Bucket=bucket)


def is_about_tls(statement: Mapping[str, Any]) -> bool:
    """Tell whether a statement refuses connections without TLS."""
    return "aws:SecureTransport" in statement.get("Condition", {}).get("Bool", {})
