"""An event loop on real sockets whose clock a test can put forward: an hour takes no time."""

import asyncio

TURNS = 30


async def turns() -> None:
    """Let the loop turn until sockets of this machine have done what they can do."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


class ForwardLoop(asyncio.SelectorEventLoop):
    """Its clock runs as any other, and is ahead by as many seconds as a test asked for."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    async def put_forward(self, seconds: float) -> None:
        """Put the clock forward, and let everything happen that is due by then."""
        self.ahead += seconds
        await turns()
