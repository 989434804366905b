"""The template's parameters, the rules that refuse some of them, and the outputs."""

import re
from typing import Any

import pytest

from tests.support.template import PARAMETERS, RESOURCES, TEMPLATE, resolve

NO_NETWORK: dict[str, Any] = {"Subnets": [], "SecurityGroups": [], "AssignPublicIp": "ENABLED"}
NETWORK: dict[str, Any] = {
    "Subnets": ["subnet-1"],
    "SecurityGroups": ["sg-1"],
    "AssignPublicIp": "DISABLED",
}


def refused(rule: str, parameters: dict[str, Any]) -> bool:
    """Return whether a rule of the template refuses these parameters."""
    definition = TEMPLATE["Rules"][rule]
    if not resolve(definition.get("RuleCondition", True), parameters):
        return False
    return not all(resolve(one["Assert"], parameters) for one in definition["Assertions"])


def test_the_model_is_all_that_has_no_default() -> None:
    assert [name for name, found in PARAMETERS.items() if "Default" not in found] == ["Model"]


def test_the_parameters_are_those_that_are_documented() -> None:
    assert set(PARAMETERS) == {
        *("Model", "ModelSha256", "ModelKmsKey", "Image", "ImageTag", "PredictorSecret"),
        *("Architecture", "TaskCpu", "TaskMemory", "Capacity"),
        *("Subnets", "SecurityGroups", "AssignPublicIp", "Zones"),
        *("InputBucket", "InputPrefix", "InputKmsKey", "Suffixes"),
        *("OutputBucket", "OutputKey", "OutputKmsKey"),
        *("MaxTasks", "MessagesPerTask", "IdleSeconds", "DispatcherConcurrency", "WorkerSettings"),
        *("VisibilitySeconds", "MaxReceiveCount", "LogDays", "Dashboard"),
        *("AlarmEmail", "AlarmTopicArn"),
        *("Events", "NoticeEmail", "NoticeTopicArn"),
        *("Reconcile", "ReconcileDays", "ReconcileMaxFiles"),
        *("PermissionsBoundary", "RolePath"),
    }


def test_every_parameter_is_shown_in_a_group() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    shown = [name for group in groups for name in group["Parameters"]]

    assert sorted(shown) == sorted(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_is_described_and_bounded(name: str) -> None:
    parameter = PARAMETERS[name]

    assert parameter["Description"].endswith(".")
    assert {"AllowedPattern", "AllowedValues", "MinValue"} & parameter.keys() or name == "Suffixes"


@pytest.mark.parametrize(
    "name", [name for name in PARAMETERS if "AllowedPattern" in PARAMETERS[name]]
)
def test_what_a_pattern_refuses_is_said_in_words(name: str) -> None:
    assert PARAMETERS[name]["ConstraintDescription"].startswith(("must be", "must not"))


@pytest.mark.parametrize(
    "model", ["models/m.pkl", "s3://models", "s3://models/*", "s3://models/m?x=1", "/etc/passwd"]
)
def test_what_is_no_single_object_is_refused_as_a_model(model: str) -> None:
    assert not re.fullmatch(PARAMETERS["Model"]["AllowedPattern"], model)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("Subnets", "subnet-0a1b", "vpc-0a1b"),
        ("SecurityGroups", "sg-0a1b", "default"),
        ("AlarmEmail", "night@example.com", "night"),
        ("ImageTag", "4f2a90c1", "no spaces"),
        (
            "PredictorSecret",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/tide/key",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/*",
        ),
        ("DispatcherConcurrency", "10", "0"),
        ("Zones", "us-gov-west-1a,us-gov-west-1c", "us-east-1a"),
        ("Zones", "us-east-1a,us-east-1c", "use1-az1,use1-az2"),
        ("NoticeEmail", "day@example.com", "day"),
        ("NoticeTopicArn", "arn:aws:sns:eu-west-1:123456789012:day", "day"),
        ("AlarmTopicArn", "arn:aws-cn:sns:cn-north-1:123456789012:night", "night"),
        ("PermissionsBoundary", "arn:aws:iam::123456789012:policy/team/edge", "edge"),
        ("PermissionsBoundary", "arn:aws-us-gov:iam::aws:policy/PowerUserAccess", "arn:aws:iam"),
        ("RolePath", "/team/tide/", "team"),
        ("RolePath", "/team/", "/team"),
    ],
)
def test_what_may_be_left_empty_is_looked_at_when_it_is_not(name: str, good: str, bad: str) -> None:
    pattern = PARAMETERS[name]["AllowedPattern"]

    assert re.fullmatch(pattern, PARAMETERS[name]["Default"])
    assert re.fullmatch(pattern, good)
    assert not re.fullmatch(pattern, bad)


