from tests.support.template import TEMPLATE
from tidegate.offline.task_size import FARGATE_SIZES, MIB, TaskSize, task_size

GIB = 1024 * MIB


def test_the_sizes_are_those_that_the_template_accepts() -> None:
    (rule,) = TEMPLATE["Rules"]["FargateHasTheSize"]["Assertions"]
    accepted: dict[int, tuple[int, ...]] = {}
    for both in rule["Assert"]["Fn::Or"]:
        (_, cpu), memory = both["Fn::And"][0]["Fn::Equals"], both["Fn::And"][1]
        values = memory["Fn::Contains"][0] if "Fn::Contains" in memory else memory["Fn::Equals"][1:]
        accepted[int(cpu)] = tuple(map(int, values))

    assert accepted == FARGATE_SIZES


def test_a_small_model_fits_into_the_smallest_task_of_one_cpu() -> None:
    assert task_size(300 * MIB, 512) == TaskSize(1024, 2048, round(1.15 * (150 + 300 + 512)))


def test_a_larger_model_gets_more_memory_first() -> None:
    size = task_size(5 * GIB, 512)

    assert size is not None
    assert (size.cpu, size.memory_mib) == (1024, 7168)


def test_with_more_cpu_each_core_has_a_process_with_the_model() -> None:
    size = task_size(3 * GIB, 512, cpu=2048)

    assert size is not None
    assert (size.cpu, size.memory_mib) == (2048, 8192)
    assert size.needed_mib > 2 * 3 * 1024


def test_no_task_is_found_for_a_model_that_fits_into_none() -> None:
    assert task_size(200 * GIB, 512) is None
