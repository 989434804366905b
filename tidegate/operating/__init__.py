"""A stack from day to day: what it does, which files failed and why, and how they go again."""
