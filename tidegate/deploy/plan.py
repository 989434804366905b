"""What a deployment will do, decided and checked before anything is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError, found
from tidegate.aws.input_bucket import Wiring, plan_wiring
from tidegate.aws.output_bucket import check_prefixes, policy_for_output
from tidegate.aws.stack import DeployedStack
from tidegate.deploy import images
from tidegate.deploy.artifacts import NOT_THERE, Artifacts, default_name, model_key, name_known_to
from tidegate.deploy.cloudformation.template import Template
from tidegate.deploy.screen import Screen
from tidegate.deploy.wish import Wish
from tidegate.deploy.worker_settings import validate
from tidegate.image.source import ImageSource
from worker.advice.answers import ACCESS_DENIED
from worker.errors import SettingsError

MakeBuilder = Callable[[ImageSource, Path, Account, Screen], images.Builder]


@dataclass(frozen=True, slots=True)
class Plan:
    """A deployment that could begin."""

    stack: DeployedStack | None  # None: it is to be made
    artifacts: Artifacts
    own_artifacts: bool  # the bucket was named by the user
    parameters: Mapping[str, str]  # those that are set; the stack keeps its others
    values: Mapping[str, str]  # of all parameters
    tags: Mapping[str, str]
    model_key: str  # where the model goes in the artifact bucket, if it is a file
    source: ImageSource | None  # of the image, if Tidegate builds it
    builder: images.Builder | None
    repository: str | None  # the stack's; None before the first deployment
    is_pushed: bool  # the image is in the repository
    wiring: Wiring | None

    @property
    def changes_model_or_image(self) -> bool:
        """Return whether the workers get another model or another image."""
        before = self.stack.parameters if self.stack else {}
        names = ("Model", "ModelSha256", "Image", "ImageTag")
        return any(self.values.get(name) != before.get(name) for name in names)


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes plans; asks AWS and the user, and changes nothing."""

    template: Template
    account: Account
    screen: Screen
    folder: Path  # for the build context
    make_builder: MakeBuilder

    def plan(self, wish: Wish, stack: DeployedStack | None) -> Plan:
        """Decide what to do for a stack that can be updated, or made.

        Raises SettingsError for what cannot be, AwsError if no worker could start.
        """
        if stack is None and not (wish.model or "Model" in wish.parameters):
            raise SettingsError(
                f"there is no stack {wish.stack} yet, and a new one needs a model:"
                f" `tidegate deploy {wish.stack} --model FILE`"
            )
        artifacts, own = self._artifacts(wish, stack)
        given, key = self._with_model(wish, wish.given(stack), artifacts)
        current = self._current(stack)
        source = self._source(wish, stack, {**current, **given}, given, artifacts)
        builder = None
        if source:
            builder = self.make_builder(source, self.folder, self.account, self.screen)
            given |= {"ImageTag": builder.tag} | ({"Image": ""} if current.get("Image") else {})
        values = self.template.with_defaults({**current, **given})
        self._check(wish, stack, values)
        repository = stack.outputs.get("RepositoryUri") if stack else None
        is_pushed = self._is_pushed(repository, values["ImageTag"])
        if repository and not (builder or values["Image"] or is_pushed):
            raise AwsError(
                f"no worker could start: the image {values['ImageTag']} is not in {repository}."
                f" Push it, or let Tidegate build one: `tidegate deploy {wish.stack} --build`"
            )
        wiring = self._wiring(wish.stack, values)
        return Plan(
            stack=stack,
            artifacts=artifacts,
            own_artifacts=own,
            parameters={name: one for name, one in given.items() if current.get(name) != one},
            values=values,
            tags={**_own_tags(stack), **wish.tags, **(wiring.tag if wiring else {})},
            model_key=key,
            source=source,
            builder=builder,
            repository=repository,
            is_pushed=is_pushed,
            wiring=wiring,
        )

    def _artifacts(self, wish: Wish, stack: DeployedStack | None) -> tuple[Artifacts, bool]:
        default = default_name(self.account, wish.stack)
        name = wish.artifact_bucket or (name_known_to(self.account, stack.id) if stack else None)
        return Artifacts(self.account, name or default), name not in (None, default)

    def _with_model(
        self, wish: Wish, given: Mapping[str, str], artifacts: Artifacts
    ) -> tuple[dict[str, str], str]:
        """Add the model's parameters, and return where a model in a file goes."""
        if wish.model_file:
            key, sha256 = model_key(wish.model_file)
            model = {"Model": f"s3://{artifacts.bucket}/{key}", "ModelSha256": sha256}
            return {**given, **model}, key
        model = {"Model": wish.model, "ModelSha256": ""} if wish.model else {}
        return {**given, **model}, ""

    def _current(self, stack: DeployedStack | None) -> dict[str, str]:
        """Return the stack's parameters, without those that the template has no more."""
        current = stack.parameters if stack else {}
        return {name: value for name, value in current.items() if name in self.template.parameters}

    def _source(
        self,
        wish: Wish,
        stack: DeployedStack | None,
        values: Mapping[str, str],
        given: Mapping[str, str],
        artifacts: Artifacts,
    ) -> ImageSource | None:
        """Return what an image is to be built from; None if another image is used or kept."""
        architecture = self.template.with_defaults(values)["Architecture"]
        source = replace(wish.image, architecture=architecture)
        choice = images.choose(source, stack, given, artifacts, build=wish.build)
        if choice.kept and stack:
            if architecture != stack.parameters.get("Architecture", architecture):
                raise SettingsError(f"{choice.kept}: it does not run on {architecture}")
            self.screen.say(choice.kept)
        return choice.source

    def _is_pushed(self, repository: str | None, tag: str) -> bool:
        return repository is not None and images.has_image(self.account, repository, tag)

    def _check(self, wish: Wish, stack: DeployedStack | None, values: Mapping[str, str]) -> None:
        self.template.check_all(values)
        check_prefixes(values)
        validate(values)
        if wish.smoke and not becomes_job(wish.smoke.name, values):
            suffixes = values["Suffixes"]
            raise SettingsError(f"--smoke {wish.smoke} would be no job: Suffixes is {suffixes}")
        if stack is None:
            self._refuse_left_buckets(wish.stack, values)

    def _refuse_left_buckets(self, name: str, values: Mapping[str, str]) -> None:
        """Refuse a bucket of an earlier stack here, as CloudFormation would only after minutes."""
        s3 = self.account.client("s3")
        for parameter, kind in (("InputBucket", "input"), ("OutputBucket", "output")):
            bucket = f"{name}-{kind}-{self.account.id}-{self.account.region}"
            look = partial(s3.head_bucket, Bucket=bucket)
            if not values[parameter] and found(look, *NOT_THERE, *ACCESS_DENIED):
                raise AwsError(
                    f"the bucket {bucket} is left from an earlier stack, so a new one cannot make"
                    f" it: `--parameter {parameter}={bucket}` uses it,"
                    f" `aws s3 rb s3://{bucket} --force` removes it with all files"
                )

    def _wiring(self, name: str, values: Mapping[str, str]) -> Wiring | None:
        """Look at buckets that are not the stack's, and ask before one of them is changed."""
        if bucket := values["OutputBucket"]:
            policy = policy_for_output(self.account, bucket, values["OutputKey"], stack=name)
            self._show_policy(policy)
        if not (bucket := values["InputBucket"]):
            return None
        wiring = plan_wiring(self.account, bucket, values["InputPrefix"], stack=name)
        if wiring is None:
            return None
        self.screen.say(wiring.changes)
        self._show_policy(wiring.policy)
        if wiring.turns_on:
            self.screen.ask("Change the bucket's notifications so?", "nothing was done")
        return wiring

    def _show_policy(self, policy: str) -> None:
        if policy:
            self.screen.say(policy)


def becomes_job(name: str, values: Mapping[str, str]) -> bool:
    """Return whether the dispatcher makes a job of a file of this name."""
    suffixes = values["Suffixes"].lower()
    return not suffixes or name.lower().endswith(tuple(suffixes.split(",")))


def _own_tags(stack: DeployedStack | None) -> Mapping[str, str]:
    """Return the stack's tags, without those that AWS sets."""
    tags = stack.tags if stack else {}
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}
