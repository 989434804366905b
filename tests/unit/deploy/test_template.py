"""The template as a deployment reads it, and the dispatcher's code that goes with it."""

import json
import os
from pathlib import Path

import pytest
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

from tidegate.deploy.cloudformation.rules import broken
from tidegate.deploy.cloudformation.template import Template, code_bucket, parse
from tidegate.deploy.function_code import zip_sources
from tidegate.deploy.worker_settings import SET_BY_TEMPLATE, format_settings, merge
from tidegate.deploy.worker_settings import parse as parse_settings
from tidegate.offline.task_size import FARGATE_SIZES
from tidegate.project_files import project_file
from worker.errors import SettingsError
from worker.settings import PREFIX


def test_the_template_is_read_as_the_aws_cli_reads_it() -> None:
    text = project_file("infra/cloudformation.yaml").read_text()

    assert parse(text) == json.loads(json.dumps(yaml_parse(text)))


def test_only_the_code_is_changed_in_the_template_that_is_uploaded(template: Template) -> None:
    keys = {"Dispatcher": "a/key.zip", "Notifier": "another/key.zip"}
    uploaded = json.loads(template.with_code("a-bucket", keys))

    before = json.loads(json.dumps(template.document))
    for function, key in keys.items():
        code = uploaded["Resources"][function]["Properties"].pop("Code")
        assert code == {"S3Bucket": "a-bucket", "S3Key": key}
        del before["Resources"][function]["Properties"]["Code"]
    assert uploaded == before


def test_the_artifact_bucket_is_found_in_a_stacks_template(template: Template) -> None:
    text = template.with_code("a-bucket", {"Dispatcher": "a/key.zip"})

    assert code_bucket(text) == code_bucket(json.loads(text)) == "a-bucket"
    assert code_bucket("Resources: {}") is None


def test_every_default_of_the_template_fits_its_own_declaration(template: Template) -> None:
    template.check_all(template.with_defaults({"Model": "s3://a-bucket/model.pkl"}))


def test_the_rules_accept_exactly_the_sizes_that_check_advises(template: Template) -> None:
    rule = template.document["Rules"]["FargateHasTheSize"]
    sizes = {name: template.parameters[name].allowed for name in ("TaskCpu", "TaskMemory")}
    accepted = {
        (int(cpu), int(memory))
        for cpu in sizes["TaskCpu"]
        for memory in sizes["TaskMemory"]
        if not list(broken({"size": rule}, {"TaskCpu": cpu, "TaskMemory": memory}))
    }

    assert accepted == {(cpu, one) for cpu, memories in FARGATE_SIZES.items() for one in memories}


def test_every_problem_is_a_line(template: Template) -> None:
    with pytest.raises(SettingsError) as caught:
        template.check({"Sufixes": ".csv", "MaxTasks": "many", "LogDays": "2"})

    assert len(str(caught.value).splitlines()) == 3


def test_each_item_of_a_list_is_checked(template: Template) -> None:
    template.check({"Subnets": "subnet-0a1b, subnet-0c2d"})
    with pytest.raises(SettingsError, match="ids of subnets"):
        template.check({"Subnets": "subnet-0a1b,sg-1"})


def test_the_settings_that_the_template_sets_itself_are_known(template: Template) -> None:
    task = template.document["Resources"]["TaskDefinition"]["Properties"]
    (container,) = task["ContainerDefinitions"]
    entries = [one["Fn::If"][1] if "Fn::If" in one else one for one in container["Environment"]]

    names = {one["Name"] for one in entries if one["Name"].startswith(PREFIX)}
    assert names - {"WORKER_SETTINGS"} == SET_BY_TEMPLATE.keys()


@pytest.mark.parametrize("value", ["a b,c", "it's", '"', "\\", "$HOME", "{key}.out", "", "ä=b"])
def test_a_setting_is_kept_whatever_it_holds(value: str, template: Template) -> None:
    text = merge("", [f"KEEP_COLUMNS={value}", "MAX_REJECTED=0.1"], [])

    assert parse_settings(text) == {"WORKER_KEEP_COLUMNS": value, "WORKER_MAX_REJECTED": "0.1"}
    assert format_settings(parse_settings(text)) == text
    template.check({"WorkerSettings": text})


def test_a_setting_that_an_older_version_knew_can_be_unset() -> None:
    assert merge("GONE=1 MAX_REJECTED=0.1", [], ["GONE"]) == "MAX_REJECTED=0.1"


def test_the_zip_of_the_dispatcher_follows_from_its_sources_alone(tmp_path: Path) -> None:
    made = []
    for number, name in enumerate(("one", "two")):
        folder = tmp_path / name
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "__pycache__" / "handler.pyc").write_bytes(os.urandom(8))
        for file in ("handler.py", "__init__.py")[:: 1 - 2 * number]:
            (folder / file).write_text(f"# {file}\n")
        (folder / "handler.py").chmod(0o600 if number else 0o755)
        os.utime(folder / "handler.py", (number, number))
        made.append(zip_sources(folder))

    assert made[0] == made[1]
    assert made[0][0] == "d33816745e85be5e2500a54b482bb20570057f88cc65d7bbc00e5e3885651cc2"
