"""The command people type, and the local cloud that its demo runs on."""
