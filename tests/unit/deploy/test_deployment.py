"""A stack is made or updated: in which order, what is kept, and what is refused at once."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.support.fakes.cloudformation import STACK, FakeStack, change, refusal
from tests.support.fakes.deploying import OWNER, REGION, REPOSITORY, Surroundings
from tests.support.summaries import numbers
from tidegate.deploy.cloudformation.template import Template
from tidegate.deploy.deployment import Deployed, Deployment
from tidegate.deploy.destroy import Destruction
from tidegate.deploy.proof.smoke import Smoke
from tidegate.deploy.screen import Declined
from tidegate.deploy.wish import Wish
from tidegate.image.source import ImageSource
from tidegate.offline.baseline import Baseline
from worker.distributions import Distributions
from worker.errors import ModelError, SettingsError, TidegateError

TAG = "0123456789ab"
BUCKET = f"tide-deploy-{OWNER}-{REGION}"
ONE_BUCKET = {"InputBucket": "files", "OutputBucket": "files", "InputPrefix": "predictions/in/"}
CHANGES = {"create_change_set", "execute_change_set", "delete_stack", "build"}


@dataclasses.dataclass
class Deployer:
    around: Surroundings
    template: Template
    model: Path
    seen: list[str] = dataclasses.field(default_factory=list)  # by the worker

    def deploy(self, *, model: str | None = None, **wish: Any) -> Deployed:  # noqa: ANN401 - fields
        asked = Wish("tide", model=model, **{"no_smoke": True, **wish})
        return Deployment(
            self.template,
            self.around.account,
            self.around.screen,
            self.pause,
            self.around.make_builder,
            self.around.check,
        ).run(asked)

    def pause(self, seconds: float) -> None:
        """Let time pass: CloudFormation goes on, and a worker predicts what it finds."""
        self.around.cloudformation.pause(seconds)
        s3 = self.around.account.client("s3")
        for bucket in [
            one["Name"] for one in s3.list_buckets()["Buckets"] if "-input-" in one["Name"]
        ]:
            for found in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
                self.seen.append(found["Key"])
                s3.put_object(
                    Bucket=bucket.replace("-input-", "-output-"),
                    Key=f"predictions/{found['Key']}",
                    Body=b"row,prediction\n",
                )

    def first(self, **wish: Any) -> FakeStack:  # noqa: ANN401 - fields
        """Make the stack, and forget how."""
        self.deploy(model=str(self.model), **wish)
        stack = self.around.cloudformation.stacks["tide"]
        stack.template = {"Resources": {"Dispatcher": {"Properties": {"Code": self.code()}}}}
        stack.parameters = self.template.with_defaults(stack.parameters)
        self.around.calls.clear()
        self.around.screen.said.clear()
        return stack

    def code(self) -> dict[str, str]:
        return {"S3Bucket": BUCKET}

    def sent(self) -> dict[str, str | None]:
        """Return the parameters of the change set; None is the stack's own value."""
        given = self.around.cloudformation.newest["Parameters"]
        return {one["ParameterKey"]: one.get("ParameterValue") for one in given}

    def changed(self) -> dict[str, str]:
        return {name: value for name, value in self.sent().items() if value is not None}


@pytest.fixture
def deployer(around: Surroundings, template: Template, model: Path) -> Deployer:
    return Deployer(around, template, model)


def order(calls: list[str], *wanted: str) -> list[str]:
    return [call.partition(" ")[0] for call in calls if call.partition(" ")[0] in wanted]


def test_a_first_deployment_checks_then_builds_then_makes_the_stack_and_pushes_after_it(
    deployer: Deployer,
) -> None:
    deployer.deploy(model=str(deployer.model))

    wanted = ("build", "check", "create_change_set", "execute_change_set", "push")
    assert order(deployer.around.calls, *wanted) == [
        *("build", "check", "check", "create_change_set", "execute_change_set", "push")
    ]
    assert f"push {REPOSITORY}" in deployer.around.calls
    assert deployer.around.cloudformation.stacks["tide"].status == "CREATE_COMPLETE"


def test_an_update_pushes_first(deployer: Deployer) -> None:
    deployer.first()
    deployer.around.builder["tag"] = "another45678"

    deployer.deploy()

    wanted = ("build", "push", "execute_change_set")
    assert order(deployer.around.calls, *wanted) == ["build", "push", "execute_change_set"]
    assert deployer.changed() == {"ImageTag": "another45678"}


