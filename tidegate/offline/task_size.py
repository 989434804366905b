"""The size of the Fargate task that a worker needs, from what a model and its files took here."""

from dataclasses import dataclass

MIB = 1 << 20
PARENT_MIB = 150  # the worker's own process, which loads no library for data
SPARE = 1.15  # a sum of peaks, and what the container's system needs

# The parameters TaskCpu and TaskMemory that the template accepts together.
FARGATE_SIZES: dict[int, tuple[int, ...]] = {
    256: (2048,),
    512: (2048, 3072, 4096),
    1024: (2048, 3072, 4096, 5120, 6144, 7168, 8192),
    2048: (4096, 5120, 6144, 7168, 8192, 12288, 16384),
    4096: (8192, 12288, 16384, 24576),
    8192: (16384, 24576, 32768),
    16384: (32768, 65536),
}
ONE_CPU = 1024


@dataclass(frozen=True, slots=True)
class TaskSize:
    """A task: its parameters in the template, and the memory that a worker in it may need."""

    cpu: int
    memory_mib: int
    needed_mib: int


def task_size(peak_bytes: int, held_mib: int, cpu: int = ONE_CPU) -> TaskSize | None:
    """Return the smallest task in which a worker has enough memory; None if there is none.

    `peak_bytes` is the most that one process took to load the model and to predict; a worker has
    one such process for each of its cores. `held_mib` is WORKER_MEMORY_MB: the parts of files that
    it holds. The answer is the smallest memory with that CPU, or else with more CPU.
    """
    for size, memories in FARGATE_SIZES.items():
        if size < cpu:
            continue
        processes = max(1, size // ONE_CPU)
        needed = SPARE * (PARENT_MIB + processes * peak_bytes / MIB + held_mib)
        for memory in memories:
            if needed <= memory:
                return TaskSize(size, memory, round(needed))
    return None
