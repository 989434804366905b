"""The first import of the forkserver: prepares its process for the imports that follow.

What the libraries print while they load is no metric. A collection of garbage would find none, and
collections take a tenth of the imports' time. The pool processes collect theirs.
"""

import gc

from worker.pool.child import redirect_stdout
from worker.pool.freed_memory import keep_freed_memory

redirect_stdout()
keep_freed_memory()  # the pool processes inherit this
gc.disable()
