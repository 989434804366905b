"""What several checks ask of AWS about a stack: asked once, at the start, all at the same time."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack
from tidegate.deploy.cloudformation.template import parse
from tidegate.doctor.template import NotEvaluated, Template

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_ecs.type_defs import TaskDefinitionTypeDef
    from mypy_boto3_lambda.type_defs import GetFunctionResponseTypeDef

AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn")


class Facts:
    """A stack and what AWS says of it. A fact that AWS refuses raises when it is used."""

    def __init__(self, account: Account, stack: DeployedStack, pool: Executor) -> None:
        self.account = account
        self.stack = stack
        self._resources = pool.submit(self._ask_resources)
        self._template = pool.submit(self._ask_template)
        self._function = pool.submit(self._ask_function)
        self._policy = pool.submit(self._ask_policy)
        self._task_definition = pool.submit(self._ask_task_definition)

    def client(self, service: str) -> Any:  # noqa: ANN401 (the caller names the client's type)
        """Return the account's client of a service."""
        return self.account.client(service)

    @property
    def is_aws(self) -> bool:
        """Return whether this is AWS itself, and no emulator."""
        host = self.client("sts").meta.endpoint_url.rpartition("://")[2].partition(":")[0]
        return str(host).endswith(AWS_DOMAINS)

    @property
    def resources(self) -> Mapping[str, str]:
        """Return the physical id of each resource, by its name in the template."""
        return self._resources.result()

    @property
    def function(self) -> "GetFunctionResponseTypeDef":
        """Return the dispatcher's function."""
        return self._function.result()

    @property
    def function_arn(self) -> str:
        """Return the ARN of the dispatcher, known without a call."""
        return self.arn("lambda", f"function:{self.stack.outputs['DispatcherFunction']}")

    @property
    def policy(self) -> Sequence[Mapping[str, Any]]:
        """Return the statements of the policy that says who may invoke the dispatcher."""
        return self._policy.result()

    @property
    def task_definition(self) -> "TaskDefinitionTypeDef":
        """Return the worker's task definition."""
        return self._task_definition.result()

    @property
    def container(self) -> Mapping[str, Any]:
        """Return the definition of the worker's container."""
        return self.task_definition["containerDefinitions"][0]

    @property
    def worker_environment(self) -> dict[str, str]:
        """Return the variables that the stack gives a worker."""
        return {one["name"]: one["value"] for one in self.container.get("environment", [])}

    @property
    def template(self) -> Template:
        """Return the stack's own template, to be evaluated."""
        body = self._template.result()
        return Template(body, self._names(body), partial(self._attribute, body))

    @property
    def anew(self) -> tuple[str, str]:
        """Return the commands for a part that somebody deleted: an update would not make it."""
        name = self.stack.name
        return f"tidegate destroy {name}", f"tidegate deploy {name} --model FILE"

    def arn(self, service: str, resource: str) -> str:
        """Return an ARN in the stack's account and region."""
        account = self.account
        return f"arn:{account.partition}:{service}:{account.region}:{account.id}:{resource}"

    def _names(self, body: Mapping[str, Any]) -> dict[str, Any]:
        account = self.account
        suffix = "amazonaws.com.cn" if account.partition == "aws-cn" else "amazonaws.com"
        names: dict[str, Any] = {
            "AWS::AccountId": account.id,
            "AWS::Partition": account.partition,
            "AWS::Region": account.region,
            "AWS::StackName": self.stack.name,
            "AWS::URLSuffix": suffix,
        }
        for name, value in self.stack.parameters.items():
            is_list = body["Parameters"].get(name, {}).get("Type") == "CommaDelimitedList"
            names[name] = value.split(",") if is_list else value
        return {**names, **self.resources}

    def _attribute(self, body: Mapping[str, Any], logical: str, name: str) -> str:
        """Return the attribute `name` of a resource, as GetAtt gives it."""
        known = f"{body['Resources'].get(logical, {}).get('Type')}.{name}"
        physical = self.resources.get(logical)
        make: dict[str, Callable[[str], str]] = {
            "AWS::ECR::Repository.Arn": lambda own: self.arn("ecr", f"repository/{own}"),
            "AWS::ECS::Cluster.Arn": lambda own: self.arn("ecs", f"cluster/{own}"),
            "AWS::IAM::Role.Arn": lambda own: self._role_arn(body, logical, own),
            "AWS::Lambda::Function.Arn": lambda own: self.arn("lambda", f"function:{own}"),
            "AWS::Logs::LogGroup.Arn": lambda own: self.arn("logs", f"log-group:{own}:*"),
            "AWS::S3::Bucket.Arn": lambda own: f"arn:{self.account.partition}:s3:::{own}",
            "AWS::SQS::Queue.Arn": lambda own: self.arn("sqs", own.rpartition("/")[2]),
            "AWS::SQS::Queue.QueueName": lambda own: own.rpartition("/")[2],
        }
        if known not in make or physical is None:
            raise NotEvaluated(f"{logical}.{name} of the template is not known here")
        return make[known](physical)

    def _role_arn(self, body: Mapping[str, Any], logical: str, role: str) -> str:
        template = Template(body, self._names(body), partial(self._attribute, body))
        own = body["Resources"][logical]["Properties"]
        path = template.resolve({"Path": own.get("Path", "/")}).get("Path", "/")
        return f"arn:{self.account.partition}:iam::{self.account.id}:role{path}{role}"

    def _ask_resources(self) -> Mapping[str, str]:
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for page in pages.paginate(StackName=self.stack.name)
            for one in page["StackResourceSummaries"]
            if one.get("PhysicalResourceId") and one.get("ResourceStatus") != "DELETE_COMPLETE"
        }

    def _ask_template(self) -> Mapping[str, Any]:
        client = self.client("cloudformation")
        body = client.get_template(StackName=self.stack.name)["TemplateBody"]
        return parse(body) if isinstance(body, str) else body  # JSON comes as a mapping

    def _ask_function(self) -> "GetFunctionResponseTypeDef":
        name = self.stack.outputs["DispatcherFunction"]
        return cast(
            "GetFunctionResponseTypeDef", self.client("lambda").get_function(FunctionName=name)
        )

    def _ask_policy(self) -> Sequence[Mapping[str, Any]]:
        name = self.stack.outputs["DispatcherFunction"]
        answer = self.client("lambda").get_policy(FunctionName=name)
        statements: Sequence[Mapping[str, Any]] = json.loads(answer["Policy"])["Statement"]
        return statements

    def _ask_task_definition(self) -> "TaskDefinitionTypeDef":
        arn = self.stack.outputs["TaskDefinition"]
        answer = self.client("ecs").describe_task_definition(taskDefinition=arn)
        return cast("TaskDefinitionTypeDef", answer["taskDefinition"])