def test_an_image_that_is_there_is_neither_built_nor_pushed(deployer: Deployer) -> None:
    deployer.first()

    deployer.deploy(parameters={"MaxTasks": "9"})

    assert order(deployer.around.calls, "build", "push") == []
    assert deployer.changed() == {"MaxTasks": "9"}


def test_an_update_keeps_every_parameter_and_tag_that_is_not_named(deployer: Deployer) -> None:
    stack = deployer.first(parameters={"MaxTasks": "7"}, tags={"team": "tide"})
    stack.tags["aws:servicecatalog"] = "of AWS"

    deployer.deploy(tags={"stage": "test"})

    assert deployer.sent()["MaxTasks"] is None
    assert deployer.sent().keys() == deployer.template.parameters.keys()
    tags = {one["Key"]: one["Value"] for one in deployer.around.cloudformation.newest["Tags"]}
    assert tags == {"team": "tide", "stage": "test"}


def test_settings_are_merged_with_those_of_the_stack(deployer: Deployer) -> None:
    deployer.first(settings=("MAX_REJECTED=0.05", "KEEP_COLUMNS=a b,c"))

    deployer.deploy(settings=("max_rejected=0.1", "HEADER=absent"), unset=("KEEP_COLUMNS",))

    assert deployer.changed()["WorkerSettings"] == "MAX_REJECTED=0.1 HEADER=absent"


def test_the_model_is_uploaded_under_its_digest_and_pinned(deployer: Deployer) -> None:
    deployer.deploy(model=str(deployer.model))

    sent = deployer.changed()
    assert sent["ModelSha256"] == hashlib.sha256(b"a model").hexdigest()
    assert sent["Model"] == f"s3://{BUCKET}/models/{sent['ModelSha256']}/model.pkl"
    key = sent["Model"].removeprefix(f"s3://{BUCKET}/")
    answer = deployer.around.account.client("s3").get_object(Bucket=BUCKET, Key=key)
    assert answer["Body"].read() == b"a model"


def baseline(sha256: str) -> str:
    return Baseline(sha256, ["a.csv"], 1, Distributions({"p": numbers([0.5])})).to_json()


def test_the_baseline_that_lies_beside_the_model_goes_beside_it_in_the_bucket_too(
    deployer: Deployer,
) -> None:
    beside = deployer.model.with_name("model.pkl.baseline.json")
    beside.write_text(baseline(hashlib.sha256(b"a model").hexdigest()))
    deployer.deploy(model=str(deployer.model))

    key = deployer.changed()["Model"].removeprefix(f"s3://{BUCKET}/") + ".baseline.json"
    answer = deployer.around.account.client("s3").get_object(Bucket=BUCKET, Key=key)
    assert answer["Body"].read() == beside.read_bytes()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (baseline("0" * 64), "is the baseline of another model than"),
        ("{}", "is no baseline: `tidegate check MODEL FILE --baseline` writes one"),
        ('{"schema_version": 2}', "is a baseline of version 2, and this tidegate reads version 1"),
    ],
)
def test_a_baseline_of_another_model_or_a_damaged_one_is_left_out_and_named(
    deployer: Deployer, content: str, reason: str
) -> None:
    deployer.model.with_name("model.pkl.baseline.json").write_text(content)
    deployer.deploy(model=str(deployer.model))

    listed = deployer.around.account.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert not any(one["Key"].endswith(".baseline.json") for one in listed)
    assert any(reason in said for said in deployer.around.screen.said)


