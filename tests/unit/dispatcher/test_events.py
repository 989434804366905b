"""Which events become which messages."""

from typing import Any

import pytest

from dispatcher.handler import Settings, SettingsError, UnknownEvent, handler
from tests.support.fakes.dispatcher import ENVIRONMENT, World, decisions, eventbridge, record

NATIVE_OBJECT = {
    "key": "dir/iris.csv",
    "size": 1024,
    "eTag": "d41d8cd98f00b204e9800998ecf8427e",
    "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
    "sequencer": "0055AED6DCD90281E5",
}
DESCRIBED = {
    "bucket": "in",
    "key": "dir/iris.csv",
    "output_bucket": "out",
    "output_key": "predictions",
    "version_id": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
    "etag": "d41d8cd98f00b204e9800998ecf8427e",
    "size": 1024,
    "sequencer": "0055AED6DCD90281E5",
}


def keys(world: World) -> list[str]:
    return [body["key"] for body in world.sqs.bodies]


def test_every_record_of_an_event_becomes_a_message() -> None:
    world = World()

    world.upload("a.csv", "b.csv", "c.csv")

    assert keys(world) == ["a.csv", "b.csv", "c.csv"]


def test_a_native_record_has_version_etag_size_and_sequencer() -> None:
    world = World()
    native = record("")
    native["s3"]["object"] = NATIVE_OBJECT

    world.handle({"Records": [native]})

    assert world.sqs.bodies == [DESCRIBED]


def test_an_eventbridge_event_has_version_etag_size_and_sequencer() -> None:
    world = World()
    renamed = {"eTag": "etag", "versionId": "version-id"}
    known = {renamed.get(name, name): value for name, value in NATIVE_OBJECT.items()}
    key = str(known.pop("key"))

    world.handle(eventbridge(key, known))

    assert world.sqs.bodies == [DESCRIBED]


def test_facts_that_the_event_lacks_are_left_out_of_the_message() -> None:
    world = World()

    world.handle(eventbridge("a.csv", {"version-id": "", "size": 0}))

    assert world.sqs.bodies == [
        {
            "bucket": "in",
            "key": "a.csv",
            "output_bucket": "out",
            "output_key": "predictions",
            "size": 0,
        }
    ]


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("my+file%2B1.csv", "my file+1.csv"),
        ("my%252Bfile.csv", "my%2Bfile.csv"),
        ("100%25+sure.csv", "100% sure.csv"),
        ("%C3%BCber/%E6%BD%AE.csv", "über/潮.csv"),
    ],
)
def test_native_keys_are_decoded_exactly_once(encoded: str, key: str) -> None:
    world = World()
    native = record("")
    native["s3"]["object"]["key"] = encoded

    world.handle({"Records": [native]})

    assert keys(world) == [key]


def test_eventbridge_keys_are_taken_as_they_are() -> None:
    world = World()

    world.handle(eventbridge("my+file%2B1.csv"))

    assert keys(world) == ["my+file%2B1.csv"]


