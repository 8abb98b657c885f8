"""What decisions rest on: our own look at the servers, suspicion, the rule of the two deadlines, and the tolerance of
servers whose owners declared none. Decides nothing.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from responder.core import outage_lengths, tolerances
from responder.settings import fields


def _login_name(name: str) -> str:
    if name != name.strip() or name.lower() in ("", "none"):
        raise ValueError("a login is named by a word that is not `none`")
    return name


LoginName = Annotated[str, pydantic.AfterValidator(_login_name)]


class ProbeLogin(fields.Part):
    """What a probe may log in with, to ask `SELECT 1`. A role of its own, that may connect and nothing else."""

    user: str
    """Name of the role. No default. On servers that are read replicas, its probes measure the lag as well; so that they
    can tell an idle primary from a broken stream, grant it `pg_read_all_stats`."""
    password: fields.Secret
    """Of that role. No default. `responder run` reads it, too, so it must lie where the command line can read it."""
    database: str = "postgres"
    """Which database it connects to. Every server has the default."""
    tls: Literal["require", "disable"] = "require"
    """`require`: the login is sent encrypted or not at all, as Azure's servers demand. `disable`: in the clear, for the
    simulator."""


class Probes(fields.Part):
    """Our own look at every server: is it really down?"""

    interval: fields.Duration = timedelta(minutes=1)
    """Between two looks at a server in peace. One minute: the baseline is never old, and nobody notices the load. Over
    a large estate it is stretched, so that `per_second` holds."""
    interval_in_outage: fields.Duration = timedelta(seconds=15)
    """For servers of a region with an open outage, and for an hour for one that fell silent. 15 s: decisions wait for
    these looks. While thousands are silent it takes as long as `concurrency` sockets need."""
    timeout: fields.Duration = timedelta(seconds=5)
    """For one probe, and for the SQL that verifies a copy. 5 s: a server that answers later serves nobody."""
    concurrency: int = pydantic.Field(default=600, ge=1, le=5000)
    """Sockets at once, whatever the size of the estate. 600: ten thousand silent servers are looked at in less than
    90 s, before the looks go stale, and the limit of open files is far."""
    per_second: float = pydantic.Field(default=500, gt=0, le=100_000)
    """Looks begun in a second, at most. 500: a fifth of a core, and a hundred thousand servers in less than four
    minutes. Servers in trouble come first."""
    vantage: str = pydantic.Field(default="here", min_length=1, max_length=60)
    """The name of the place that this instance looks from. Instances that share a store and stand in different places
    have different names: then a server is down only if it is silent for every one of them that ever reached it."""
    confirm: fields.Duration = timedelta(minutes=5)
    """Silence for this long means down. 5 minutes: a failover within the region takes one or two, and a minute of lost
    connectivity must never move a database."""
    fresh: fields.Duration = timedelta(minutes=2)
    """A probe older than this proves nothing. Twice the interval in peace: one probe may come late."""
    logins: dict[LoginName, ProbeLogin] = pydantic.Field(default_factory=dict)
    """Logins by a name of yours, for probes that ask the server itself and not only the gateway before it. A server
    chooses one by its tag `outage-probe=NAME`, or none by `outage-probe=none`. Empty: no probe logs in."""
    login: str | None = None
    """Which of `logins` counts for servers without that tag. None: those are not logged in to."""
    ca_file: Path | None = None
    """PEM file of the authorities whose certificates are believed; then name and date are checked, too, and no login
    goes past one that is not good. None: not checked, so whoever can stand between us and a server can read what a
    login sends."""
    deep_per_second: float = pydantic.Field(default=25, gt=0, le=10_000)
    """Probes in a second that go deeper than the first question (TLS, login, `SELECT 1`), at servers that do not fail;
    one that fails is always asked all. 25: a fifth of a core. Half of it is kept for regions in trouble."""
    deep_interval: fields.Duration = timedelta(minutes=5)
    """Between two deep probes of a server in peace, at least. 5 minutes: a login leaves a line in the server's log
    where connections are logged. In trouble, as often as `deep_per_second` allows."""

    @pydantic.model_validator(mode="after")
    def _known(self) -> Probes:
        if self.login is not None and self.login not in self.logins:
            raise ValueError("`login` names none of `logins`")
        return self


class Suspicion(fields.Part):
    """When the silence of many servers of one region counts as an outage that Azure has not reported yet.

    A suspected outage may start copies, which costs money; it never cuts over without a human's yes.
    """

    least: int = pydantic.Field(default=3, ge=2, le=100_000)
    """So many servers of the region, at least. Three: two can fail together by chance, or by one mistake of ours."""
    share: float = pydantic.Field(default=0.5, gt=0, le=1)
    """And this share of the region's servers that answer in peace. Half: a zone of three is one third."""
    within: fields.Duration = pydantic.Field(default=timedelta(hours=1), gt=timedelta(0))
    """Servers that fell silent further apart than this did not do so together. One hour: a region goes dark in pieces,
    and failures of a whole day would be chance."""


class Belief(fields.Part):
    """How long a geo-restore of one size class takes on a calm day. Best measured in your own rehearsals."""

    p50: fields.Duration
    """Half of the restores are done within this. No default: a belief is given whole."""
    p95: fields.Duration
    """19 of 20 restores are done within this; it decides how early a copy is started. No default, as above."""


