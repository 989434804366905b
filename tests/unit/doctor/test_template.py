"""The functions of a deployed stack's template, evaluated as CloudFormation does."""

import pytest

from tidegate.deploy.cloudformation.template import parse
from tidegate.doctor.template import NotEvaluated, Template

YAML = """
Conditions:
  Small: !Equals [!Ref Size, "1"]
  Named: !And [!Not [!Condition Small], !Or [!Condition Small, !Equals [a, a]]]
Mappings:
  Domains: {aws: {suffix: amazonaws.com}}
Resources:
  Role:
    Properties:
      Names: [!If [Small, small, !Ref "AWS::NoValue"], other]
      Left: !If [Small, left, !Ref "AWS::NoValue"]
      Text: !Sub "${AWS::Region}/${Queue.Arn}/${!literal}"
      Own: !Sub ["${Key}:${Size}", {Key: !Select [1, !Split ["/", a/b/c]]}]
      Joined: !Join ["-", !Ref Zones]
      Mapped: !FindInMap [Domains, aws, suffix]
      Named: !If [Named, yes it is, no]
  Cidr: {Properties: {Block: !Cidr [a, 1, 2]}}
"""


def template(size: int = 2) -> Template:
    names = {"Size": size, "AWS::Region": "eu-west-1", "Zones": ["a", "b"]}
    return Template(parse(YAML), names, lambda logical, name: f"<{logical}.{name}>")


def test_functions_give_what_cloudformation_gives() -> None:
    assert template().properties("Role") == {
        "Names": ["other"],
        "Text": "eu-west-1/<Queue.Arn>/${literal}",
        "Own": "b:2",
        "Joined": "a-b",
        "Mapped": "amazonaws.com",
        "Named": "yes it is",
    }


def test_a_condition_decides_what_is_there() -> None:
    small = template(size=1)

    assert (small.properties("Role")["Names"], small.properties("Role")["Left"]) == (
        ["small", "other"],
        "left",
    )


def test_what_is_not_known_is_not_guessed() -> None:
    with pytest.raises(NotEvaluated, match="Fn::Cidr"):
        template().properties("Cidr")
    with pytest.raises(NotEvaluated, match="Other"):
        template().resolve({"Ref": "Other"})
