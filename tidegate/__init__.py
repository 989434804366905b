"""The `tidegate` command, and the local cloud that its demo runs on."""
