"""The requests of the commands that deploy, push, destroy and examine a stack, with reasons."""

from collections.abc import Mapping

from tests.support.iam.deployer import ACCOUNT, BUCKET, REGION, STACK, deploy_bucket, resource_arn
from tests.support.iam.policy import Act

DEPLOYED = f"arn:aws:s3:::{deploy_bucket()}"
INPUT, OUTPUT = (f"arn:aws:s3:::{STACK}-{what}-{ACCOUNT}-{REGION}" for what in ("input", "output"))
FUNCTION = resource_arn("Dispatcher", "AWS::Lambda::Function")
REPOSITORY = resource_arn("Repository", "AWS::ECR::Repository")
IN_CLUSTER = {"ecs:cluster": resource_arn("Cluster", "AWS::ECS::Cluster")}
TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{STACK}/0a1b"
ROLE = resource_arn("TaskRole", "AWS::IAM::Role")


def of_the_deployer() -> Mapping[Act, str]:
    """Return each request of deploy, push and destroy."""
    ecs = "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    return {
        **on("cloudformation", stack_arn(), ON_STACK),
        **on("ecr", REPOSITORY, ON_REPOSITORY),
        **on("s3", DEPLOYED, ON_DEPLOY_BUCKET),
        Act("s3:PutObject", f"{DEPLOYED}/models/m.pkl"): "upload the model and the code",
        Act("s3:GetObject", f"{DEPLOYED}/template/t.yaml"): "let CloudFormation read the template",
        Act("s3:PutObject", f"{INPUT}/_smoke/0a-rows.csv"): "upload the first file",
        Act("s3:GetObject", f"{OUTPUT}/predictions/_smoke/0a-rows.csv"): "show its prediction",
        **on("s3", INPUT, ON_FIRST_FILE),
        **on("s3", OUTPUT, ON_FIRST_FILE),
        Act("s3:DeleteObjectVersion", f"{INPUT}/_smoke/0a-rows.csv"): "remove the first file",
        Act("ecr:GetAuthorizationToken", "*"): "log docker in to the registry",
        Act("cloudformation:GetTemplateSummary", "*"): "read a new template's parameters",
        Act(
            "logs:FilterLogEvents", log_arn("DispatcherLogGroup")
        ): "tell why no worker was started",
        Act("lambda:PutFunctionConcurrency", FUNCTION): "stop the dispatcher before a deletion",
        Act("ecs:ListTasks", "*", IN_CLUSTER): "find the workers that run",
        Act("ecs:StopTask", TASK, IN_CLUSTER): "stop them",
        Act("ecs:DescribeTasks", TASK, IN_CLUSTER): "wait for their end",
        Act(
            "iam:CreateServiceLinkedRole",
            f"arn:aws:iam::{ACCOUNT}:{ecs}",
            {"iam:AWSServiceName": "ecs.amazonaws.com"},
        ): "make the role of ECS before an account's first cluster",
    }


def of_the_doctor() -> Mapping[Act, str]:
    """Return each request of the command that examines a stack."""
    queues = (resource_arn(name, "AWS::SQS::Queue") for name in QUEUES)
    rule = resource_arn("Sweep", "AWS::Events::Rule")
    return {
        **on("cloudformation", stack_arn(), dict.fromkeys(EXAMINED, "read the stack")),
        **{Act("s3:ListBucket", one): "look for a bucket" for one in (INPUT, OUTPUT, DEPLOYED)},
        Act("s3:GetBucketNotification", INPUT): "look for the notification",
        Act("s3:GetObject", f"{DEPLOYED}/models/m.pkl"): "look for the model",
        **{Act("sqs:GetQueueAttributes", one): "read the counts and the policy" for one in queues},
        Act(
            "sqs:ListQueueTags", resource_arn("Queue", "AWS::SQS::Queue")
        ): "see whether the stack is paused",
        Act("lambda:GetFunction", FUNCTION): "read the dispatcher's state and variables",
        Act("lambda:GetPolicy", FUNCTION): "read who may invoke it",
        Act("events:DescribeRule", rule): "look whether a rule is enabled",
        Act("events:ListTargetsByRule", rule): "look whether it invokes the dispatcher",
        Act("ecs:ListTasks", "*", IN_CLUSTER): "find the workers",
        Act("ecs:DescribeTasks", TASK, IN_CLUSTER): "learn how the last one ended",
        Act("ecr:BatchGetImage", REPOSITORY): "look for the image",
        Act("ecr:GetDownloadUrlForLayer", REPOSITORY): "learn its architecture",
        Act("iam:ListRolePolicies", ROLE): "compare a role with the template",
        Act("iam:GetRolePolicy", ROLE): "compare a role with the template",
        Act("iam:ListAttachedRolePolicies", ROLE): "compare a role with the template",
        Act("logs:GetLogEvents", log_arn("WorkerLogGroup")): "show the last worker's last lines",
        Act(
            "cloudwatch:DescribeAlarms", resource_arn("Waiting", "AWS::CloudWatch::Alarm")
        ): "look for an alarm",
        **{Act(action, "*"): reason for action, reason in OF_THE_ACCOUNT.items()},
    }


