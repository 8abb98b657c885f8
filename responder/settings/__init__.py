"""Settings: one YAML file, read once into frozen values. Unknown keys are refused, secrets are named, never written.

A secret is `{env: NAME}`, `{file: /path}` or `{credential: NAME}`; its value is read when it is used and appears
nowhere else. Durations are written `15m`, `4h`, `PT4H`; times are UTC.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pydantic
import pydantic_core

from responder.core import approvals as core_approvals
from responder.core import (
    deadlines,
    decisions,
    errors,
    evidence,
    networks,
    outage_lengths,
    regions,
    restore_times,
    shadows,
    suspicions,
    tolerances,
)
from responder.settings import documents
from responder.settings.control import Approvals, Brakes
from responder.settings.deciding import Belief, Decision, ProbeLogin, Probes, Suspicion, Tolerance
from responder.settings.fields import Duration, Part, Region, Secret, ZoneName
from responder.settings.keeping import Retention
from responder.settings.places import Azure, Channel, DnsZone, Network, Postgres, Restore, Store
from responder.settings.sources import Checkpoints, EventHub, Hearing, Reconciliation
from responder.settings.steps import Command, HttpRequest, Steps
from responder.settings.waves import Waves
from responder.settings.web import ApiToken, AzureMonitor, Entra, EventGrid, GridEntra, MonitorEntra, Rate, Web

__all__ = [  # callers say `settings.X`, wherever X lies in here
    "ApiToken",
    "Approvals",
    "Azure",
    "AzureMonitor",
    "Belief",
    "Brakes",
    "Channel",
    "Checkpoints",
    "Command",
    "Decision",
    "DnsZone",
    "Duration",
    "Entra",
    "EventGrid",
    "EventHub",
    "GridEntra",
    "Hearing",
    "HttpRequest",
    "MonitorEntra",
    "Network",
    "Part",
    "Postgres",
    "ProbeLogin",
    "Probes",
    "Rate",
    "Reconciliation",
    "Region",
    "Restore",
    "Retention",
    "Secret",
    "Settings",
    "Steps",
    "Store",
    "Suspicion",
    "Tolerance",
    "Waves",
    "Web",
    "ZoneName",
    "load",
    "switched_off",
]


class Settings(Part):
    """The whole file. A section left out is all its defaults."""

    mode: Literal["act", "shadow"] = "act"
    """`shadow`: hear, decide, record and announce what would be done, and start nothing, for no server. Runs under way
    and runs that a human starts are carried out as always. `act`: do it. Act is the default because a responder that
    does nothing must be somebody's choice; begin with shadow, and read `responder scorecard` before changing it."""
    shadow_regions: tuple[Region, ...] = ()
    """Regions whose servers are in shadow mode while the others are acted for. One server: tag `outage-mode=shadow`.
    Empty: only what `mode` and tags say. With `mode: shadow` it changes nothing."""
    own_regions: tuple[Region, ...] = ()
    """Regions that a part of the responder itself lives in, or cannot do without: its machine, store, hubs, secrets.
    Only `responder check` reads it, and complains when servers live there, too. Empty: not said; it says so."""
    store: Store = Store()
    """The journal."""
    retention: Retention = Retention()
    """How long the journal keeps what is done with."""
    azure: Azure = Azure()
    """The cloud we ask and act in."""
    event_hubs: tuple[EventHub, ...] = ()
    """Hubs with Azure's health events. Empty: webhooks and Resource Health are all that is heard."""
    hearing: Hearing = Hearing()
    """When a source counts as deaf, and who is told."""
    reconciliation: Reconciliation = Reconciliation()
    """Asking Resource Health for what a push has lost."""
    web: Web = Web()
    """Webhooks, API and health over HTTP."""
    probes: Probes = Probes()
    """Our own look at every server."""
    suspicion: Suspicion = Suspicion()
    """When silence alone makes an outage."""
    postgres: Postgres = Postgres()
    """How copies are verified, and servers are reached."""
    decision: Decision = Decision()
    """The rule of the two deadlines."""
    approvals: Approvals = Approvals()
    """How people say yes."""
    brakes: Brakes = Brakes()
    """How far it goes by itself: caps, cooldown, quarantine."""
    waves: Waves = Waves()
    """How many restores are begun at a time."""
    tolerance_defaults: Tolerance = Tolerance()
    """What counts where an owner declared nothing."""
    restore: Restore = Restore()
    """Where copies go."""
    dns_zones: dict[ZoneName, DnsZone] = pydantic.Field(default_factory=dict)
    """Zone name -> where it lives. A record in a zone that is not listed is never changed. Empty: no record is."""
    channels: tuple[Channel, ...] = (Channel(kind="log"),)
    """Where announcements go; each goes to every one. The log only, until there is an address."""
    playbooks: Path | tuple[Path, ...] | None = None
    """A folder, or several, whose playbooks overlay the shipped ones by name; a later folder overlays an earlier. None:
    only the shipped ones."""
    steps: Steps = Steps()
    """Step kinds that reach beyond Azure: they do nothing that is not listed here."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged. `info`: every decision and every step, no chatter."""

    def policy(self) -> decisions.Policy:
        """The settings of the decision as the core wants them."""
        d, beliefs = self.decision, dict(restore_times.DEFAULTS)
        mixture = replace(outage_lengths.DEFAULTS, share=d.big_share)
        beliefs |= {name: restore_times.Belief(p50=b.p50, p95=b.p95) for name, b in d.beliefs.items()}
        return decisions.Policy(
            timing=deadlines.Timing(
                cutover=d.cutover,
                approval=d.approval,
                margin=d.margin,
                quantile=d.quantile,
                grace=d.grace,
                eta_trust=d.trust_estimate,
                off_quantile=d.off_quantile,
            ),
            evidence=evidence.Policy(confirm=self.probes.confirm, fresh=self.probes.fresh, settled=d.settled),
            settle=d.settle,
            loss_bound=d.loss_bound,
            in_region_loss=d.in_region_loss,
            standby=d.standby,
            blocked=deadlines.Blocked(share=d.blocked_share, lasts=d.blocked_for),
            review=d.review,
            beliefs={name: restore_times.Belief(p50=b.p50, p95=b.p95, surge=d.surge) for name, b in beliefs.items()},
            survival=outage_lengths.Survival(d.survival) if d.survival else mixture.curve(),
            mixture=None if d.survival else mixture,
            networks={
                name: networks.Network(region=regions.normalise(n.region), subnet=n.subnet, dns_zone=n.dns_zone)
                for name, n in self.restore.networks.items()
            },
        )

    def shadow(self) -> shadows.Scope:
        """What is in shadow mode, as the core wants it; tags come on top."""
        return shadows.Scope(everywhere=self.mode == "shadow", regions=frozenset(self.shadow_regions))

    def suspicions(self) -> suspicions.Policy:
        """The settings of suspecting as the core wants them."""
        s = self.suspicion
        return suspicions.Policy(least=s.least, share=s.share, within=s.within, evidence=self.policy().evidence)

    def approvals_policy(self) -> core_approvals.Policy:
        """The settings of approvals as the core wants them."""
        a, takes = self.approvals, self.decision.cutover
        return core_approvals.Policy(two_people=a.two_people, expires=a.expires, default=a.default, takes=takes)

    def tolerance(self) -> tolerances.Tolerance:
        """The defaults under every server's tags."""
        t = self.tolerance_defaults
        return tolerances.Tolerance(
            rto=t.rto, rpo=t.rpo, cutover=t.cutover, priority=t.priority, hedge=t.hedge, owner=t.owner
        )


