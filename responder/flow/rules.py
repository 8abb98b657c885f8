"""What the settings say to steps. Reads nothing else."""

from __future__ import annotations

from responder import settings
from responder.steps import doors


def of(config: settings.Settings) -> doors.Rules:
    """The settings that steps need."""
    zones = {
        name: doors.Zone(name=name, subscription_id=zone.subscription, resource_group=zone.resource_group, ttl=zone.ttl)
        for name, zone in config.dns_zones.items()
    }
    return doors.Rules(
        policy=config.policy(),
        resource_groups=config.restore.resource_groups,
        zones=zones,
        poll=config.restore.poll,
        retry=config.restore.retry,
    )
