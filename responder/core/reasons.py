"""Why: the plain sentences that decisions are explained with, by stable id."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One plain sentence with a stable id."""

    id: str
    text: str
    mark: str = ""
    """What of the text is news when it changes; empty: nothing, only the id counts."""

    @property
    def says(self) -> str:
        """The reason as far as it is news."""
        return f"{self.id}={self.mark}" if self.mark else self.id


def say(id_: str, **words: str) -> Reason:
    """The sentence of that id, with its words filled in."""
    return Reason(id=id_, text=SENTENCES[id_].format(**words)) if words else _plain(id_)


@functools.cache
def _plain(id_: str) -> Reason:
    """Without words it is always the same; ten thousand decisions of an outage share a few of them."""
    return Reason(id=id_, text=SENTENCES[id_])


SENTENCES: Mapping[str, str] = {
    "promoted": "Applications were sent to the copy; going back is a change of its own.",
    "superseded": "{by} took its place on {since}: applications were sent there, so nothing is done for this server. "
    "When they run on it again: responder run failback-done --server {name}",
    "superseded-copy": "{by} took its place on {since}, so no other copy of it is cut over.",
    "up": "The server answers our probes, whatever the event says.",
    "closed": "Azure calls the outage over and nothing here proves otherwise.",
    "elsewhere": "The outage does not concern this server: another region, or no service that PostgreSQL stands on.",
    "stopped": "The server was stopped before the outage; it is not meant to answer.",
    "only-suspected": "Azure has not named PostgreSQL here, and the server never answered us: nothing is proven.",
    "silent-before": "The server was silent long before the outage began, so the outage is not why.",
    "silent-since": "The server fell silent after the outage was over; Azure would reopen one that recurs.",
    "by-its-owner": "Resource Health says that the server's owner restarted or stopped it; that is no outage.",
    "withdrawn": "Azure has withdrawn the outage (no impact, or a false positive), so it starts nothing any more.",
    "dropped": "Azure's newest update does not name the region any more, and never named PostgreSQL here: it starts "
    "nothing new.",
    "dropped-named": "Azure's newest update does not name the region any more. That is no proof of recovery, and "
    "cutting over takes a human's yes.",
    "witnessed": "Azure's Resource Health calls this server {state}, by no doing of its owner.",
    "contradicted": "Azure's Resource Health calls this server available, which proves nothing while it is silent.",
    "suspected": "Azure has said nothing: many servers of the region fell silent together, and others answer.",
    "failing": "The server has just stopped answering; a short silence is not an outage.",
    "unknown": "The server has not been probed lately enough to say anything.",
    "looked-in": "Our newest look at it: {what}",
    "down": "The server does not answer our probes, and did before.",
    "unproven": "The server never answered from here, so its silence proves nothing about the outage.",
    "flapping": "It answered in between, but not for long enough to count as back.",
    "recovering": "It has not answered for long yet; until {until} it may fall silent again.",
    "one-vantage": "Only one place has looked at it lately; a trouble of the way from there looks the same.",
    "undeclared": "No tolerance is declared (tag outage-rto), and nobody's data is put at risk without a declared yes.",
    "would-restore": "With a declared tolerance {what}.",
    "would-not": "Even with a declared tolerance: {why}",
    "gave-up": "A restore was tried and ended without a usable copy; another one is started only by hand.",
    "never": "Its owner declared outage-cutover=never, so a copy would never be used.",
    "standby": "Its zone is down and it has a standby in another: that is given until {until} to take over.",
    "replica": "Its replica {name} {lag}; promoting it loses less than any restore.",
    "in-region": "Only its zone is down: a restore to another zone of the region loses minutes, not an hour.",
    "costs": "By the declared costs, waiting longer than {limit} costs more than losing data, and the RTO is longer.",
    "estimate": "Azure expects the end at {until}, too late for the RTO; so the cut-over is brought forward.",
    "its-turn": "A copy is wanted now. The region it goes to is given a few restores at a time: its turn comes about"
    " {until}, {before} before it.",
    "sent-ahead": "A copy is wanted now. Another server of {region} is restored and verified first; it follows about"
    " {until}.",
    "no-room": "A copy is wanted now. No more than {most} copies are kept in {region} at a time (waves.copies); it "
    "follows when one of them is gone.",
    "made-room": "No more than {most} copies are kept in {region} at a time (waves.copies), and a more important "
    "server needs one: of those that are held, the least important is thrown away.",
    "queued": "Restores of the region wait for their turn, about {wait} now; the start is that much earlier.",
    "copy-cost": "The time that its owner pays a copy for (outage-max-copy) is over.",
    "default": "Its owner declared no RTO, so the default of the organisation counts.",
    "early": "There is time: a copy started at {until} would still meet the RTO.",
    "eager": "Its owner asked for an early copy (outage-hedge=eager); it costs money, not data.",
    "due": "Waiting longer would put the RTO at risk: the copy must be started now.",
    "overdue": "The RTO is shorter than restores are known to take, so the copy is started at once.",
    "replica-due": "It is time to stand ready: the replica is promoted when the cut-over is due.",
    "off": "Half of the restores would come too late if it waited longer; its owner wanted no copy before "
    "(outage-hedge=off).",
    "late": "The copy will probably not be ready when the cut-over is due.",
    "refresh": "The server answered after the copy was begun, so the copy lacks rows; there is time for a newer one, "
    "and it is begun.",
    "refresh-soon": "The server answered after the copy was begun, so the copy lacks rows; a newer one is begun about "
    "{until}, when those rows have reached the paired region.",
    "refreshing": "The server answered after the copy was begun, so a newer one is being made; the older is kept until "
    "that is ready.",
    "refreshing-late": "The server answered after the copy was begun, so a newer one is being made; it is not waited "
    "for when the cut-over is due.",
    "refresh-waits": "The server answered after the copy was begun, so the copy lacks rows; a newer one waits until "
    "the region it goes to has room, after all who have no copy yet.",
    "stale-once": "The server answered once more after its newer copy was begun, so that lacks rows, too; its run "
    "makes no third one.",
    "stale-as-it-is": "The server answered after the copy was begun, so the copy lacks rows; its run makes no newer "
    "one.",
    "stale": "The server answered after the copy was begun, so the copy lacks rows; there is no time for a newer one.",
    "restoring": "The copy is being restored; nothing is cut over before it is ready and due.",
    "hold": "The copy is ready. Cutting over loses data, so it waits until {until} for the region to return.",
    "tolerance-spent": "The tolerance is spent, the server is still down, and everything needed is agreed.",
    "settling": "It seems to be over. The copy is kept until {until}, because outages recur.",
    "not-needed": "It stayed over; the copy is not needed, and nothing was lost because nothing was cut over.",
}
