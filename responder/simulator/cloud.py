"""One simulated cloud as somebody outside Azure's protocols acts on it: regions, bulletins, faults.

What a scenario plays on and what the control endpoint turns. It serves no requests and starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from responder.simulator import publisher, scenarios, switches
from responder.simulator import world as worlds


class Cloud:
    """The levers, and when they were last pulled."""

    def __init__(self, world: worlds.World, publishing: publisher.Publisher, faults: switches.Switches) -> None:
        self.landmarks: dict[scenarios.Landmark, datetime] = {}
        """When a region last went down, and when one last came back."""
        self._world = world
        self._publisher = publishing
        self._switches = faults

    def now(self) -> datetime:
        """The time, aware, UTC."""
        return self._world.now()

    async def take_region_down(self, region: str) -> None:
        """Its control plane and its servers stop answering. Marks the moment of the first failure, not of the last."""
        if not self._world.region_down(region):
            self.landmarks["region_down"] = self.now()
        await self._world.take_region_down(region)

    async def bring_region_up(self, region: str) -> None:
        """Everything in it answers again. Marks the moment when the last server does."""
        if self._world.region_down(region):
            await self._world.bring_region_up(region)
            self.landmarks["region_up"] = self.now()

    def publish(
        self, described: scenarios.Bulletin, channels: Sequence[str], *, times: int = 1
    ) -> tuple[publisher.Delivery, ...]:
        """Publish a bulletin as of now, to each subscription it goes to.

        Raises ValueError, before anything is delivered, when a channel does not exist or a landmark was never passed.
        """
        subscriptions = tuple(str(subscription.id) for subscription in self._world.estate.subscriptions)
        told = described.published(self.now(), subscription_ids=subscriptions, landmarks=self.landmarks)
        return tuple(d for one in told for d in self._publisher.publish(one, channels, times=times))

    async def arm(self, kind: str, arguments: Mapping[str, Any]) -> None:
        """Arm a fault by its name in `switches`. Raises LookupError or ValueError."""
        await self._switches.arm(kind, arguments)
