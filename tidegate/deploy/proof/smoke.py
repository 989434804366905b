"""Puts one file through a stack: its prediction is seen, or the reason why there is none."""

import json
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tidegate.aws.account import Account
from tidegate.aws.errors import found
from tidegate.aws.stack import DeployedStack
from tidegate.deploy.artifacts import NOT_THERE
from tidegate.deploy.cloudformation.events import Pause
from tidegate.deploy.screen import Screen
from tidegate.failures.reports import StackKeys
from worker.job import Job
from worker.jobs.output_keys import output_key, report_key
from worker.storage.provenance import InputVersion

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

FOLDER = "_smoke"
PAUSE_SECONDS = 3
SHOWN_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Smoke:
    """What became of the file: the beginning of its output, or the reason why there is none."""

    predicted: str | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """One file on its way through a stack."""

    account: Account
    stack: DeployedStack
    screen: Screen
    pause: Pause
    bound_seconds: int = 600

    @property
    def _s3(self) -> "S3Client":
        client: S3Client = self.account.client("s3")
        return client

    def run(self, name: str, content: bytes) -> Smoke:
        """Upload a file, wait for its prediction some minutes at most, and remove both."""
        self._wait_for_older_workers()
        outputs = self.stack.outputs
        prefix = self.stack.parameters.get("InputPrefix", "")
        bucket = outputs["InputBucket"]
        key = f"{prefix}{FOLDER}/{secrets.token_hex(4)}-{name}"
        self.screen.say(f"a first file goes through: s3://{bucket}/{key}")
        put = self._s3.put_object(Bucket=bucket, Key=key, Body=content)
        job = Job(
            bucket=bucket,
            key=key,
            output_bucket=outputs["OutputBucket"],
            output_key=outputs["OutputKey"],
        )
        version = InputVersion(job.source, put["ETag"].strip('"'), put.get("VersionId"), None)
        outputs_there, report = self._written_keys(job, version)
        try:
            return self._wait(job.output_bucket, outputs_there, report)
        finally:
            self.screen.show_wait("")
            self._remove(bucket, key)
            for made in (outputs_there[0], report):
                self._remove(job.output_bucket, made)

    def _wait_for_older_workers(self) -> None:
        """Wait until no worker of an older revision runs: it would predict by the model before."""
        revision = self.stack.outputs["TaskDefinition"]
        for waited in range(0, self.bound_seconds, PAUSE_SECONDS):
            older = [one for one in self._tasks("RUNNING") if one["taskDefinitionArn"] != revision]
            if not older:
                break
            self.screen.show_wait(f"{len(older)} workers of the version before end, {waited} s")
            self.pause(PAUSE_SECONDS)

    def _written_keys(self, job: Job, version: InputVersion) -> tuple[list[str], str]:
        """Return where the output may be and where the failure report, by the workers' settings."""
        keys = StackKeys.of(self.stack)
        output, form = keys.output_template, keys.output_format
        # A format other than the input's is appended to the key.
        ends = ("", f".{form}") if form else ("",)
        outputs = [output_key(output + end, job, version) for end in ends]
        return outputs, report_key(keys.failure_template, job)

    def _wait(self, bucket: str, outputs: Sequence[str], report: str) -> Smoke:
        waits = f"aws s3api wait object-exists --bucket {bucket} --key {shlex.quote(outputs[0])}"
        with self.account.shown_as(waits):
            for waited in range(0, self.bound_seconds, PAUSE_SECONDS):
                for output in outputs:
                    if (predictions := self._read(bucket, output)) is not None:
                        return Smoke(predictions[:SHOWN_BYTES].decode(errors="replace"))
                if (failure := self._read(bucket, report)) is not None:
                    told = json.loads(failure)
                    return Smoke(None, f"{told['error_type']}: {told['message']}")
                self.screen.show_wait(f"{self._progress()}, {waited} s")
                self.pause(PAUSE_SECONDS)
        return Smoke(None, f"nothing came within {self.bound_seconds // 60} minutes. {self._why()}")

    def _read(self, bucket: str, key: str) -> bytes | None:
        answer = found(lambda: self._s3.get_object(Bucket=bucket, Key=key), *NOT_THERE)
        return answer["Body"].read() if answer else None

    def _progress(self) -> str:
        tasks = self._tasks("RUNNING")
        if not tasks:
            return "no worker has been started yet"
        return f"the worker is {tasks[-1]['lastStatus'].lower()}"

    def _tasks(self, status: str) -> list[Mapping[str, Any]]:
        client = self.account.client("ecs")
        cluster = self.stack.outputs["Cluster"]
        arns = client.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
        if not arns:
            return []
        tasks = client.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
        return sorted(tasks, key=lambda task: str(task.get("createdAt", "")))

    def _why(self) -> str:
        """Return what is known where no prediction and no failure report came."""
        if stopped := self._tasks("STOPPED"):
            last = stopped[-1]
            reasons = [one.get("reason", "") for one in last.get("containers", ())]
            told = "; ".join(filter(None, (last.get("stoppedReason", ""), *reasons)))
            return f"The last worker stopped: {told}. Its log: {self._log('WorkerLogGroup')}"
        if refusal := self._refusal():
            return f"AWS refused to start a worker: {refusal}"
        if self._tasks("RUNNING"):
            return f"A worker is there. Its log: {self._log('WorkerLogGroup')}"
        return f"No worker was started. The dispatcher's log: {self._log('DispatcherLogGroup')}"

    def _refusal(self) -> str:
        """Return AWS's words from the dispatcher's log, where it logs each refused start."""
        client = self.account.client("logs")
        events = client.filter_log_events(
            logGroupName=self.stack.outputs["DispatcherLogGroup"],
            filterPattern='{ $.decision = "start refused" }',
        )["events"]
        return str(json.loads(events[-1]["message"])["why"]) if events else ""

    def _log(self, group: str) -> str:
        return f"`aws logs tail {self.stack.outputs[group]}`"

    def _remove(self, bucket: str, key: str) -> None:
        """Delete every version of an object, and of those whose keys begin with its key."""
        try:
            listed = self._s3.list_object_versions(Bucket=bucket, Prefix=key)
            for entry in [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]:
                self._s3.delete_object(
                    Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"]
                )
        except ClientError as error:  # the deployment itself has succeeded
            self.screen.say(f"s3://{bucket}/{key} could not be removed: {error}")
