"""All levels: Ctrl-C works, and garbage collections pass over what was collected for the whole run.

Without the latter they take a third of the time that pytest needs to collect thousands of tests.
"""

import gc
import signal

gc.disable()
# What a shell starts in the background ignores it, and so would all processes of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
