"""Brakes as rows: freezes, runs with an effect under way, restores of a wave, Azure's budgets. Holds nobody itself."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from responder.core import announcements, brakes, outages, runs, servers
from responder.store import audit, audited, codec, database, outbox


class Brakes:
    """Who holds which brake, and what the caps count."""

    def __init__(self, base: database.Database) -> None:
        self._base = base

    async def freeze(self, freeze: brakes.Freeze, news: Sequence[announcements.Announcement] = ()) -> bool:
        """Hold a brake. One of the same scope that stands is replaced: a second word changes reason and end.

        Returns:
            Whether it is news: False when ours is held already and the same is asked again by ourselves.
        """
        return await self._base.execute_transaction(lambda c: _freeze(c, freeze, news))

    async def lift(
        self, scopes: Sequence[brakes.Scope], *, by: str, why: str, at: datetime,
        news: Sequence[announcements.Announcement] = (),
    ) -> int:  # fmt: skip
        """Let go of these scopes, and make the runs that wait for it due. Returns how many freezes were lifted."""
        return await self._base.execute_transaction(lambda c: _lift(c, scopes, (by, why, at), news))

    async def standing(self, now: datetime) -> builtins.list[brakes.Freeze]:
        """All that stand, oldest first."""
        rows = await self._base.rows(_STANDING, {"now": codec.stamp(now)})
        return [_of(row) for row in rows]

    async def run_out(self, now: datetime) -> builtins.list[brakes.Freeze]:
        """Those whose time is over and that nobody has lifted."""
        rows = await self._base.rows(_RUN_OUT, {"now": codec.stamp(now)})
        return [_of(row) for row in rows]

    async def let_go_at(self, scope: brakes.Scope) -> datetime | None:
        """When a scope was last let go; None: never."""
        sql = "SELECT MAX(lifted_at) AS at FROM freezes WHERE kind = :kind AND name = :name"
        row = await self._base.row(sql, {"kind": scope.kind.value, "name": scope.name})
        return codec.moment_or_none(row["at"]) if row else None

    async def take_place(self, run: runs.Run, place: brakes.Place, caps: brakes.Caps, at: datetime) -> str:
        """Note that a run begins an effect, if the caps have room for one more; again for the same run is once.

        Returns:
            Empty: begin. Else the cap that is reached, in a sentence. Under an old fence nothing is noted, and the
            write of the intent will be refused.
        """
        return await self._base.execute_transaction(lambda c: _take_place(c, run, place, caps, codec.stamp(at)))

    async def under_way(self) -> dict[str, int]:
        """Runs with an effect under way, by region."""
        rows = await self._base.rows("SELECT region, COUNT(*) AS n FROM under_way GROUP BY region ORDER BY region")
        return {row["region"]: int(row["n"]) for row in rows}

    async def under_way_of(self) -> dict[str, int]:
        """The same, by subscription."""
        rows = await self._base.rows(_BY_SUBSCRIPTION)
        return {row["subscription"]: int(row["n"]) for row in rows}

    async def waiting(self) -> dict[str, int]:
        """Runs that have not ended, by what they wait for; `nothing`: they are due."""
        return {row["waits"]: int(row["n"]) for row in await self._base.rows(_WAITING)}

    async def told(self) -> builtins.list[runs.RunId]:
        """Runs that have not ended and that somebody paused or held, whether or not they were let go since."""
        return [row["run_id"] for row in await self._base.rows(_TOLD)]

    async def restores(self, outage: outages.OutageId, since: datetime | None, limit: int) -> builtins.list[bool]:
        """Whether each of the newest restores of an outage failed, newest first; without those under way."""
        wanted = {"outage": outage, "since": codec.stamp(since) or "", "limit": limit}
        rows = await self._base.rows(_RESTORES, wanted)
        return [brakes.is_failure(codec.load(row["body"], runs.StepRecord)) for row in rows]

    async def past(
        self, since: datetime, only_look: Collection[str]
    ) -> dict[servers.ServerId, builtins.list[brakes.Past]]:
        """Runs that have acted and ended since, by server.

        Args:
            only_look: step kinds that make, move and remove nothing.
        """
        found: dict[servers.ServerId, builtins.list[brakes.Past]] = {}
        for row in await self._base.rows(_PAST, {"since": codec.stamp(since), "looks": codec.listed(only_look)}):
            one = brakes.Past(
                run_id=row["id"],
                ended_at=codec.moment(row["ended_at"]),
                failed=row["state"] == runs.State.FAILED,
                cut_over=bool(row["cut_over"]),
            )
            found.setdefault(row["server_id"], []).append(one)
        return found


_BY_SUBSCRIPTION = "SELECT subscription, COUNT(*) AS n FROM under_way GROUP BY subscription ORDER BY subscription"
_WAITING = """
    SELECT CASE WHEN state = 'ready' THEN 'nothing' ELSE COALESCE(waiting_for, 'time') END AS waits, COUNT(*) AS n
    FROM runs WHERE state IN ('ready', 'waiting') GROUP BY 1 ORDER BY 1
"""
_TOLD = """
    SELECT DISTINCT signals.run_id FROM signals JOIN runs ON runs.id = signals.run_id
    WHERE signals.topic IN ('pause', 'hold') AND runs.state IN ('ready', 'waiting') ORDER BY signals.run_id
