"""The runs of one stack: what its parameters and outputs say of inputs, outputs and messages."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack
from tidegate.deploy.worker_settings import load_worker
from tidegate.runs.choice import Choice, Chosen, Counts, keys_of, named_inputs, unsent
from tidegate.runs.following import Follower
from tidegate.runs.join import find
from tidegate.runs.layout import Layout
from tidegate.runs.messages import Sender
from tidegate.runs.record import Record, Records
from tidegate.runs.request import Request, suffixes_of
from tidegate.runs.states import Inquiry
from tidegate.runs.submitting import Submitter
from worker.errors import SettingsError
from worker.settings import Settings
from worker.settings_help import of_a_job, parse_assignment


@dataclass(frozen=True)
class StackRuns:
    """What runs need of a stack."""

    account: Account
    stack: DeployedStack

    @cached_property
    def _s3(self) -> Any:  # noqa: ANN401 - as Account's clients
        return self.account.client("s3")

    @cached_property
    def _worker(self) -> Settings:
        return load_worker(self.stack.parameters)

    @cached_property
    def records(self) -> Records:
        """Where the runs are recorded."""
        return Records.of_stack(self._s3, self.stack)

    def s3_time(self) -> datetime:
        """Return the time by S3's clock, in whole seconds as the times of objects."""
        answer = self._s3.head_bucket(Bucket=self.records.bucket)
        date = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
        return parsedate_to_datetime(date) if date else datetime.now(UTC).replace(microsecond=0)

    @property
    def input_prefix(self) -> str:
        """What the keys of all inputs begin with."""
        return self.stack.outputs.get("InputPrefix", "")

    def check_source(self, source: str) -> str:
        """Return the prefix in an S3 URI; raises SettingsError if no worker may read there."""
        bucket, prefix = (
            self.stack.outputs["InputBucket"],
            self.stack.outputs.get("InputPrefix", ""),
        )
        own = f"s3://{bucket}/{prefix}"
        given = source if source.removeprefix("s3://").count("/") else f"{source}/"
        if not given.startswith(own):
            raise SettingsError(
                f"{source} is not within {own}, where the workers of {self.stack.name} may read: "
                f"`tidegate submit {own}`, or deploy with another InputBucket or InputPrefix"
            )
        return given.removeprefix(f"s3://{bucket}/")

    def check_output_key(self, output_key: str | None) -> str:
        """Return where outputs go; raises SettingsError if no worker may write there."""
        own = self.stack.outputs.get("OutputKey", "").strip("/")
        if output_key is None:
            return own
        wanted = output_key.strip("/")
        is_within = not own or f"{wanted}/".startswith(f"{own}/")
        out = self.stack.outputs
        if out["InputBucket"] == out["OutputBucket"] and not is_within:
            raise SettingsError(
                f"--output-key {output_key}: input and output are one bucket, where the dispatcher "
                f"takes what is not below {own}/ for inputs: --output-key {own}/{wanted}"
            )
        if self.stack.parameters.get("OutputBucket") and not is_within:
            raise SettingsError(
                f"--output-key {output_key}: the workers may write below {own}/ only: "
                f"--output-key {own}/{wanted}"
            )
        return wanted

    def check_settings(self, assignments: Sequence[str]) -> Mapping[str, str]:
        """Return the settings of the messages; raises SettingsError as a worker would refuse."""
        pairs = [_parse(assignment) for assignment in assignments]
        settings = {name.removeprefix("WORKER_"): value for name, value in pairs}
        try:
            of_a_job(self._worker, settings)
        except SettingsError as error:
            raise SettingsError(f"--set: {error}") from None
        return settings

    def layout(self, output_key: str, settings: Mapping[str, str]) -> Layout:
        """Return where outputs and reports of messages with these settings are."""
        own = of_a_job(self._worker, settings)
        return Layout(
            self.records.bucket,
            output_key,
            own.output_format,
            own.output_template,
            own.failure_template,
        )

    def inquiry(self, request: Request) -> Inquiry:
        """Return what asks S3 for single inputs of a run."""
        layout = self.layout(request.output_key, request.settings)
        return Inquiry(self._s3, request.bucket, layout, request.model_sha256 or None)

    def chosen(
        self, request: Request, counts: Counts, lines: Iterable[str] = ()
    ) -> Iterator[Chosen]:
        """Yield the inputs that need a message, as they are found; count all of them.

        `lines` name the inputs of a run without a prefix.
        """
        inquiry = self.inquiry(request)
        suffixes = suffixes_of(self.stack.parameters.get("Suffixes", ""))
        # With no digest of the model, outputs of any model count.
        since = self.stack.updated if request.model_sha256 else None
        takes = request.selection(suffixes).takes
        choice = Choice(inquiry, takes, since, request.again)
        if request.named:
            keys = keys_of(lines, request.bucket, request.prefix)
            inputs = named_inputs(self._s3, request.bucket, keys, counts.absent)
        else:
            inputs = find(self._s3, request.bucket, request.prefix, inquiry.layout)
        return choice.of(inputs, counts)

    def submitter(
        self, request: Request, record: Record, on_sent: Callable[[int], None]
    ) -> Submitter:
        """Return what sends the messages of a run."""
        queue = self.stack.outputs["QueueUrl"]
        sender = Sender(self.account.client("sqs"), queue, group=request.run)
        return Submitter(request, record, sender, on_sent)

    def not_sent(
        self, record: Record, request: Request, chosen: Iterator[Chosen]
    ) -> tuple[Iterator[Chosen], int, int]:
        """Return what is left to be sent of an interrupted run, and how much was sent.

        That is a number of messages and of the parts in which they are recorded.
        """
        parts = record.parts()
        if (all_sent := record.end_of_sending()) is not None:
            return iter(()), all_sent["files"], len(parts)
        sent, last, named = 0, "", set[str]()
        for part in parts:
            keys = [one.source.key for one in record.part(part)]
            sent, last = sent + len(keys), max(last, *keys)
            named |= set(keys) if request.named else set()
        if request.named:
            return (one for one in chosen if one.source.key not in named), sent, len(parts)
        return unsent(chosen, last), sent, len(parts)

    def follower(self, request: Request, record: Record) -> Follower:
        """Return what looks how far a run is."""
        return Follower(self._s3, request, record, self.inquiry(request))


def _parse(assignment: str) -> tuple[str, str]:
    try:
        return parse_assignment(assignment)
    except SettingsError as error:
        raise SettingsError(f"--set {assignment}: {error}") from None
