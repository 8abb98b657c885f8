"""What may happen to one server, for the tests that kill the daemon at its writes. Every shipped playbook is in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from responder.core import restores
from tests.scenarios import night as nights

DONE = {"PUT": 0, "PATCH": 0, "DELETE": 0, "SET": 0, "CNAME": 0}


@dataclass(frozen=True, kw_only=True)
class Course:
    """What happens to one server, and what it comes to."""

    server: Mapping[str, Any]
    region: str = "northeurope"
    """Of which only East US 2 is down in the local Azure; elsewhere servers answer as soon as anybody looks again."""
    back_at: tuple[str, ...] = ()
    """Steps at which the daemon looks again."""
    resolved: bool = False
    """Azure says then that it is over."""
    restore_p95: str = "5h"
    groups: bool = True
    """Copies have a resource group to go to."""
    ends_with: str = "geo-restore"
    everywhere: bool = False
    """Killed just after every commit, too."""
    starts: str = ""
    """A playbook that somebody starts by hand, with no outage known."""
    params: Mapping[str, Any] = field(default_factory=dict)
    spell_at: str = ""
    """A step before which the server answered once more, an hour ago."""
    approved_at: str = ""
    """A step at which somebody says yes."""
    other: str = ""
    """What else there is in the cloud: a `replica` of the server, or a `copy` that an earlier run has left."""
    login: bool = False
    """The settings name a login, which a new server gets. Nobody is let in by it here."""
    does: Mapping[str, int]
    """Creates, promotions, deletes, settings of copies, and DNS writes."""


CUT_OVER = {
    "waits, then restores, then cuts over": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "auto"}, region=nights.EAST, restore_p95="30m",
        everywhere=True, does={**DONE, "PUT": 1, "PATCH": 1, "CNAME": 1},
    ),
    "it came back for a while, so a newer copy takes the place of the older": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "auto", "hedge": "eager"}, region=nights.EAST, restore_p95="30m",
        spell_at="hold", does={**DONE, "PUT": 2, "PATCH": 1, "DELETE": 1, "CNAME": 1},
    ),
}  # fmt: skip
RETURNING = {
    "the region returns while the copy is held": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "auto", "kind": "single", "sku": "GP_Gen5_4", "version": "11"},
        back_at=("hold", "discard", "tell-discarded"), does={**DONE, "PUT": 1, "DELETE": 1},
    ),
    "the server answers at the very last moment": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "auto"},
        back_at=("cut-over", "discard-late", "tell-discarded-late"), does={**DONE, "PUT": 1, "DELETE": 1},
    ),
    "waits until it is over": Course(
        server={"owner": "team-wiki"}, back_at=("watch", "tell-over"), resolved=True, ends_with="wait-it-out",
        does=DONE,
    ),
    "the restore fails for good, and it is waited out": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "auto"}, back_at=("watch", "tell-over"), resolved=True,
        groups=False, ends_with="wait-it-out", does=DONE,
    ),
}  # fmt: skip
BY_HAND = {
    "a replica is promoted": Course(
        server={"rto": "4h", "rpo": "1h", "cutover": "ask"}, region=nights.EAST, starts="promote-replica",
        approved_at="hold", other="replica", ends_with="promote-replica", does={**DONE, "PATCH": 2, "CNAME": 1},
    ),
    "a server is restored as it was": Course(
        server={}, starts="point-in-time-restore", ends_with="point-in-time-restore",
        does={**DONE, "PUT": 1, "SET": 2},
    ),
    "a restore is rehearsed": Course(
        server={}, starts="drill", ends_with="drill", does={**DONE, "PUT": 1, "DELETE": 1},
    ),
    "a copy that was left behind is thrown away": Course(
        server={}, starts="discard-copy", other="copy", ends_with="discard-copy", does={**DONE, "DELETE": 1},
    ),
    "a server moves into one with geo-redundant backup": Course(
        server={"geo_backup": False}, starts="migrate-to-geo-redundant", approved_at="hold", login=True,
        ends_with="migrate-to-geo-redundant", does={**DONE, "PUT": 1, "PATCH": 1},
    ),
    "the way back is planned": Course(
        server={}, starts="failback-plan", ends_with="failback-plan", does=DONE,
    ),
}  # fmt: skip

ALL = {**CUT_OVER, **RETURNING, **BY_HAND}


def others_of(course: Course, name: str) -> list[dict[str, Any]]:
    """What the estate has besides the server."""
    if course.other == "replica":
        return [{"name": f"{name}-r", "region": "westus3", "resource_group": "rg-dns", "replica_of": name}]
    if course.other == "copy":
        source = (
            f"/subscriptions/{nights.SUBSCRIPTION}/resourcegroups/rg-data-europe"
            f"/providers/microsoft.dbforpostgresql/flexibleservers/{name}"
        )
        tags = {restores.CREATED_BY_TAG: restores.CREATED_BY, restores.SOURCE_TAG: source}
        home = {"region": "northeurope", "resource_group": "rg-data-europe"}
        return [{"name": f"{name}-pit-0123abcd", "tags": tags, **home}]
    return []