class Decision(fields.Part):
    """The parameters of the rule of the two deadlines: start the copy early, cut over late.

    cut over at = impact start + RTO - `cutover` - `approval` (where a human must say yes) - `margin`;
    start by = cut over at - the time within which a share `quantile` of restores is done.
    """

    cutover: fields.Duration = timedelta(minutes=15)
    """From the decision to cut over until applications are served by the copy. 15 minutes: the DNS record's TTL, and
    pools that reconnect. Longer cuts over sooner."""
    approval: fields.Duration = timedelta(minutes=30)
    """Kept free before that where a human must say yes (`outage-cutover=ask`). 30 minutes: somebody is woken, reads and
    decides. Longer asks sooner."""
    margin: fields.Duration = timedelta(minutes=10)
    """Kept free for what nobody has foreseen: throttling, a step tried twice. 10 minutes: two of the cautious retries.
    Longer cuts over sooner."""
    quantile: float = pydantic.Field(default=0.95, gt=0.5, lt=1)
    """Share of restores that must be done in time when one is started at the last moment. 0.95: a copy thrown away
    costs money, one that comes too late costs the RTO. Higher starts copies earlier, and throws more of them away."""
    grace: fields.Duration = timedelta(hours=1)
    """An eager copy (`outage-hedge=eager`) is not started sooner than this after the impact start. One hour:
    replication of backups lags up to that, so a later copy loses less. Shorter may lose more data."""
    settle: fields.Duration = timedelta(hours=2)
    """How long a copy is kept after the server answers again, before it is discarded. Two hours: outages recur, and a
    new copy would take as long once more."""
    loss_bound: fields.Duration = timedelta(hours=1)
    """What a geo-restore counts as losing where nothing was measured. One hour, as Azure states it for the replication
    of backups. Lower lets more servers be cut over without a human's yes: lower it only on evidence.
    https://learn.microsoft.com/azure/postgresql/backup-restore/concepts-backup-restore"""
    review: fields.Duration = timedelta(minutes=1)
    """A decision is taken again at least this often while its outage lasts, news or not. One minute: as often as a
    server is looked at in peace."""
    trust_estimate: float = pydantic.Field(default=0.5, gt=0, le=1)
    """When Azure expects the end too late for the RTO, the cut-over is brought forward to this share of the RTO. An
    estimate never puts one off. 0.5: half of the RTO is lost waiting if the estimate is right. 1 leaves it as it is."""
    off_quantile: float = pydantic.Field(default=0.5, gt=0, lt=1)
    """As `quantile`, for servers with `outage-hedge=off`. 0.5: the copy is started when half of the restores would come
    too late. Higher starts copies earlier."""
    standby: fields.Duration = timedelta(minutes=15)
    """When one zone fails, a server with a standby in another zone is left alone for this long after the impact. 15
    minutes: a failover takes one or two, and Azure wants as long between two of them."""
    settled: fields.Duration = timedelta(minutes=15)
    """A server that falls silent again before it has answered for this long was not back: its copy is not put off for
    another proof. 15 minutes: recoveries come in waves."""
    in_region_loss: fields.Duration = timedelta(minutes=5)
    """What a restore to another zone of the region counts as losing. 5 minutes, as Azure states it for local backups.
    Lower lets more servers be cut over without a human's yes."""
    blocked_share: float = pydantic.Field(default=0.15, ge=0, le=1)
    """Share of outages in which restoring is itself out of order for a while: 6 of 41 recorded ones. Only in the
    probabilities shown; a restore that is refused is tried again in any case."""
    blocked_for: fields.Duration = timedelta(hours=4)
    """For how long, then. 4 hours: between the recorded ones."""
    big_share: float = pydantic.Field(default=0.3, ge=0, le=1)
    """Share of outages that are of the big, recorded sort; the others are ordinary events of an hour or so. 0.3 is a
    judgement. Higher shows longer outages; no deadline depends on it. Without effect where `survival` is given."""
    surge: float = pydantic.Field(default=1.5, ge=1, le=10)
    """Factor on both times of every belief: a whole region restoring at once is slower than one restore on a calm day.
    1.5 is a guess on the cautious side, until a real one is measured. Higher starts copies earlier."""
    beliefs: dict[Literal["small", "middle", "large"], Belief] = pydantic.Field(default_factory=dict)
    """How long a geo-restore takes, by provisioned storage: up to 128 GB, up to 1 TB, above. A class left out keeps its
    default; the middle one puts 19 of 20 restores within the 12 hours that Azure names."""
    survival: tuple[tuple[fields.Duration, float], ...] = ()
    """Points (time since the impact start, share of outages still on), times rising and shares falling. Empty: the
    recorded history that ships with the product."""

    @pydantic.field_validator("survival")
    @classmethod
    def _curve(cls, points: tuple[tuple[timedelta, float], ...]) -> tuple[tuple[timedelta, float], ...]:
        if points:
            outage_lengths.Survival(points)
        return points


class Tolerance(fields.Part):
    """What counts for a server whose owner declared nothing. A tag of the server wins over each."""

    rto: fields.Duration | None = None
    """How long a server may be unreachable, from the impact start. Tag `outage-rto`. None: a server without the tag is
    undeclared, and waits, because nobody has said that its data may be moved."""
    rpo: fields.Duration | None = None
    """How much of the newest data a cut-over may lose, as a time. Tag `outage-rpo`. None: any loss needs a human."""
    cutover: tolerances.Cutover = tolerances.Cutover.ASK
    """`auto`, `ask` or `never`: who may send the applications to a copy. Tag `outage-cutover`. Ask: what cannot be
    undone wants a human, until the owner says otherwise."""
    priority: int = pydantic.Field(default=3, ge=1, le=5)
    """1 (first) to 5 (last). Tag `outage-priority`. 3: owners can go either way."""
    hedge: tolerances.Hedge = tolerances.Hedge.LAZY
    """`eager`, `lazy` or `off`: when a copy is started before it is known to be needed. Tag `outage-hedge`. Lazy: as
    late as the RTO allows, for most outages end before."""
    owner: str | None = None
    """Who is told when the server names nobody. Tag `outage-owner`. None: the announcement names no owner."""
