"""Files that failed: their reports and dead letters joined, grouped, and submitted again."""
