"""One job: run within its limits, its output written, its message settled."""