"""
_STANDING = "SELECT * FROM freezes WHERE lifted_at IS NULL AND (until IS NULL OR until > :now) ORDER BY id"
_RUN_OUT = "SELECT * FROM freezes WHERE lifted_at IS NULL AND until <= :now ORDER BY id"
_REPLACE = """
    UPDATE freezes SET lifted_at = :at, lifted_by = :by, lifted_why = 'replaced'
    WHERE lifted_at IS NULL AND kind = :kind AND name = :name
"""
_FREEZE = """
    INSERT INTO freezes (kind, name, by, reason, since, until) VALUES (:kind, :name, :by, :reason, :at, :until)
"""
_LIFT = """
    UPDATE freezes SET lifted_at = :at, lifted_by = :by, lifted_why = :why
    WHERE lifted_at IS NULL AND kind = :kind AND name = :name
"""
_WAKE = "UPDATE runs SET wake_at = :at WHERE state = 'waiting' AND waiting_for = 'freeze'"
_COUNT = """
    SELECT (SELECT COUNT(*) FROM under_way WHERE subscription = :subscription AND run_id <> :run) AS in_subscription,
           (SELECT COUNT(*) FROM under_way WHERE region = :region AND run_id <> :run) AS in_region
"""
_TAKE = """
    INSERT INTO under_way (run_id, subscription, region, since) VALUES (:run, :subscription, :region, :at)
    ON CONFLICT (run_id) DO NOTHING
"""
_RESTORES = """
    SELECT steps.body FROM steps JOIN runs ON runs.id = steps.run_id
    WHERE runs.outage_id = :outage AND steps.kind = 'restore' AND steps.at > :since
        AND steps.state IN ('done', 'failed', 'retrying')
    ORDER BY steps.at DESC LIMIT :limit
"""
# A run has acted when a step that makes, moves or removes something was begun.
_PAST = """
    SELECT runs.id, runs.server_id, runs.state, runs.ended_at,
        (SELECT COUNT(*) FROM steps WHERE steps.run_id = runs.id AND steps.state = 'done'
            AND ((steps.kind = 'promote_replica' AND steps.body LIKE '%"verdict":"promoted"%')
                OR (steps.kind = 'cut_over' AND steps.body LIKE '%"verdict":"cut-over"%'))) AS cut_over
    FROM runs
    WHERE runs.ended_at > :since AND runs.state IN ('done', 'failed')
        AND EXISTS (SELECT 1 FROM steps WHERE steps.run_id = runs.id AND steps.state <> 'skipped'
            AND steps.kind IS NOT NULL AND steps.kind NOT IN (SELECT value FROM json_each(:looks)))
"""


def _of(row: Any) -> brakes.Freeze:
    return brakes.Freeze(
        scope=brakes.Scope(kind=brakes.Kind(row["kind"]), name=row["name"]),
        by=row["by"],
        reason=row["reason"],
        since=codec.moment(row["since"]),
        until=codec.moment_or_none(row["until"]),
    )


def _freeze(connection: Any, freeze: brakes.Freeze, news: Sequence[announcements.Announcement]) -> bool:
    audit.hold(connection)
    scope = {"kind": freeze.scope.kind.value, "name": freeze.scope.name}
    stands = "SELECT by FROM freezes WHERE lifted_at IS NULL AND kind = :kind AND name = :name"
    held = connection.execute(stands, scope).fetchone()
    if held is not None and freeze.by == brakes.OURSELVES:
        return False
    at, by = codec.stamp(freeze.since), codec.clean(freeze.by)
    connection.execute(_REPLACE, {**scope, "at": at, "by": by})
    row = {**scope, "at": at, "by": by, "reason": codec.clean(freeze.reason), "until": codec.stamp(freeze.until)}
    connection.execute(_FREEZE, row)
    audit.append(connection, [audited.frozen(freeze, replaced=held is not None)])
    outbox.put(connection, news)
    return True


def _lift(
    connection: Any, scopes: Sequence[brakes.Scope], who: tuple[str, str, datetime],
    news: Sequence[announcements.Announcement],
) -> int:  # fmt: skip
    by, why, at = codec.clean(who[0]), codec.clean(who[1]), codec.stamp(who[2])
    audit.hold(connection)
    lifted = 0
    for scope in scopes:
        row = {"kind": scope.kind.value, "name": scope.name, "by": by, "why": why, "at": at}
        found = connection.execute(_LIFT, row).rowcount
        if found:
            audit.append(connection, [audited.lifted(scope, by, why, who[2])])
        lifted += found
    if lifted:
        connection.execute(_WAKE, {"at": at})
        outbox.put(connection, news)
    return lifted


def _take_place(connection: Any, run: runs.Run, place: brakes.Place, caps: brakes.Caps, at: str) -> str:
    stands = "SELECT 1 FROM runs WHERE id = ? AND fence = ?"
    if connection.execute(stands, (run.id, run.fence)).fetchone() is None:
        return ""
    row = {"run": run.id, "subscription": place.subscription, "region": place.region or "", "at": at}
    found = connection.execute(_COUNT, row).fetchone()
    counted = brakes.Counted(in_subscription=found["in_subscription"], in_region=found["in_region"])
    reached = brakes.full(counted, caps)
    if not reached:
        connection.execute(_TAKE, row)
    return reached
