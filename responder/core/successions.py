"""Which server took the place of which: read off the journal when a run has sent applications away. Pure.

A server that was cut away from is not the live one any more. It may come back with all its tags and old rows, and the
next outage must not restore it: that would send applications to a copy of the past.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from responder.core import runs, servers


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """One server took another's place. It stands until applications are sent back, or somebody says that they were."""

    server: servers.ServerId
    """The one that applications were sent away from."""
    by: servers.ServerId
    """The one that took its place: a copy, or a promoted replica; or the old server, when it is taken back."""
    run: runs.RunId
    since: datetime
    recovery_point: datetime | None = None
    """Time of the newest row that it had. None: not measured."""
    ended_at: datetime | None = None
    """When the server was the live one again. None: it is not."""

    @property
    def by_name(self) -> str:
        """The name of the server that took its place."""
        return self.by.rpartition("/")[2]

    @property
    def name(self) -> str:
        """The name of the server that applications were sent away from."""
        return self.server.rpartition("/")[2]

    @property
    def ends_it(self) -> str:
        """The command for when applications run there again."""
        return f"responder run failback-done --server {self.name}"

    def sentence(self) -> str:
        """For people, with what to do when it is not so any more."""
        old = self.name
        return (
            f"{self.by_name} took the place of {old} on {self.since:%Y-%m-%d %H:%M} UTC ({self.run}), so nothing is "
            f"done for {old}. When applications run on {old} again: {self.ends_it}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What a run's promotion had said does not hold: applications stayed where they were."""

    run: runs.RunId


def tells(run: runs.Run, record: runs.StepRecord) -> bool:
    """Whether a record may say anything about who is the live one; if not, nobody need read the run's others."""
    step = run.playbook.step(record.id)
    return step is not None and step.kind in _TELLING and record.state is runs.StepState.DONE


def told(run: runs.Run, records: Mapping[str, runs.StepRecord], record: runs.StepRecord, at: datetime) -> (
    Succession | Withdrawn | None
):  # fmt: skip
    """What a record that was just written says about who is the live one; None: nothing.

    Args:
        records: all of the run, that one included.
        at: the time of writing, where the record has none.
    """
    step = run.playbook.step(record.id)
    if step is None or not tells(run, record):
        return None
    output, since = record.output, record.ended_at or at
    verdict, other = output.get("verdict"), output.get("copy")
    if step.kind == "cut_over" and verdict == "not-needed":
        return Withdrawn(run=run.id)
    if step.kind == "take_back" and verdict == "taken-back" and other:
        return Succession(server=servers.server_id(str(other)), by=run.server_id, run=run.id, since=since)
    copy = runs.copy_of(run, records)
    if step.kind == "hold" and verdict == "cut-over" and _people_switch(run):
        other = copy.server_id
    elif (step.kind, verdict) not in _SENT:
        return None
    if not other:
        return None
    by, point = servers.server_id(str(other)), copy.recovery_point
    return Succession(server=run.server_id, by=by, run=run.id, since=_when(output) or since, recovery_point=point)


_TELLING = frozenset({"cut_over", "promote_replica", "hold", "take_back"})
_SENT = frozenset({("cut_over", "cut-over"), ("promote_replica", "promoted")})
"""After a promotion the old server is behind, whether or not the record could be pointed."""


def standing(known: Iterable[Succession]) -> Succession | None:
    """The first of these that has not ended: what is live instead. None: the server itself is."""
    return next((one for one in known if one.ended_at is None), None)


def takes_place(run: runs.Run) -> bool:
    """Whether what this run makes is meant to take the place of its server."""
    return runs.stands_in(run) or _people_switch(run)


def _people_switch(run: runs.Run) -> bool:
    """Whether a yes means that people have sent the applications themselves."""
    kinds = {step.kind for step in run.playbook.steps}
    return "hand_on_tags" in kinds and "cut_over" not in kinds


def _when(output: Mapping[str, Any]) -> datetime | None:
    return datetime.fromisoformat(str(output["at"])) if output.get("at") else None
