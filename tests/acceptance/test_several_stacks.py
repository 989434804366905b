"""docs/several-stacks.md: its commands are run in order, and print what the page shows."""

from collections.abc import Iterator
from pathlib import Path

import joblib
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from tests.support.pages import LEFT_OUT, commands_of, matches
from tests.support.template import ROOT
from tests.support.terminal import Terminal
from tidegate.localcloud.system import System

PAGE = (ROOT / "docs" / "several-stacks.md").read_text(encoding="utf-8")
STACKS = ("flowers", "churn", "churn-staging")
MODELS = {"flowers": 1.0, "churn-1": 2.0, "churn-2": 3.0}  # an age is predicted times so much


@pytest.fixture
def terminal(tmp_path: Path, system: System) -> Iterator[Terminal]:
    """A terminal in a folder with three models and a file."""
    typed = Terminal.at(tmp_path, system.cloud)
    for name, factor in MODELS.items():
        train(typed.folder / f"{name}.pkl", factor)
    (typed.folder / "new.csv").write_text("id,age,visits\na,30,2\nb,40,4\n")
    yield typed
    for stack in STACKS:
        system.cloud.client("cloudformation").delete_stack(StackName=stack)


def train(path: Path, factor: float) -> None:
    rows = pd.DataFrame({"age": range(100), "visits": 3})
    joblib.dump(DecisionTreeRegressor().fit(rows, rows["age"] * factor), path)


async def test_the_commands_of_the_page_print_what_it_shows(
    system: System, terminal: Terminal
) -> None:
    for command, expected in commands_of(PAGE):
        if "--build-arg" in command:
            terminal.environment["BEFORE"] = image_tag(system, "churn")
        stop_workers(system)  # as if they had been idle for a minute
        ran = await terminal.run(command)

        printed = iter(ran.printed.splitlines())
        shown = [line for line in expected if line != LEFT_OUT]
        missing = [line for line in shown if not any(matches(line, one) for one in printed)]
        assert missing == [], f"{command}\n{ran.printed}"
    assert image_tag(system, "churn") == terminal.environment["BEFORE"]


def stop_workers(system: System) -> None:
    ecs = system.cloud.client("ecs")
    for cluster in ecs.list_clusters()["clusterArns"]:
        for task in ecs.list_tasks(cluster=cluster)["taskArns"]:
            ecs.stop_task(cluster=cluster, task=task)


def image_tag(system: System, stack: str) -> str:
    described = system.cloud.client("cloudformation").describe_stacks(StackName=stack)
    parameters = described["Stacks"][0]["Parameters"]
    (tag,) = (one["ParameterValue"] for one in parameters if one["ParameterKey"] == "ImageTag")
    return str(tag)
