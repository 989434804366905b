import pytest

from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.contenders import Contender
from benchmarks.harness.drain import drain
from benchmarks.scenarios.small_files import output_check, upload_inputs
from tests.support.scenario import model_file
from tidegate.localcloud.system import System


@pytest.fixture(scope="module")
def bench(system: System, tmp_path_factory: pytest.TempPathFactory) -> BenchCloud:
    return BenchCloud(system.cloud, tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize("module", ["worker", "benchmarks.opponents.floor"])
def test_a_contender_drains_the_queue_and_predicts_what_the_model_does(
    bench: BenchCloud, module: str
) -> None:
    model = model_file(bench.folder)
    contender = Contender("contender", module)
    drained = drain(bench, contender, upload_inputs(bench, 5), model, output_check(model))
    assert drained.cpu_seconds > 0
    assert drained.peak_bytes > 0
