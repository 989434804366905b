"""The first import of the forkserver: what the libraries print while they load is no metric."""

from worker.pool.child import redirect_stdout

redirect_stdout()
