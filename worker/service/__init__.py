"""The worker as a whole: start-up, wiring, run, shutdown, watchdog."""
