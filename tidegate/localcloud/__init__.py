"""The local cloud: MiniStack, a small Fargate, and where the emulator differs from AWS."""