def test_the_artifact_bucket_is_closed_to_the_public_and_to_plain_http(deployer: Deployer) -> None:
    deployer.deploy(model=str(deployer.model))

    s3 = deployer.around.account.client("s3")
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    ((statement,),) = [policy["Statement"] for policy in deployer.around.account.policies]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_artifact_bucket_of_the_stack_is_used_again(deployer: Deployer) -> None:
    s3 = deployer.around.account.client("s3")
    s3.create_bucket(
        Bucket="company-artifacts", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    stack = deployer.first(artifact_bucket="company-artifacts")
    stack.template = {
        "Resources": {"Dispatcher": {"Properties": {"Code": {"S3Bucket": "company-artifacts"}}}}
    }

    deployer.model.write_bytes(b"another model")
    deployer.deploy(model=str(deployer.model))

    assert deployer.changed()["Model"].startswith("s3://company-artifacts/models/")
    assert [one["Name"] for one in s3.list_buckets()["Buckets"] if "deploy" in one["Name"]] == []


def test_an_artifact_bucket_of_the_users_own_is_never_made(deployer: Deployer) -> None:
    with pytest.raises(TidegateError, match="aws s3 mb s3://not-there"):
        deployer.deploy(model=str(deployer.model), artifact_bucket="not-there")

    assert "create_change_set" not in deployer.around.calls


def test_nothing_to_change_is_good(deployer: Deployer) -> None:
    deployer.first()
    deployer.around.cloudformation.no_changes = "The submitted information didn't contain changes."

    deployer.deploy()

    assert "no changes" in deployer.around.screen.text
    assert deployer.around.cloudformation.change_sets == {}


def test_a_change_set_that_fails_is_quoted_and_leaves_no_empty_stack(deployer: Deployer) -> None:
    deployer.around.cloudformation.no_changes = "Transform failed"

    with pytest.raises(TidegateError, match="Transform failed"):
        deployer.deploy(model=str(deployer.model))

    assert deployer.around.cloudformation.stacks == {}


def test_the_first_failure_is_quoted_and_not_what_was_cancelled_after_it(
    deployer: Deployer,
) -> None:
    deployer.around.cloudformation.ends["execute_change_set"] = [
        ("Queue", "AWS::SQS::Queue", "CREATE_FAILED", "Resource creation cancelled"),
        ("Vpc", "AWS::EC2::VPC", "CREATE_FAILED", "The maximum number of VPCs has been reached."),
        ("tide", STACK, "ROLLBACK_IN_PROGRESS", "failed to create: [Vpc]"),
        ("tide", STACK, "ROLLBACK_COMPLETE", ""),
    ]

    with pytest.raises(TidegateError) as caught:
        deployer.deploy(model=str(deployer.model))

    assert "Vpc (AWS::EC2::VPC): The maximum number of VPCs" in str(caught.value)
    assert "`tidegate deploy tide` again with the same options" in str(caught.value)
    assert order(deployer.around.calls, "push") == []


def test_a_review_shows_replacements_and_a_no_leaves_everything_as_it_was(
    deployer: Deployer,
) -> None:
    deployer.first()
    deployer.around.cloudformation.changes = [
        change("TaskDefinition", Replacement="True"),
        change("Sweep", Replacement="Conditional"),
        change("Vpc", Action="Add"),
    ]
    deployer.around.screen.yes = False

    with pytest.raises(Declined, match="as it was"):
        deployer.deploy(review=True)

    shown = {one.resource: one.replacement for one in deployer.around.screen.changes}
    assert shown == {"TaskDefinition": "yes", "Sweep": "maybe", "Vpc": "no"}
    assert "execute_change_set" not in deployer.around.calls
    assert deployer.around.cloudformation.change_sets == {}


def test_a_declined_review_of_a_first_deployment_leaves_no_empty_stack(
    deployer: Deployer,
) -> None:
    deployer.around.screen.yes = False

    with pytest.raises(Declined):
        deployer.deploy(model=str(deployer.model), review=True)

    assert deployer.around.cloudformation.stacks == {}


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"parameters": {"MaxTask": "3"}}, "no parameter MaxTask: did you mean MaxTasks"),
        ({"parameters": {"maxtasks": "3"}}, "did you mean MaxTasks"),
        ({"parameters": {"MaxTasks": "0"}}, "MaxTasks must be at least 1"),
        ({"parameters": {"Capacity": "SPOT"}}, "one of FARGATE, FARGATE_SPOT"),
        ({"parameters": {"Subnets": "net-1"}}, "must be ids of subnets"),
        ({"settings": ("MAXREJECTED=0.1",)}, "did you mean WORKER_MAX_REJECTED"),
        ({"settings": ("IDLE_SECONDS=3",)}, "the parameter IdleSeconds sets it"),
        ({"unset": ("MAXREJECTED",)}, "did you mean WORKER_MAX_REJECTED"),
        ({"model": "no-such-file.pkl"}, "there is no file no-such-file.pkl"),
        (
            {"model": "s3://a-bucket/m.pkl", "parameters": {"Model": "s3://a-bucket/b"}},
            "one of them",
        ),
        (
            {"parameters": {"ImageTag": "own"}, "image": ImageSource(python="3.12")},
            "name it, or have one built",
        ),
        ({"parameters": {"Image": "own:1"}, "build": True}, "name it, or have one built"),
    ],
)
def test_what_can_be_seen_to_be_wrong_is_refused_before_aws_is_asked(
    deployer: Deployer, wish: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SettingsError, match=reason):
        deployer.deploy(**wish)

    assert deployer.around.calls == []
    assert deployer.around.screen.commands == []


