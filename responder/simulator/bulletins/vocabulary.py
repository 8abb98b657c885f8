"""The words of Service Health: kinds, stages, levels, and the permanent ids of services. Facts only, no behaviour."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["incident", "maintenance", "advisory", "security"]
Level: TypeAlias = Literal["Critical", "Error", "Warning", "Informational"]
Status: TypeAlias = Literal["", "Active", "Resolved"]
Stage: TypeAlias = Literal[
    "", "Active", "Resolved", "RCA", "Planned", "InProgress", "Canceled", "Rescheduled", "Complete"
]

LEVELS: tuple[Level, ...] = ("Critical", "Error", "Warning", "Informational")
"""From the worst down."""


class Words(NamedTuple):
    """What one kind is called on each channel."""

    incident_type: str
    """`incidentType` of the push channels."""
    event_type: str
    """`eventType` of the events operation."""
    operation: str
    """In `Microsoft.ServiceHealth/{operation}/action`."""
    stages: tuple[Stage, ...]
    """The first is the one it starts in."""
    stage_when_resolved: Stage


# https://learn.microsoft.com/azure/service-health/service-health-event-properties
# Only the operation names of incidents and maintenance are published; the other two follow their pattern.
KINDS: dict[Kind, Words] = {
    "incident": Words("Incident", "ServiceIssue", "incident", ("Active", "Resolved", "RCA"), "Resolved"),
    "security": Words("Security", "SecurityAdvisory", "security", ("Active", "Resolved", "RCA"), "Resolved"),
    "advisory": Words("Informational", "HealthAdvisory", "informational", ("Active",), "Active"),
    "maintenance": Words(
        "Maintenance",
        "PlannedMaintenance",
        "maintenance",
        ("Planned", "Active", "InProgress", "Canceled", "Rescheduled", "Resolved", "Complete"),
        "Complete",
    ),
}

OVER: frozenset[Stage] = frozenset({"Resolved", "RCA", "Canceled", "Complete"})
"""Stages whose status is Resolved."""

SERVICE_GUIDS: dict[str, str] = {
    "Azure Database for PostgreSQL flexible servers": "3095259c-51a6-44dd-a4ac-848e34b3f75a",
    "Azure Database for PostgreSQL": "d983ae36-3b4b-426a-b91b-a7d780cf9c3c",
    "Azure Database for MySQL flexible servers": "721446db-7ad4-4ad4-8e3a-a6f7116536ab",
    "Virtual Machines": "83c0c143-1bef-482f-9d84-749914effe8f",
    "Storage Accounts": "67402cc3-30f9-4a42-a9ec-e673eb69ec95",
    "Storage": "67402cc3-30f9-4a42-a9ec-e673eb69ec95",
    "Network Infrastructure": "29b3a339-1451-4e30-a90c-ac8f212f456a",
    "Virtual Network": "e47bb3da-1f1c-43a0-ac52-01c2db7da60d",
    "Load Balancer": "244b7968-45ac-4390-b067-6b6ef0d9436e",
    "Azure DNS": "b4ecf4c3-278d-4d5e-88d4-0b54a320c483",
    "Key Vault": "3cc13ff2-fb8d-4867-bd9b-e79c31b4e9fe",
    "Azure Service Fabric": "0b1b8d1d-a623-49af-b9cf-653925d81adb",
    "Event Hubs": "26eb5c3a-c0ac-4004-89c8-19f2ba943495",
    "App Service": "75a8fc46-5105-4973-9aff-d070081824b4",
}
"""Display name to permanent id, from the metadata operation of Resource Health (2026-07). Old names of renamed services
are kept: events use them still."""
