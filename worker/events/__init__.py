"""Events on EventBridge: the client, and the batches in which events are sent."""
