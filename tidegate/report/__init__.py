"""The report of a run: gathered from its record, failures and log lines, rendered as one page."""
