"""Deploys the real template to the local cloud with the real AWS CLI."""

import asyncio
import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tidegate.localcloud.cloud import CHECKOUT, Cloud, LocalCloudError
from tidegate.localcloud.images import Image, push
from tidegate.localcloud.processes import run
from tidegate.offline.baseline import SUFFIX, read_baseline

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client

TEMPLATE = CHECKOUT / "infra" / "cloudformation.yaml"
NAME = "tidegate"
ARTIFACTS = "tidegate-artifacts"
TAG = "latest"  # the template's own default


@dataclass(frozen=True, slots=True)
class Stack:
    """The deployed resources, as the template's outputs name them."""

    input_bucket: str
    output_bucket: str
    output_key: str
    queue_url: str
    dead_letter_queue_url: str
    cluster: str
    task_definition: str
    dispatcher_function: str

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, str]) -> Self:
        """Read the stack's outputs by their names in the template."""
        return cls(
            input_bucket=outputs["InputBucket"],
            output_bucket=outputs["OutputBucket"],
            output_key=outputs["OutputKey"],
            queue_url=outputs["QueueUrl"],
            dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
            cluster=outputs["Cluster"],
            task_definition=outputs["TaskDefinition"],
            dispatcher_function=outputs["DispatcherFunction"],
        )


async def deploy(cloud: Cloud, model: Path, parameters: Mapping[str, str], image: Image) -> Stack:
    """Upload the model, deploy the template and push the image; raises CommandFailed.

    The parameters are the template's, without those of model and image.
    """
    uploaded = await asyncio.to_thread(_upload_model, cloud.client("s3"), model)
    packaged = cloud.folder / "packaged.yaml"
    await _cloudformation(
        cloud,
        "package",
        f"--template-file={TEMPLATE}",
        f"--s3-bucket={ARTIFACTS}",
        f"--output-template-file={packaged}",
    )
    await _cloudformation(
        cloud,
        "deploy",
        f"--template-file={packaged}",
        f"--s3-bucket={ARTIFACTS}",  # the template is larger than what a request may hold
        f"--stack-name={NAME}",
        "--capabilities=CAPABILITY_IAM",
        "--parameter-overrides",
        *(f"{name}={value}" for name, value in (uploaded | dict(parameters)).items()),
    )
    await asyncio.to_thread(push, cloud.client("ecr"), f"{NAME}-worker", TAG, image)
    return await read_stack(cloud, NAME)


async def read_stack(cloud: Cloud, name: str) -> Stack:
    """Return a deployed stack."""
    return await asyncio.to_thread(_read_outputs, cloud.client("cloudformation"), name)


async def _cloudformation(cloud: Cloud, *arguments: str) -> None:
    program = Path(sys.executable).with_name("aws")
    if not program.exists():
        raise LocalCloudError(f"there is no AWS CLI in {program.parent}: `make demo` installs it")
    await run(
        program,
        "cloudformation",
        *arguments,
        environment=cloud.environment(),
        folder=CHECKOUT,
        log=cloud.folder / "deploy.log",
    )


def _upload_model(s3: "S3Client", model: Path) -> dict[str, str]:
    content = model.read_bytes()
    s3.create_bucket(Bucket=ARTIFACTS)
    s3.put_object(Bucket=ARTIFACTS, Key=model.name, Body=content)
    sha256 = hashlib.sha256(content).hexdigest()
    if (baseline := read_baseline(model, sha256)) is not None:
        s3.put_object(Bucket=ARTIFACTS, Key=model.name + SUFFIX, Body=baseline)
    return {"Model": f"s3://{ARTIFACTS}/{model.name}", "ModelSha256": sha256}


def _read_outputs(cloudformation: "CloudFormationClient", name: str) -> Stack:
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return Stack.from_outputs(
        {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    )