def switched_off(config: Settings) -> dict[str, str]:
    """Step kinds that the settings have switched off, and what switches each on."""
    found = {}
    if not config.steps.http_request.hosts and not config.steps.http_request.plain_hosts:
        found["http_request"] = "List the hosts it may call in steps.http_request.hosts of the settings."
    if not config.steps.command.programs:
        found["command"] = "List the programs it may run in steps.command.programs of the settings."
    return found


def load(path: Path) -> Settings:
    """Read a settings file.

    Raises:
        InputError: the file cannot be read, is no YAML, or says something we do not know. Every complaint of the file
            is listed at once, each with its field; values are not repeated, they could be secrets.
    """
    document = documents.read(path)
    try:
        return Settings.model_validate({} if document.value is None else document.value)
    except pydantic.ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        complaints = "; ".join(_complaint(document, one) for one in found)
        raise errors.InputError(
            "settings.invalid", complaints + ".", remedy="Correct the fields named.", place=str(path)
        ) from error


def _complaint(document: documents.Document, one: pydantic_core.ErrorDetails) -> str:
    line = document.line(one["loc"])
    field = ".".join(map(str, one["loc"])) or "the file"
    return f"{field}: {_plain(one)}" + (f" (line {line})" if line is not None else "")


_WRITTEN = {
    "Secret": "say where the secret lies, {env: NAME}, {file: PATH} or {credential: NAME}; never write it here",
    "Settings": "it has no names of settings with their values, like `mode: act`",
}


def _plain(complaint: pydantic_core.ErrorDetails) -> str:
    kind, message = complaint["type"], complaint["msg"]
    if kind == "extra_forbidden":
        return "there is no such setting"
    if kind == "model_type":
        return _WRITTEN.get(complaint["ctx"]["class_name"], "names of settings with their values belong here")
    return message.removeprefix("Value error, ").rstrip(".")