def test_what_the_worker_reads_becomes_a_job() -> None:
    suffixes = PARAMETERS["Suffixes"]["Default"].split(",")
    text = [
        f".{kind}{packed}" for kind in ("csv", "jsonl", "ndjson") for packed in ("", ".gz", ".zst")
    ]

    assert sorted(suffixes) == sorted([*text, ".parquet"])


# Parameters that contradict each other


@pytest.mark.parametrize("network", [NETWORK, NO_NETWORK, NO_NETWORK | {"Subnets": [""]}])
def test_a_network_is_given_whole_or_left_to_the_stack(network: dict[str, Any]) -> None:
    known = network | {"SecurityGroups": network["SecurityGroups"]}

    assert not refused("NetworkIsGivenWholeOrNotAtAll", known)
    assert not refused("OwnNetworkHasPublicAddresses", known)


@pytest.mark.parametrize("missing", ["Subnets", "SecurityGroups"])
def test_half_a_network_is_refused(missing: str) -> None:
    assert refused("NetworkIsGivenWholeOrNotAtAll", NETWORK | {missing: []})


def test_the_stacks_own_network_without_public_addresses_is_refused() -> None:
    assert refused("OwnNetworkHasPublicAddresses", NO_NETWORK | {"AssignPublicIp": "DISABLED"})


@pytest.mark.parametrize(
    ("zones", "subnets", "is_refused"),
    [
        ("", [""], False),
        ("", ["subnet-1"], False),
        ("us-east-1a,us-east-1b", [""], False),
        ("us-east-1a,us-east-1b", ["subnet-1"], True),
    ],
)
def test_zones_are_refused_for_a_network_that_is_given(
    zones: str, subnets: list[str], *, is_refused: bool
) -> None:
    known = {"Zones": zones, "Subnets": subnets}

    assert refused("ZonesAreThoseOfTheOwnNetwork", known) is is_refused


@pytest.mark.parametrize("cpu", PARAMETERS["TaskCpu"]["AllowedValues"])
def test_every_size_of_processor_takes_some_of_the_sizes_of_memory(cpu: int) -> None:
    memories = PARAMETERS["TaskMemory"]["AllowedValues"]

    taken = [memory for memory in memories if not refused("FargateHasTheSize", size(cpu, memory))]

    assert taken
    assert all(2 * cpu <= memory <= 8 * cpu for memory in taken)
    assert max(taken) <= 120 * 1024


def test_the_default_size_is_one_that_fargate_has() -> None:
    cpu, memory = (PARAMETERS[name]["Default"] for name in ("TaskCpu", "TaskMemory"))

    assert not refused("FargateHasTheSize", size(cpu, memory))


def size(cpu: int, memory: int) -> dict[str, Any]:
    return {"TaskCpu": str(cpu), "TaskMemory": str(memory)}


# Outputs


def test_the_outputs_are_those_that_are_documented() -> None:
    assert set(TEMPLATE["Outputs"]) == {
        *("Usage", "InputBucket", "InputPrefix", "OutputBucket", "OutputKey"),
        *("QueueUrl", "DeadLetterQueueUrl", "UndispatchedQueueUrl"),
        *("Cluster", "TaskDefinition", "RepositoryUri", "Overview"),
        *("DispatcherFunction", "WorkerLogGroup", "DispatcherLogGroup"),
        *("NotifierFunction", "NotifierLogGroup"),
        *("ReconcilerFunction", "ReconcilerLogGroup"),
    }


def test_an_output_is_conditional_where_its_resource_is() -> None:
    conditions = {
        name: output["Condition"]
        for name, output in TEMPLATE["Outputs"].items()
        if "Condition" in output
    }

    assert conditions == {
        "Overview": RESOURCES["Overview"]["Condition"],
        "NotifierFunction": RESOURCES["Notifier"]["Condition"],
        "NotifierLogGroup": RESOURCES["NotifierLogGroup"]["Condition"],
        "ReconcilerFunction": RESOURCES["Reconciler"]["Condition"],
        "ReconcilerLogGroup": RESOURCES["ReconcilerLogGroup"]["Condition"],
    }
