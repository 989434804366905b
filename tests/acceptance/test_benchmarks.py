import pytest

from benchmarks.contenders import Contender
from benchmarks.drain import drain
from benchmarks.small_files import checker, inputs
from benchmarks.stage import Stage
from tests.support.scenario import model_file
from tidegate.localcloud.system import System


@pytest.fixture(scope="module")
def stage(system: System, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(system.cloud, tmp_path_factory.mktemp("stage"))


@pytest.mark.parametrize("module", ["worker", "benchmarks.opponents.floor"])
def test_a_contender_drains_the_queue_and_predicts_what_the_model_does(
    stage: Stage, module: str
) -> None:
    model = model_file(stage.folder)
    contender = Contender("contender", module)
    drained = drain(stage, contender, inputs(stage, 5), model, checker(model))
    assert drained.cpu_seconds > 0
    assert drained.peak_bytes > 0