def of_an_existing_bucket() -> Mapping[Act, str]:
    """Return each request on a bucket that is not the stack's: its wiring, and the first file."""
    bucket = f"arn:aws:s3:::{BUCKET}"
    return {
        **on("s3", bucket, ON_FIRST_FILE),
        Act("s3:PutObject", f"{bucket}/in/_smoke/0a-rows.csv"): "upload the first file",
        Act("s3:GetObject", f"{bucket}/out/_smoke/0a-rows.csv"): "show its prediction",
        Act("s3:DeleteObjectVersion", f"{bucket}/out/_smoke/0a-rows.csv"): "remove both",
        Act("s3:GetBucketNotification", bucket): "read what it has already",
        Act("s3:PutBucketNotification", bucket): "let it send its events to EventBridge",
        Act("events:ListRules", "*"): "find out whether others use its events",
    }


def on(service: str, resource: str, reasons: Mapping[str, str]) -> dict[Act, str]:
    """Return requests of one service on one resource."""
    return {Act(f"{service}:{name}", resource): reason for name, reason in reasons.items()}


def stack_arn() -> str:
    """Return the ARN of the stack."""
    return f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/0a1b"


def log_arn(name: str) -> str:
    """Return the ARN of a stream in one of the template's log groups."""
    return resource_arn(name, "AWS::Logs::LogGroup").replace(":*", ":log-stream:any")


QUEUES = ("Queue", "DeadLetterQueue", "UndispatchedQueue")
EXAMINED = ("DescribeStacks", "DescribeStackEvents", "GetTemplate", "ListStackResources")
ON_STACK = {
    "DescribeStacks": "find the stack, and wait for it",
    "GetTemplate": "find the bucket that its code is in",
    "CreateChangeSet": "plan what changes",
    "DescribeChangeSet": "show and wait for the plan",
    "ExecuteChangeSet": "make the changes",
    "DeleteChangeSet": "forget a plan that was not approved",
    "DescribeStackEvents": "tell why something could not be made",
    "DescribeStackResources": "show what there is",
    "ContinueUpdateRollback": "get out of a roll-back that failed",
    "DeleteStack": "delete the stack",
}
ON_REPOSITORY = {
    "DescribeRepositories": "find the repository",
    "DescribeImages": "find out whether the image is there",
    "BatchCheckLayerAvailability": "push only the layers that are missing",
    "InitiateLayerUpload": "push a layer",
    "UploadLayerPart": "push a layer",
    "CompleteLayerUpload": "push a layer",
    "PutImage": "push the image",
    "BatchGetImage": "push an image that is there already",
}
ON_DEPLOY_BUCKET = {
    "CreateBucket": "make the bucket for models and code",
    "PutBucketPublicAccessBlock": "keep it private",
    "PutBucketPolicy": "have it refuse what is not TLS",
    "ListBucket": "find the bucket, and what is in it already",
}
ON_FIRST_FILE = {
    "ListBucket": "find the bucket, and tell a prediction that is not there yet",
    "ListBucketVersions": "find each version of the first file, to remove it",
}
OF_THE_ACCOUNT = {
    "cloudwatch:GetMetricStatistics": "read the age of the oldest message",
    "ec2:DescribeRouteTables": "look for a way out of the subnets",
    "ec2:DescribeSecurityGroups": "look for the security groups",
    "ec2:DescribeSubnets": "look for the subnets",
    "ec2:DescribeVpcEndpoints": "look for the endpoints",
    "ecs:DescribeTaskDefinition": "read the worker's settings",
    "lambda:GetAccountSettings": "read the account's limit of executions",
    "logs:DescribeLogGroups": "look for the log groups",
    "servicequotas:GetAWSDefaultServiceQuota": "read Fargate's limit",
    "servicequotas:GetServiceQuota": "read Fargate's limit",
}
