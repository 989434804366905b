"""All levels: garbage collections pass over what was imported and collected for the whole run.

Without this they take a third of the time that pytest needs to collect thousands of tests.
"""

import gc

gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
