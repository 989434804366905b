"""A user of the local cloud with policies of infra for one stack, and no other right."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.iam.deployer import POLICIES
from tidegate.localcloud.cloud import REGION, Cloud, Credentials

DEPLOYER = ("commands", "resources", "network")


@contextmanager
def user(cloud: Cloud, stack: str, policies: tuple[str, ...] = DEPLOYER) -> Iterator[Credentials]:
    """Yield the credentials of a new user, who is removed at the end."""
    iam = cloud.client("iam")
    name = f"{'-'.join(policies)}-of-{stack}"
    iam.create_user(UserName=name)
    for policy in policies:
        document = _filled_in(policy, stack)
        iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        yield Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for policy in policies:
            iam.delete_user_policy(UserName=name, PolicyName=policy)
        iam.delete_user(UserName=name)


def _filled_in(policy: str, stack: str) -> str:
    text = POLICIES[policy].read_text()
    own = {"PARTITION": "aws", "ACCOUNT": "0" * 12, "REGION": REGION, "STACK": stack}
    for placeholder, value in own.items():
        text = text.replace(placeholder, value)
    return text
