"""What a deployment meets in its tests: a screen that listens, a builder, and an account.

CloudFormation is a fake; S3, ECR and the like are moto's, in this process.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tests.support.fakes.cloudformation import FakeCloudFormation, FakeStack
from tidegate.aws.account import Account
from tidegate.deploy.screen import Change, Declined, Event
from tidegate.image.source import ImageSource
from worker.errors import ModelError

REGION = "eu-west-1"
OWNER = "123456789012"
REPOSITORY = f"{OWNER}.dkr.ecr.{REGION}.amazonaws.com/tide-worker"


@dataclass
class FakeScreen:
    """Listens, and answers each question alike."""

    yes: bool = True
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.said.append(text)

    def show_command(self, command: str) -> None:
        self.commands.append(command)

    def show_changes(self, changes: Sequence[Change]) -> None:
        self.changes += changes

    def show_event(self, event: Event) -> None:
        self.events.append(event)

    def show_wait(self, text: str) -> None:
        pass

    def ask(self, question: str, otherwise: str) -> None:
        self.asked.append(question)
        if not self.yes:
            raise Declined(otherwise)

    @property
    def text(self) -> str:
        return "\n".join(self.said)


class FakeAccount(Account):
    """An account of moto's, whose CloudFormation is the fake.

    Policies of buckets are kept here: moto does not read their conditions, and would deny all. So
    is the switch that sends a bucket's events to EventBridge, which moto forgets.
    """

    def __init__(self) -> None:
        super().__init__()
        events = super().client("s3").meta.events
        events.register("before-call.s3.PutBucketPolicy", self._keep_policy)
        name = "BucketNotificationConfiguration"
        events.register(f"before-call.s3.Put{name}", self._keep_switch)
        events.register(f"after-call.s3.Get{name}", self._add_switch)
        self.forget(FakeCloudFormation(), FakeScreen())

    def forget(self, cloudformation: FakeCloudFormation, screen: FakeScreen) -> None:
        """Begin anew: clients of moto are slow to make, and serve all tests."""
        self.cloudformation = cloudformation
        self.policies: list[dict[str, Any]] = []
        self.sends_events = False
        self._show, self._shown_last = screen.show_command, ""

    def _keep_policy(self, params: Mapping[str, Any], **_: object) -> tuple[AWSResponse, object]:
        self.policies.append(json.loads(params["body"]))
        return AWSResponse("", 200, HTTPHeaders(), None), {}

    def _keep_switch(self, params: Mapping[str, Any], **_: object) -> None:
        self.sends_events = b"EventBridgeConfiguration" in params["body"]

    def _add_switch(self, parsed: dict[str, Any], **_: object) -> None:
        if self.sends_events:
            parsed["EventBridgeConfiguration"] = {}

    def client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        return self.cloudformation if service == "cloudformation" else super().client(service)


@dataclass
class FakeBuilder:
    """Writes down what it is asked for; a push puts the image into ECR."""

    account: Account
    calls: list[str]
    tag: str = "0123456789ab"
    works: bool = True
    refuses_model: str = ""

    def build(self) -> None:
        self.calls.append("build")

    def push(self, repository: str) -> None:
        self.calls.append(f"push {repository}")
        name = repository.partition("/")[2]
        self.account.client("ecr").put_image(
            repositoryName=name, imageManifest=manifest(self.tag), imageTag=self.tag
        )

    def check_model(self, model: Path, settings: Mapping[str, str]) -> None:
        self.calls.append(f"check {model.name} {dict(settings)}")
        if self.refuses_model:
            raise ModelError(self.refuses_model)


@dataclass
class Surroundings:
    """All that a deployment is given."""

    cloudformation: FakeCloudFormation
    screen: FakeScreen
    account: FakeAccount
    calls: list[str]
    builder: dict[str, Any] = field(default_factory=dict)  # a builder's other facts
    sources: list[ImageSource] = field(default_factory=list)  # of the images that were chosen
    unloadable: str = ""  # by this machine's versions

    def make_builder(self, source: ImageSource, _f: Path, _a: Account, _s: object) -> FakeBuilder:
        self.sources.append(source)
        return FakeBuilder(self.account, self.calls, **self.builder)

    def check(self, model: Path, _: Mapping[str, str], file: Path | None) -> Mapping[str, Any]:
        """Do as `tidegate check`, for a model of two columns."""
        self.calls.append(f"check here {model.name}")
        if self.unloadable:
            raise ModelError(self.unloadable)
        columns = [{"name": name, "type": "number", "categories": None} for name in ("a", "b")]
        tried = {"status": "predicted", "file_fails": False, "result": {}}
        return {
            "model": {"kind": "LinearRegression", "columns": columns, "outputs": ["prediction"]},
            "files": [tried] if file else [],
        }

    def bring_up(self, stack: FakeStack) -> None:
        """Give a stack what its resources would be: buckets, a repository, and its outputs."""
        s3, ecr = self.account.client("s3"), self.account.client("ecr")
        outputs = {
            "RepositoryUri": REPOSITORY,
            "OutputKey": "predictions",
            "Cluster": stack.name,
            "TaskDefinition": f"{stack.name}-worker:1",
        }
        for kind in ("Input", "Output"):
            bucket = f"{stack.name}-{kind.lower()}-{OWNER}-{REGION}"
            outputs[f"{kind}Bucket"] = bucket
            held = [one["Name"] for one in s3.list_buckets()["Buckets"]]
            if bucket not in held:
                where: Any = {"LocationConstraint": REGION}
                s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
        self.account.client("ecs").create_cluster(clusterName=stack.name)
        if not ecr.describe_repositories()["repositories"]:
            ecr.create_repository(repositoryName=f"{stack.name}-worker")
        stack.outputs = outputs

    def keep(self, tag: str = "0123456789ab") -> None:
        """Put an image into the repository."""
        self.account.client("ecr").put_image(
            repositoryName="tide-worker", imageManifest=manifest(tag), imageTag=tag
        )


def manifest(tag: str) -> str:
    """Return a manifest of an image of its own."""
    kind = "application/vnd.oci.image.manifest.v1+json"
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "annotations": {"tag": tag}})
