"""Run a command beside busy loops: `python -m tests.support.busy_loops 16 make test`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

# Between two looks at its parent a loop counts for about a hundredth of a second. A loop whose
# parent was killed ends by itself.
LOOP = """
import os
while os.getppid() == {parent}:
    for _ in range(100_000):
        pass
"""


def main(arguments: list[str]) -> int:
    """Run the command beside so many busy loops, and return the command's exit status."""
    count, *command = arguments
    with ExitStack() as loops:
        for _ in range(int(count)):
            loops.enter_context(busy_loop())
        # Ctrl-C reaches the command too. This process waits for its end, and passes SIGTERM on.
        signal.signal(signal.SIGINT, lambda *_: None)
        with subprocess.Popen(command) as running:  # noqa: S603 - the command as it was typed
            signal.signal(signal.SIGTERM, lambda *_: running.terminate())
            return running.wait()


@contextmanager
def busy_loop() -> Iterator[None]:
    """Keep one core busy for the length of the block."""
    code = LOOP.format(parent=os.getpid())
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", code],
        process_group=0,  # Ctrl-C is for the command; the loops share the command's session
    ) as process:
        try:
            yield
        finally:
            process.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