@pytest.mark.parametrize("kind", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_every_way_to_create_an_object_is_a_job(kind: str) -> None:
    world = World()

    world.handle({"Records": [record("a.csv", event=f"ObjectCreated:{kind}")]})

    assert keys(world) == ["a.csv"]


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "in"}, "s3:TestEvent"),
        *(
            ({"Records": [record("a.csv", event=name)]}, name)
            for name in (
                "ObjectRemoved:Delete",
                "ObjectRemoved:DeleteMarkerCreated",
                "ObjectRestore:Completed",
                "ObjectTagging:Put",
                "ObjectAcl:Put",
                "LifecycleExpiration:Delete",
                "LifecycleTransition",
                "IntelligentTiering",
                "Replication:OperationFailedReplication",
                "ReducedRedundancyLostObject",
                "s3:ObjectRemoved:Delete",
            )
        ),
        *(
            (eventbridge("a.csv", kind=name), name)
            for name in (
                "Object Deleted",
                "Object Restore Initiated",
                "Object Restore Completed",
                "Object Restore Expired",
                "Object Tags Added",
                "Object Tags Deleted",
                "Object ACL Updated",
                "Object Storage Class Changed",
                "Object Access Tier Changed",
            )
        ),
    ],
    ids=str,
)
def test_an_event_that_is_no_creation_is_logged_and_ignored_by_name(
    event: dict[str, Any], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()

    world.handle(event)

    assert world.calls.made == []
    (line,) = decisions(capsys)
    assert (line["decision"], line["why"]) == ("ignored", f"no job: {name}")


@pytest.mark.parametrize(
    "event",
    [
        {"Records": [record("a.csv", event="ObjectRenamed:Put")]},
        {"Records": [{"eventSource": "aws:dynamodb", "eventName": "INSERT"}]},
        {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}]},
        {"Records": [None]},
        {"Records": []},
        {"Records": "none"},
        eventbridge("a.csv", kind="AWS API Call via CloudTrail"),
        {"source": "aws.s3", "detail-type": "Object Created", "detail": {}},
        {"source": "of.another", "detail-type": "Object Created", "detail": {}},
        {"source": "aws.ecs", "detail-type": "ECS Task State Change"},
        {"source": "aws.ec2", "detail": {"lastStatus": "STOPPED"}},
        {},
        [],
        "s3:TestEvent",
        None,
    ],
    ids=str,
)
def test_an_event_that_is_not_known_raises_so_that_it_is_kept(
    event: object, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()

    with pytest.raises(UnknownEvent, match="neither handled nor ignored by name"):
        world.handle(event)

    assert world.calls.made == []
    assert [line["decision"] for line in decisions(capsys)] == ["unknown event"]


def test_an_unknown_record_does_not_keep_the_others_from_their_messages() -> None:
    world = World()

    with pytest.raises(UnknownEvent, match="colour"):
        world.handle({"Records": [{"colour": "blue"}, record("a.csv"), {}, record("b.csv")]})

    assert keys(world) == ["a.csv", "b.csv"]
    assert world.ecs.running


def test_the_error_of_a_large_unknown_event_is_short() -> None:
    with pytest.raises(UnknownEvent) as error:
        World().handle({"colour": "blue" * 100_000})

    assert len(str(error.value)) < 2000


@pytest.mark.parametrize("key", ["dir/", "dir/_SUCCESS", "notes.csv.txt", "csv"])
def test_folders_and_other_suffixes_are_no_jobs(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()

    world.upload(key)

    assert world.calls.made == []
    assert decisions(capsys)[0]["key"] == key


def test_a_suffix_is_known_in_capitals_too() -> None:
    world = World()

    world.upload("EXPORT.CSV")

    assert keys(world) == ["EXPORT.CSV"]


def test_without_suffixes_everything_but_folders_is_a_job() -> None:
    world = World(suffixes="")

    world.upload("_SUCCESS", "dir/", "data")

    assert keys(world) == ["_SUCCESS", "data"]


@pytest.mark.parametrize("prefix", ["predictions", "predictions/"])
def test_in_a_shared_bucket_its_own_outputs_are_no_jobs(prefix: str) -> None:
    world = World(output_key=prefix)
    landed = [
        "predictions/a.csv",
        "predictions/x/b.csv",
        "predictions-old/c.csv",
        "predictions.csv",
    ]

    world.handle({"Records": [record(key, bucket="out") for key in landed]})

    assert keys(world) == ["predictions-old/c.csv", "predictions.csv"]
    assert {body["output_key"] for body in world.sqs.bodies} == {"predictions"}


def test_the_output_prefix_in_another_bucket_is_a_job() -> None:
    world = World()

    world.upload("predictions/a.csv")

    assert keys(world) == ["predictions/a.csv"]


def test_without_an_output_prefix_everything_in_the_output_bucket_is_an_output() -> None:
    world = World(output_key="")

    world.handle({"Records": [record("a.csv", bucket="out"), record("b.csv")]})

    assert keys(world) == ["b.csv"]
    assert world.sqs.bodies[0]["output_key"] == ""


def test_only_what_is_below_the_input_prefix_is_a_job() -> None:
    world = World(input_prefix="in/")

    world.upload("in/a.csv", "inside.csv", "b.csv", "other/in/c.csv")

    assert keys(world) == ["in/a.csv"]


def test_in_a_shared_bucket_with_two_prefixes_no_output_is_a_job() -> None:
    world = World(input_prefix="in/", output_key="out")
    landed = ["in/a.csv", "out/a.csv", "out/in/b.csv", "elsewhere/c.csv"]

    world.handle({"Records": [record(key, bucket="out") for key in landed]})

    assert keys(world) == ["in/a.csv"]


def test_settings_are_read_with_their_lists() -> None:
    settings = Settings.from_environment(ENVIRONMENT | {"DISPATCHER_SUFFIXES": ".CSV, .parquet,"})

    assert settings.suffixes == (".csv", ".parquet")
    assert settings.subnets == ("subnet-1", "subnet-2")
    assert settings.max_tasks == 4


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_setting_is_named(name: str) -> None:
    rest = {key: value for key, value in ENVIRONMENT.items() if key != name}

    with pytest.raises(SettingsError, match=f"not set: {name}$"):
        Settings.from_environment(rest)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISPATCHER_MAX_TASKS", "0"),
        ("DISPATCHER_MAX_TASKS", "many"),
        ("DISPATCHER_MESSAGES_PER_TASK", "-1"),
        ("DISPATCHER_CAPACITY", "EC2"),
        ("DISPATCHER_ASSIGN_PUBLIC_IP", "yes"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment(ENVIRONMENT | {name: value})


def test_the_function_names_its_missing_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(SettingsError, match="DISPATCHER_QUEUE_URL, DISPATCHER_INPUT_PREFIX"):
        handler({}, None)
