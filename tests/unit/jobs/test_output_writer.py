"""Rejected rows beside their output: there before it, of the same version, and gone with it."""

from tests.support.fakes.worker import Cloud, output

REJECTED = "p/a.csv.rejected.csv"


async def test_rejected_rows_are_there_before_their_output() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", b"bad")
    await cloud.work()
    written = [uri.key for name, uri in cloud.storage.calls if name == "put"]
    assert written == [REJECTED, "p/a.csv"]
    assert cloud.storage.metadata(output("a.csv"))["rejected"] == "1"


async def test_rejected_rows_of_an_older_version_do_not_outlive_it() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", b"bad", sequencer="01")
    await cloud.work()
    cloud.submit("a.csv", b"good", sequencer="02")
    await cloud.work()
    assert cloud.outputs() == {"p/a.csv": b"GOOD", REJECTED: b"line,reason,row\n"}


async def test_rejected_rows_of_the_newer_version_stay_whatever_the_order() -> None:
    cloud = Cloud()
    for content, sequencer in ((b"very bad", "02"), (b"good", "01")):
        cloud.submit("a.csv", content, sequencer=sequencer)
        await cloud.work()
    assert cloud.outputs() == {
        "p/a.csv": b"VERY BAD",
        REJECTED: b"line,reason,row\n1,bad,bad\n",
    }


async def test_what_stands_in_the_place_of_rejected_rows_is_not_touched() -> None:
    cloud = Cloud()
    somebodys = output("a.csv.rejected.csv")
    cloud.storage.add(somebodys, b"somebody's")
    for content, sequencer in ((b"fine", "01"), (b"good", "02")):
        cloud.submit("a.csv", content, sequencer=sequencer)
        await cloud.work()
    assert cloud.outputs() == {"p/a.csv": b"GOOD", somebodys.key: b"somebody's"}
