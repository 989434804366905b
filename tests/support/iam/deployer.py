"""Who deploys a stack: the policies of infra, and what CloudFormation requests for a deploy.

The schema of each resource's type names the actions that CloudFormation calls.
"""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

from tests.support.iam.handlers import permissions
from tests.support.iam.policy import Act
from tests.support.template import RESOURCES, ROOT, properties, resolve

POLICIES = {
    path.stem: path for who in ("deployer", "operator") for path in (ROOT / "infra" / who).iterdir()
}
ACCOUNT, REGION, STACK = "123456789012", "eu-west-1", "tide"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/edge"
BUCKET = "a-bucket-that-is-there"
FILLED_IN = {
    "PARTITION": "aws",
    "ACCOUNT": ACCOUNT,
    "REGION": REGION,
    "STACK": STACK,
    "BOUNDARY": BOUNDARY,
    "BUCKET": BUCKET,
}
BY_CLOUDFORMATION = {
    "aws:CalledVia": "cloudformation.amazonaws.com",
    "aws:RequestedRegion": REGION,
}
# Actions that take no resource according to AWS's service authorization reference, and those on
# resources that have no name to limit an action to.
WITHOUT_RESOURCE = (
    "ec2:*",
    "ecs:DescribeTaskDefinition",
    "ecs:DeregisterTaskDefinition",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
)
# What the handlers may call and the template never makes them call, with the reason.
NOT_CALLED = {
    "kms:*": "no key is given to a resource, but a bucket's, which S3 does not use when it is made",
    "vpc-lattice:*": "the endpoint is S3's gateway",
    "vpce:*": "as above",
    "ec2:*Vpn*": "the gateway is one to the internet",
    "ec2:*SubnetCidrBlock": "the subnets have no IPv6 addresses",
    "ec2:*SecurityGroupIngress": "nothing may come in",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress": "as above",
    "ec2:CreateVpcEncryptionControl": "the VPC asks for none",
    "ec2:ModifyVpcTenancy": "as above",
    "ecr:*RepositoryPolicy": "the repository has no policy of its own",
    "ecs:PutAccountSetting*": "the cluster asks for none",
    "iam:CreateServiceLinkedRole": "the commands make it, before the first cluster",
    "iam:AttachRolePolicy": "no role has a managed policy",
    "iam:DetachRolePolicy": "as above",
    "iam:UpdateRole*": "no role has a description or a session's length",
    "elasticfilesystem:*": "the function has no file system",
    "s3files:*": "as above",
    "lambda:AssociateRuntimeAlias": "the function asks for none of these",
    "lambda:DeleteFunctionCodeSigningConfig": "as above",
    "lambda:GetCodeSigningConfig": "as above",
    "lambda:GetLayerVersion": "as above",
    "lambda:PassCapacityProvider": "as above",
    "lambda:PublishVersion": "as above",
    "lambda:PutFunctionCodeSigningConfig": "as above",
    "lambda:PutFunctionRecursionConfig": "as above",
    "lambda:PutFunctionScalingConfig": "as above",
    "lambda:PutRuntimeManagementConfig": "as above",
    "firehose:*": "the log groups ask for none of these",
    "logs:*KmsKey": "as above",
    "logs:*IndexPolicy": "as above",
    "logs:*ResourcePolicy": "as above",
    "logs:CreateLogDelivery": "as above",
    "logs:DeleteDataProtectionPolicy": "as above",
    "logs:DeleteRetentionPolicy": "LogDays is never empty",
    "logs:PutBearerTokenAuthentication": "as above",
    "logs:PutDataProtectionPolicy": "as above",
    "logs:PutLogGroupDeletionProtection": "as above",
    "s3:REST.PUT.OBJECT": "as above",
    "s3:*MetadataTableConfiguration": "the buckets ask for none of these",
    "s3:UpdateBucketMetadata*": "as above",
    "s3:*Acl": "as above",
    "s3:*Analytics*": "as above",
    "s3:*Cors": "as above",
    "s3:PutBucketCORS": "as above",
    "s3:PutAccelerateConfiguration": "as above",
    "s3:PutBucketAbac": "as above",
    "s3:PutBucketLogging": "as above",
    "s3:*ObjectLockConfiguration": "as above",
    "s3:PutBucketOwnershipControls": "as above",
    "s3:*Replication*": "as above",
    "s3:*Website": "as above",
    "s3:*IntelligentTiering*": "as above",
    "s3:*Inventory*": "as above",
    "s3:*Metrics*": "as above",
    "s3:DeleteBucketEncryption": "a bucket's encryption is never taken away",
    "s3:DeleteBucketLifecycle": "nor its rules",
    "s3:DeleteObject": "a bucket is never emptied",
    "s3tables:*": "no table is made",
    "sns:PutDataProtectionPolicy": "the topic has no such policy",
}


def statements(*names: str) -> list[dict[str, Any]]:
    """Return the statements of policies, filled in for one stack."""
    return [statement for name in names for statement in _document(name)["Statement"]]


