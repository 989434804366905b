"""A stack deployed from the real template on moto, inside this process, and altered answers."""

import ast
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.ecs.models import ecs_backends

from tests.support.template import ROOT
from tidegate.aws.account import Account
from tidegate.doctor.examination import SERVICES

NAME, REGION, ACCOUNT = "churn", "us-east-1", "123456789012"
ARTIFACTS = "artifacts"
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [
        {"digest": "sha256:" + "1" * 64, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": "sha256:" + "2" * 64, "platform": {"os": "unknown", "architecture": "unknown"}},
    ],
}


@contextmanager
def stack_on_moto(**parameters: str) -> Iterator[None]:
    """Deploy the template, with an image and a model, for the length of the block."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.delenv("AWS_ENDPOINT_URL", raising=False)
        environment.delenv("AWS_PROFILE", raising=False)
        environment.delenv("TIDEGATE_STACK", raising=False)
        for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            environment.setenv(variable, REGION)
        # moto names each type of resource that it does not make, at every look at the stack.
        silent = SimpleNamespace(warn=lambda *_, **__: None)
        environment.setattr("moto.cloudformation.parsing.warnings", silent)
        _deploy({"Model": f"s3://{ARTIFACTS}/model.pkl", **parameters})
        _complete()
        yield


def _deploy(parameters: Mapping[str, str]) -> None:
    s3: Any = boto3.client("s3")
    s3.create_bucket(Bucket=ARTIFACTS)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as packed:
        packed.writestr("handler.py", "")
    s3.put_object(Bucket=ARTIFACTS, Key="code.zip", Body=code.getvalue())
    s3.put_object(Bucket=ARTIFACTS, Key="model.pkl", Body=b"a model")
    template = (ROOT / "infra" / "cloudformation.yaml").read_text(encoding="utf-8")
    boto3.client("cloudformation").create_stack(
        StackName=NAME,
        TemplateBody=template.replace(
            "Code: ../dispatcher", f"Code: {{S3Bucket: {ARTIFACTS}, S3Key: code.zip}}"
        ),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
    )


def _complete() -> None:
    """Make what moto's CloudFormation leaves out, as AWS makes it."""
    s3: Any = boto3.client("s3")
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}-dispatcher"
    s3.put_bucket_notification_configuration(
        Bucket=f"{NAME}-input-{ACCOUNT}-{REGION}",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {"LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"]}
            ]
        },
    )
    ecr: Any = boto3.client("ecr")
    ecr.put_image(
        repositoryName=f"{NAME}-worker", imageTag="latest", imageManifest=json.dumps(MANIFEST)
    )
    ec2: Any = boto3.client("ec2")
    for subnet in ("FirstSubnet", "SecondSubnet"):
        ec2.associate_route_table(RouteTableId=_physical("RouteTable"), SubnetId=_physical(subnet))
    for family in ecs_backends[ACCOUNT][REGION].task_definitions.values():
        for definition in family.values():
            _remove_nothing(definition.container_definitions[0])
    iam: Any = boto3.client("iam")
    for role in iam.list_roles()["Roles"]:
        for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            named = {"RoleName": role["RoleName"], "PolicyName": policy}
            document = iam.get_role_policy(**named)["PolicyDocument"]
            iam.put_role_policy(**named, PolicyDocument=json.dumps(_as_aws(document)))


def _physical(logical: str) -> str:
    listed = boto3.client("cloudformation").list_stack_resources(StackName=NAME)
    (named,) = (
        one["PhysicalResourceId"]
        for one in listed["StackResourceSummaries"]
        if one["LogicalResourceId"] == logical
    )
    return named


def _remove_nothing(container: dict[str, Any]) -> None:
    """Remove what AWS::NoValue leaves out: moto keeps None in its place."""
    for name, value in list(container.items()):
        if value is None:
            del container[name]
        if isinstance(value, list):
            container[name] = [part for part in value if part is not None]


def _as_aws(document: Any) -> dict[str, Any]:  # noqa: ANN401 - text, or a mapping
    """Return a policy as AWS has it: moto keeps Python's text, and makes other ARNs of logs."""
    read: dict[str, Any] = ast.literal_eval(document) if isinstance(document, str) else document
    statements = [one for one in read["Statement"] if one]
    for one in statements:
        if one["Sid"] == "Log":
            one["Resource"] = f"{one['Resource'].removesuffix(':*')}:*"
    return read | {"Statement": statements}


class Answers:
    """Changes what AWS answers to the clients of an account, until `restore`."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._registered: dict[tuple[str, str], tuple[Any, Callable[..., object]]] = {}

    def alter(self, service: str, operation: str, **changed: object) -> None:
        """Change fields of the answer."""

        def change(parsed: dict[str, Any], **_: object) -> None:
            parsed.update(changed)

        self._register("after-call", service, operation, change)

    def give(self, service: str, operation: str, **answer: object) -> None:
        """Give this answer; AWS is not asked."""
        self._register(
            "before-call",
            service,
            operation,
            lambda **_: (SimpleNamespace(status_code=200), answer),
        )

    def refuse(self, service: str, operation: str, code: str, message: str = "no") -> None:
        """Refuse the call with an error of AWS."""
        error = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}}
        self._register(
            "before-call", service, operation, lambda **_: (SimpleNamespace(status_code=400), error)
        )

    def refuse_all(self, code: str) -> None:
        """Refuse every call with an error of AWS."""
        self.restore()
        error = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {}}
        answer = SimpleNamespace(status_code=400), error
        for service in SERVICES:
            self._listen(service, "before-call", lambda **_: answer)

    def restore(self) -> None:
        """Give AWS's own answers again."""
        for (_, name), (events, handler) in self._registered.items():
            events.unregister(name, handler)
        self._registered.clear()

    def _register(
        self, event: str, service: str, operation: str, handler: Callable[..., object]
    ) -> None:
        client = self._account.client(service)
        name = f"{event}.{client.meta.service_model.service_id.hyphenize()}.{operation}"
        self._listen(service, name, handler)

    def _listen(self, service: str, name: str, handler: Callable[..., object]) -> None:
        events = self._account.client(service).meta.events
        if before := self._registered.pop((service, name), None):
            before[0].unregister(name, before[1])
        events.register_first(name, handler)
        self._registered[service, name] = events, handler