@pytest.mark.parametrize("name", ["Tide", "1tide", "tide_1", "t" * 29, "", "xn--tide", "tide."])
def test_a_name_that_no_bucket_can_carry_is_refused_before_aws_is_asked(
    deployer: Deployer, name: str
) -> None:
    wish = Wish(name, model=str(deployer.model))

    with pytest.raises(SettingsError, match="cannot be called"):
        wish.check(deployer.template)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"parameters": {"TaskCpu": "256"}}, r"2 to 8 times.*\(TaskCpu=256, TaskMemory=4096\)"),
        ({"parameters": {"SecurityGroups": "sg-0a1b"}}, "both Subnets and SecurityGroups"),
        ({"parameters": {"AssignPublicIp": "DISABLED"}}, "through public addresses only"),
        ({"settings": ("MAX_REJECTED=2",)}, "MAX_REJECTED"),
        ({"settings": ("HEARTBEAT_SECONDS=100",)}, "below half of the queue's visibility"),
        ({"parameters": ONE_BUCKET}, "overlap"),
    ],
)
def test_values_that_contradict_those_of_the_stack_are_refused_before_anything_is_made(
    deployer: Deployer, wish: dict[str, Any], reason: str
) -> None:
    deployer.first()

    with pytest.raises(SettingsError, match=reason):
        deployer.deploy(**wish)

    assert not CHANGES & set(deployer.around.calls)


def test_a_new_stack_needs_a_model(deployer: Deployer) -> None:
    with pytest.raises(SettingsError, match="tidegate deploy tide --model FILE"):
        deployer.deploy()