def filled_in(name: str) -> str:
    """Return a policy's text for one stack in one account and region."""
    text = POLICIES[name].read_text()
    for placeholder, value in FILLED_IN.items():
        text = text.replace(placeholder, value)
    return text


def _document(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(filled_in(name)))


def by_cloudformation() -> Mapping[Act, str]:
    """Return each request that CloudFormation makes for the stack, with the resource's name."""
    return {
        act: name
        for name, resource in RESOURCES.items()
        for action in sorted(called(resource["Type"]))
        for act in _acts(name, resource["Type"], action)
    }


def called(kind: str) -> set[str]:
    """Return the actions that CloudFormation may call for the template's resources of a type."""
    read = {one for one in permissions(kind, "read") if not is_left_out(one, everything=False)}
    changed = {
        one for one in permissions(kind, "create", "update", "delete") if not is_left_out(one)
    }
    return read | changed


def is_left_out(action: str, *, everything: bool = True) -> bool:
    """Return whether an action is in NOT_CALLED.

    A handler may read what the template does not set. So what is read is left out by its service
    only.
    """
    patterns = [one for one in NOT_CALLED if everything or one.endswith(":*")]
    return any(fnmatchcase(action, pattern) for pattern in patterns)


def _acts(name: str, kind: str, action: str) -> Iterator[Act]:
    if action == "iam:PassRole":
        yield from (
            Act(action, role_arn(role), {"iam:PassedToService": f"{service}.amazonaws.com"})
            for role, service in PASSED.get(kind, ())
        )
    elif action == "iam:GetRole" and kind != "AWS::IAM::Role":
        yield from (Act(action, role_arn(role)) for role, _ in PASSED.get(kind, ()))
    elif action.startswith("s3:GetObject"):
        yield Act(action, f"arn:aws:s3:::{deploy_bucket()}/dispatcher/code.zip")
    elif any(fnmatchcase(action, pattern) for pattern in WITHOUT_RESOURCE):
        yield Act(action, "*", BY_CLOUDFORMATION)
    else:
        yield Act(action, resource_arn(name, kind))


PASSED = {
    "AWS::Lambda::Function": (
        ("DispatcherRole", "lambda"),
        ("NotifierRole", "lambda"),
        ("ReconcilerRole", "lambda"),
    ),
    "AWS::ECS::TaskDefinition": (("TaskRole", "ecs-tasks"), ("ExecutionRole", "ecs-tasks")),
}


def resource_arn(name: str, kind: str) -> str:
    """Return the ARN of a resource, with the name that the template gives it."""
    if kind in SHARED:
        owner = properties(name)[SHARED[kind]]
        name = owner[0]["Ref"] if isinstance(owner, list) else owner["Ref"]
        kind = RESOURCES[name]["Type"]
    service, rest, naming = ARNS[kind]
    own = properties(name).get(naming, f"{STACK}-{name}-1A2B3C4D5E6F")
    known = {"AWS::StackName": STACK, "AWS::AccountId": ACCOUNT, "AWS::Region": REGION}
    region = "" if service in {"iam", "s3"} or "dashboard" in rest else REGION
    account = "" if service == "s3" else ACCOUNT
    return f"arn:aws:{service}:{region}:{account}:{rest.format(resolve(own, known))}"


# Types whose requests are about another resource, and the property that names this resource.
SHARED = {
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::SQS::QueuePolicy": "Queues",
    "AWS::Lambda::Permission": "FunctionName",
    "AWS::Lambda::EventInvokeConfig": "FunctionName",
    "AWS::Logs::MetricFilter": "LogGroupName",
}
# By type: the service in the ARN, the rest of the ARN, and the property with the name.
ARNS = {
    "AWS::CloudWatch::Alarm": ("cloudwatch", "alarm:{}", "AlarmName"),
    "AWS::CloudWatch::Dashboard": ("cloudwatch", "dashboard/{}", "DashboardName"),
    "AWS::ECR::Repository": ("ecr", "repository/{}", "RepositoryName"),
    "AWS::ECS::Cluster": ("ecs", "cluster/{}", "ClusterName"),
    "AWS::ECS::TaskDefinition": ("ecs", "task-definition/{}:1", "Family"),
    "AWS::Events::Rule": ("events", "rule/{}", "Name"),
    "AWS::IAM::Role": ("iam", "role/{}", "RoleName"),
    "AWS::Lambda::Function": ("lambda", "function:{}", "FunctionName"),
    "AWS::Logs::LogGroup": ("logs", "log-group:{}:*", "LogGroupName"),
    "AWS::S3::Bucket": ("s3", "{}", "BucketName"),
    "AWS::SNS::Topic": ("sns", "{}", "TopicName"),
    "AWS::SQS::Queue": ("sqs", "{}", "QueueName"),
}


def role_arn(name: str) -> str:
    """Return the ARN of one of the template's roles."""
    return resource_arn(name, "AWS::IAM::Role")


def deploy_bucket() -> str:
    """Return the name of the bucket for models and code."""
    return f"{STACK}-deploy-{ACCOUNT}-{REGION}"
