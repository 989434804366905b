"""The worker's image with the caller's libraries and code: prepared, built, checked, pushed."""