def own_bucket(deployer: Deployer) -> str:
    """Make a bucket of the user's, with a notification of its own."""
    s3 = deployer.around.account.client("s3")
    s3.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": REGION})
    sqs = deployer.around.account.client("sqs")
    queue = sqs.create_queue(QueueName="theirs")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    theirs = {"Id": "theirs", "QueueArn": arn["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="files", NotificationConfiguration={"QueueConfigurations": [theirs]}
    )
    return "files"


def notifications(deployer: Deployer, bucket: str) -> set[str]:
    s3 = deployer.around.account.client("s3")
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    return {name for name in found if name.endswith(("Configuration", "Configurations"))}


def test_an_existing_bucket_is_wired_after_a_question_and_destroy_undoes_it(
    deployer: Deployer,
) -> None:
    bucket = own_bucket(deployer)

    deployer.deploy(model=str(deployer.model), parameters={"InputBucket": bucket})

    assert deployer.around.screen.asked == ["Change the bucket's notifications so?"]
    assert "files will send its events to EventBridge" in deployer.around.screen.text
    assert notifications(deployer, bucket) == {"QueueConfigurations", "EventBridgeConfiguration"}
    (tag,) = deployer.around.cloudformation.stacks["tide"].tags
    assert tag.startswith("tidegate:turned-on-notifications")

    around = deployer.around
    Destruction(around.account, around.screen, around.cloudformation.pause).destroy("tide")
    assert notifications(deployer, bucket) == {"QueueConfigurations"}


def test_who_declines_the_wiring_changes_nothing(deployer: Deployer) -> None:
    bucket = own_bucket(deployer)
    deployer.around.screen.yes = False

    with pytest.raises(Declined):
        deployer.deploy(model=str(deployer.model), parameters={"InputBucket": bucket})

    assert notifications(deployer, bucket) == {"QueueConfigurations"}
    assert not CHANGES & set(deployer.around.calls)


def test_a_first_deployment_puts_made_up_rows_through(deployer: Deployer) -> None:
    done = deployer.deploy(model=str(deployer.model), no_smoke=False)

    assert done.smoke == Smoke("row,prediction\n")
    assert deployer.seen[0].endswith("-rows.csv")


def test_an_update_puts_a_file_through_only_for_another_model_or_image(
    deployer: Deployer,
) -> None:
    deployer.first()

    assert deployer.deploy(no_smoke=False, parameters={"MaxTasks": "9"}).smoke is None
    deployer.model.write_bytes(b"another model")
    assert deployer.deploy(no_smoke=False, model=str(deployer.model)).smoke is not None


def test_a_named_file_goes_through_at_every_deployment(deployer: Deployer, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("a,b\n1,2\n")
    deployer.first()

    assert deployer.deploy(no_smoke=False, smoke=file).smoke is not None
    assert deployer.seen[0].endswith("-mine.csv")


def test_a_file_that_would_be_no_job_is_refused_before_anything_is_made(
    deployer: Deployer, tmp_path: Path
) -> None:
    file = tmp_path / "mine.xls"
    file.touch()

    with pytest.raises(SettingsError, match="would be no job"):
        deployer.deploy(model=str(deployer.model), no_smoke=False, smoke=file)

    assert not CHANGES & set(deployer.around.calls)


def test_a_file_that_may_not_be_uploaded_is_a_reason_and_no_end(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = deployer.around.account.client("s3")
    put = s3.put_object

    def denied(**given: Any) -> Any:  # noqa: ANN401 - boto3's
        if "-input-" in given["Bucket"]:
            raise refusal("AccessDenied", "not authorized to perform: s3:PutObject")
        return put(**given)

    monkeypatch.setattr(s3, "put_object", denied)

    done = deployer.deploy(model=str(deployer.model), no_smoke=False)

    assert done.smoke is not None
    assert "s3:PutObject" in done.smoke.reason


def test_where_csv_is_no_job_no_rows_are_made_up(deployer: Deployer) -> None:
    done = deployer.deploy(
        model=str(deployer.model), no_smoke=False, parameters={"Suffixes": ".parquet"}
    )

    assert done.smoke is None
    assert "--smoke FILE" in deployer.around.screen.text


def test_a_bucket_that_an_earlier_stack_left_is_refused_before_anything_is_made(
    deployer: Deployer,
) -> None:
    stack = deployer.first()
    del deployer.around.cloudformation.stacks[stack.name]

    with pytest.raises(TidegateError, match=f"--parameter InputBucket=tide-input-{OWNER}"):
        deployer.deploy(model=str(deployer.model))

    assert not CHANGES & set(deployer.around.calls)


@pytest.mark.parametrize(
    "failure",
    [
        refusal("Throttling", "Rate exceeded"),
        refusal("AccessDenied", "not authorized to perform: cloudformation:DescribeStacks"),
        EndpointConnectionError(endpoint_url="https://cloudformation"),
    ],
)
def test_a_stack_that_could_not_be_asked_for_is_not_taken_for_absent(
    deployer: Deployer, failure: ClientError
) -> None:
    deployer.around.cloudformation.refusals["describe_stacks"] = failure

    with pytest.raises(type(failure)):
        deployer.deploy(model=str(deployer.model))

    assert deployer.around.calls == ["describe_stacks"]


def test_a_model_that_the_image_cannot_load_makes_nothing(deployer: Deployer) -> None:
    deployer.around.builder["refuses_model"] = "scikit-learn 1.5 wrote it"

    with pytest.raises(ModelError, match=r"scikit-learn 1\.5"):
        deployer.deploy(model=str(deployer.model))

    assert "create_change_set" not in deployer.around.calls
    assert deployer.around.account.client("s3").list_buckets()["Buckets"] == []


def test_a_model_that_only_the_image_can_load_is_deployed(deployer: Deployer) -> None:
    deployer.around.unloadable = "No module named 'lightgbm'"

    deployer.deploy(model=str(deployer.model))

    assert "this machine's versions cannot load the model" in deployer.around.screen.text
    assert "execute_change_set" in deployer.around.calls


def test_a_model_on_s3_is_downloaded_and_checked(deployer: Deployer) -> None:
    s3 = deployer.around.account.client("s3")
    s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="models", Key="a/churn.pkl", Body=b"a model")

    deployer.deploy(model="s3://models/a/churn.pkl")

    assert "check churn.pkl {}" in deployer.around.calls
    assert deployer.changed()["Model"] == "s3://models/a/churn.pkl"


def test_a_model_that_is_not_on_s3_makes_nothing(deployer: Deployer) -> None:
    with pytest.raises(ModelError, match="there is no model s3://absent/churn"):
        deployer.deploy(model="s3://absent/churn.pkl")

    assert not CHANGES & set(deployer.around.calls)


def test_a_model_that_the_user_may_not_read_is_deployed_unchecked(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise refusal("403", "Forbidden", "HeadObject")

    monkeypatch.setattr(deployer.around.account.client("s3"), "download_file", denied)

    deployer.deploy(model="s3://theirs/churn.pkl")

    assert "is not checked, because you may not read it" in deployer.around.screen.text
    assert "execute_change_set" in deployer.around.calls


def test_with_an_image_of_ones_own_nothing_is_built_and_this_machine_checks_the_model(
    deployer: Deployer,
) -> None:
    deployer.deploy(model=str(deployer.model), parameters={"Image": "registry.example/own:1"})

    assert order(deployer.around.calls, "build", "push") == []
    assert "checked by this machine's versions" in deployer.around.screen.text
    assert "ImageTag" not in deployer.changed()


def test_an_image_of_ones_own_is_kept_and_a_build_replaces_it(deployer: Deployer) -> None:
    stack = deployer.first()
    stack.parameters["Image"] = "registry.example/own:1"

    deployer.deploy()
    assert order(deployer.around.calls, "build", "push") == []
    assert "kept: registry.example/own:1" in deployer.around.screen.text

    deployer.deploy(build=True)
    assert deployer.changed() == {"Image": ""}


def test_a_tag_of_ones_own_in_the_repository_is_kept_and_a_build_replaces_it(
    deployer: Deployer,
) -> None:
    stack = deployer.first()
    stack.parameters["ImageTag"] = "mine"
    deployer.around.keep("mine")

    deployer.deploy(parameters={"MaxTasks": "9"})
    assert deployer.changed() == {"MaxTasks": "9"}
    assert "the image mine is one of your own and is kept" in deployer.around.screen.text

    deployer.deploy(build=True)
    assert deployer.changed()["ImageTag"] == TAG


def test_an_image_with_libraries_of_ones_own_is_kept_until_they_are_given_again(
    deployer: Deployer, tmp_path: Path
) -> None:
    mine = ImageSource(requirements=tmp_path / "my.txt")
    deployer.first(image=mine)
    deployer.around.builder["tag"] = "plain0123456"

    deployer.deploy(parameters={"MaxTasks": "9"})
    assert "ImageTag" not in deployer.changed()
    assert "your requirements and is kept" in deployer.around.screen.text

    deployer.around.builder["tag"] = "other0123456"
    deployer.deploy(image=mine)
    assert deployer.changed()["ImageTag"] == "other0123456"


def test_an_image_that_is_kept_cannot_change_its_processor(deployer: Deployer) -> None:
    stack = deployer.first()
    stack.parameters["ImageTag"] = "mine"
    deployer.around.keep("mine")

    with pytest.raises(SettingsError, match="does not run on ARM64"):
        deployer.deploy(parameters={"Architecture": "ARM64"})

    assert not CHANGES & set(deployer.around.calls)


def test_a_named_tag_that_is_not_in_the_repository_is_refused(deployer: Deployer) -> None:
    deployer.first()

    with pytest.raises(TidegateError, match="no worker could start: the image absent"):
        deployer.deploy(parameters={"ImageTag": "absent"})

    assert not CHANGES & set(deployer.around.calls)


def test_without_docker_an_image_that_was_pushed_elsewhere_is_deployed(
    deployer: Deployer,
) -> None:
    deployer.first()
    deployer.around.builder["works"] = False

    deployer.deploy(model=str(deployer.model))

    assert order(deployer.around.calls, "build", "execute_change_set") == ["execute_change_set"]


def test_a_push_that_failed_after_the_first_deployment_is_made_up_for(deployer: Deployer) -> None:
    deployer.first()
    deployer.around.account.client("ecr").batch_delete_image(
        repositoryName="tide-worker", imageIds=[{"imageTag": TAG}]
    )

    deployer.deploy()

    assert order(deployer.around.calls, "build", "push") == ["build", "push"]


def test_the_architecture_of_the_stack_is_kept_for_the_image(deployer: Deployer) -> None:
    deployer.first(parameters={"Architecture": "ARM64"})
    deployer.around.builder["tag"] = "another45678"
    deployer.around.sources.clear()

    deployer.deploy()

    assert [source.architecture for source in deployer.around.sources] == ["ARM64"]
