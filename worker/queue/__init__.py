"""Messages: received, leased, buffered, deleted or made visible again."""
