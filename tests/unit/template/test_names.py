"""Resource names, which must not collide with those of a second stack in the account."""

import re

import pytest

from tests.support.template import RESOURCES, of_type, properties


@pytest.mark.parametrize("bucket", of_type("AWS::S3::Bucket"))
def test_bucket_names_differ_by_stack_account_and_region(bucket: str) -> None:
    name = properties(bucket)["BucketName"]["Fn::Sub"]

    assert set(re.findall(r"\$\{([\w:]+)\}", name)) == {
        "AWS::StackName",
        "AWS::AccountId",
        "AWS::Region",
    }


def test_every_name_that_is_given_has_the_stacks_name_in_it() -> None:
    kinds = ("Queue", "Cluster", "Repository", "Topic", "Alarm", "Dashboard", "Bucket", "Metric")
    given = [
        resource["Properties"][f"{kind}Name"]
        for resource in RESOURCES.values()
        for kind in kinds
        if f"{kind}Name" in resource["Properties"] and kind in resource["Type"]
    ]
    given += [
        one["Properties"]["FunctionName"] for one in of_type("AWS::Lambda::Function").values()
    ]
    given.append(properties("TaskDefinition")["Family"])
    given += [
        group["Properties"]["LogGroupName"] for group in of_type("AWS::Logs::LogGroup").values()
    ]
    for counted in of_type("AWS::Logs::MetricFilter").values():
        (transformation,) = counted["Properties"]["MetricTransformations"]
        given.append(transformation["MetricName"])

    assert len(given) > 15
    assert all("AWS::StackName" in str(name) for name in given)


def test_logs_do_not_grow_for_ever() -> None:
    groups = of_type("AWS::Logs::LogGroup")

    assert len(groups) == 4
    assert all("RetentionInDays" in group["Properties"] for group in groups.values())
