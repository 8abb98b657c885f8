"""Settings: one YAML file, read once into frozen values. Unknown keys are refused, secrets are named, never written.

A secret is `{env: NAME}` or `{file: /path}`; its value is read when it is used and appears nowhere else.
Durations are written `15m`, `4h`, `PT4H`; times are UTC.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml

from responder.core import deadlines, decisions, durations, errors, evidence, outage_lengths, restore_times, tolerances


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("write a duration with its unit, like 15m, 4h or PT4H")
    try:
        return durations.parse(value)
    except errors.InputError as error:
        raise ValueError(f"{error.message} {error.remedy}") from error


Duration = Annotated[timedelta, pydantic.BeforeValidator(_duration)]


class Part(pydantic.BaseModel):
    """Base of every section: frozen, and strict about names."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=False, hide_input_in_errors=True
    )


class Secret(Part):
    """Where a secret lies. Exactly one of the two."""

    env: str | None = None
    """Name of an environment variable."""
    file: Path | None = None
    """Path of a file whose content, without surrounding blanks, is the secret."""

    @pydantic.model_validator(mode="after")
    def _one(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError("give either `env` or `file`")
        return self

    def reveal(self) -> str:
        """The secret itself.

        Raises:
            InputError: the variable is not set or the file cannot be read. The message names it, never its content.
        """
        if self.env is not None:
            value = os.environ.get(self.env, "")
            if value:
                return value
            raise errors.InputError(
                "settings.secret-missing",
                f"Environment variable {self.env} is empty or not set.",
                remedy="Set it for the service, or name another in the settings.",
            )
        assert self.file is not None
        try:
            return self.file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise errors.InputError(
                "settings.secret-missing",
                f"The secret file cannot be read: {error.strerror}.",
                remedy="Create it, readable for the service's user only.",
                place=str(self.file),
            ) from error


class Store(Part):
    """The journal. It must not live in a region it is for."""

    path: Path = Path("/var/lib/responder/responder.sqlite3")
    """SQLite file of the single instance. Its directory must exist and be writable."""


class Azure(Part):
    """The cloud we ask and act in."""

    subscriptions: tuple[str, ...] = ()
    """Subscription ids whose servers are ours to look after. None listed: the inventory stays empty."""
    resource_manager: str = "https://management.azure.com"
    """Other for sovereign clouds and for the local simulator."""
    audience: str = "https://management.azure.com/.default"
    ca_file: Path | None = None
    """Certificate authority of `resource_manager`, when it is not a public one. None: the system's."""
    credential: Literal["default", "managed-identity", "workload-identity", "environment"] = "default"
    """Which azure-identity credential; `managed-identity` is the one for production."""
    connect_timeout: Duration = timedelta(seconds=10)
    read_timeout: Duration = timedelta(seconds=30)
    """Far below the SDK's 300 s: a call into a dead region must not hold anything up."""
    inventory_refresh: Duration = timedelta(minutes=5)
    """How often Resource Graph is asked. A failed refresh keeps what is known."""


class EventHub(Part):
    """One Event Hub with Azure's health events."""

    hub: str
    consumer_group: str = "$Default"
    """Use one of its own: two readers of one group take partitions from each other."""
    connection_string: Secret | None = None
    """With a shared access key. Leave out to use `namespace` and the credential of `azure`."""
    namespace: str | None = None
    """`NAME.servicebus.windows.net`."""

    @pydantic.model_validator(mode="after")
    def _reachable(self) -> EventHub:
        if (self.connection_string is None) == (self.namespace is None):
            raise ValueError("give either `connection_string` or `namespace`")
        return self


class Web(Part):
    """Webhooks, API and health over HTTP."""

    host: str = "127.0.0.1"
    """Loopback by default: put a TLS proxy in front before it is reachable from elsewhere."""
    port: int = pydantic.Field(default=8642, ge=0, le=65535)
    """0 picks a free port; it is logged, and written to `port_file`."""
    port_file: Path | None = None
    """The port in use is written here. None: nowhere."""
    token: Secret | None = None
    """Bearer token of the API. None: the API answers nothing but /healthz and /readyz."""
    webhook_secret: Secret | None = None
    """Callers of the webhooks must add `?code=SECRET` to the URL. None: only loopback callers are accepted."""
    body_limit: int = pydantic.Field(default=1_048_576, ge=1024)
    """Bytes; a larger webhook body is refused with 413. The common alert schema is limited to 256 KB by Azure."""


class Probes(Part):
    """Our own look at every server: is it really down?"""

    interval: Duration = timedelta(minutes=1)
    """In peace: often enough that the baseline is never old."""
    interval_in_outage: Duration = timedelta(seconds=15)
    """For servers of a region with an open outage."""
    timeout: Duration = timedelta(seconds=5)
    concurrency: int = pydantic.Field(default=200, ge=1, le=5000)
    """Sockets at once, whatever the size of the estate."""
    confirm: Duration = timedelta(minutes=5)
    """Silence for this long means down."""
    fresh: Duration = timedelta(minutes=2)
    """A probe older than this proves nothing."""


class Postgres(Part):
    """How a restored copy is verified by SQL, and how servers are reached."""

    user: str | None = None
    """Login that exists in every server and comes along with its backup. None: copies are verified by handshake."""
    password: Secret | None = None
    database: str = "postgres"
    tls: Literal["disable", "prefer", "require", "verify-full"] = "require"
    newest_row: str = "select max(at) from heartbeat"
    """A query with one timestamptz: the newest row that surely was written in time. It measures the data loss."""
    address_book: Path | None = None
    """JSON object host -> "address:port" for names that DNS does not know here (split horizon, the simulator)."""


class Belief(Part):
    """How long a geo-restore takes on a calm day."""

    p50: Duration
    p95: Duration


class Decision(Part):
    """The two-deadline rule's parameters. The defaults are argued in the decision documentation."""

    cutover: Duration = timedelta(minutes=15)
    approval: Duration = timedelta(minutes=30)
    margin: Duration = timedelta(minutes=10)
    quantile: float = pydantic.Field(default=0.95, gt=0.5, lt=1)
    grace: Duration = timedelta(hours=1)
    settle: Duration = timedelta(hours=2)
    loss_bound: Duration = timedelta(hours=1)
    review: Duration = timedelta(minutes=1)
    surge: float = pydantic.Field(default=1.5, ge=1, le=10)
    beliefs: dict[Literal["small", "middle", "large"], Belief] = {}
    """Per size class; a class left out keeps its default."""
    survival: tuple[tuple[Duration, float], ...] = ()
    """Points (time, share of outages still on). None: the recorded history that ships with the product."""

    @pydantic.model_validator(mode="after")
    def _curve(self) -> Decision:
        if self.survival:
            outage_lengths.Survival(self.survival)
        return self


class Tolerance(Part):
    """What counts for a server whose owner declared nothing. Leave `rto` out: undeclared servers wait."""

    rto: Duration | None = None
    rpo: Duration | None = None
    cutover: tolerances.Cutover = tolerances.Cutover.ASK
    priority: int = pydantic.Field(default=3, ge=1, le=5)
    hedge: tolerances.Hedge = tolerances.Hedge.LAZY
    owner: str | None = None


class Restore(Part):
    """Where copies go."""

    resource_groups: dict[str, str] = {}
    """Target region -> resource group that lies in that region. The group of a dead region takes no writes."""
    poll: Duration = timedelta(seconds=30)
    """Between looks at an operation when Azure names no time."""
    retry: Duration = timedelta(minutes=5)
    """Between attempts when a restore is refused for capacity or fails."""


class DnsZone(Part):
    """Where the zone that applications use lives. Its group must not lie in a region it is for."""

    subscription: str
    resource_group: str
    ttl: int = pydantic.Field(default=30, ge=1, le=86_400)
    """Seconds; what applications may cache after the cut-over."""


class Channel(Part):
    """Where announcements go."""

    kind: Literal["log", "webhook"]
    url: Secret | None = None
    """For `webhook`: the address announcements are posted to as JSON; a secret, because it often carries a token."""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Channel:
        if (self.kind == "webhook") != (self.url is not None):
            raise ValueError("`url` belongs to kind webhook, and webhook needs it")
        return self


class Settings(Part):
    """The whole file."""

    store: Store = Store()
    azure: Azure = Azure()
    event_hubs: tuple[EventHub, ...] = ()
    web: Web = Web()
    probes: Probes = Probes()
    postgres: Postgres = Postgres()
    decision: Decision = Decision()
    tolerance_defaults: Tolerance = Tolerance()
    restore: Restore = Restore()
    dns_zones: dict[str, DnsZone] = {}
    """Zone name -> where it lives."""
    channels: tuple[Channel, ...] = (Channel(kind="log"),)
    playbooks: Path | None = None
    """A folder whose playbooks overlay the shipped ones by name. None: only the shipped ones."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def policy(self) -> decisions.Policy:
        """The settings of the decision as the core wants them."""
        d, beliefs = self.decision, dict(restore_times.DEFAULTS)
        beliefs |= {name: restore_times.Belief(p50=b.p50, p95=b.p95) for name, b in d.beliefs.items()}
        return decisions.Policy(
            timing=deadlines.Timing(
                cutover=d.cutover, approval=d.approval, margin=d.margin, quantile=d.quantile, grace=d.grace
            ),
            evidence=evidence.Policy(confirm=self.probes.confirm, fresh=self.probes.fresh),
            settle=d.settle,
            loss_bound=d.loss_bound,
            review=d.review,
            beliefs={name: restore_times.Belief(p50=b.p50, p95=b.p95, surge=d.surge) for name, b in beliefs.items()},
            survival=outage_lengths.Survival(d.survival) if d.survival else outage_lengths.DEFAULT,
        )

    def tolerance(self) -> tolerances.Tolerance:
        """The defaults under every server's tags."""
        t = self.tolerance_defaults
        return tolerances.Tolerance(
            rto=t.rto, rpo=t.rpo, cutover=t.cutover, priority=t.priority, hedge=t.hedge, owner=t.owner
        )


def load(path: Path) -> Settings:
    """Read a settings file.

    Raises:
        InputError: the file cannot be read, is no YAML, or says something we do not know. Every complaint of the file
            is listed at once, each with its field; values are not repeated, they could be secrets.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        remedy = "Give the path of the settings file with --config."
        raise errors.InputError(
            "settings.unreadable", f"Cannot be read: {error.strerror}.", remedy=remedy, place=str(path)
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise errors.InputError(
            "settings.not-yaml", f"This is not YAML: {problem}.", remedy="Correct it there.", place=place
        ) from error
    try:
        return Settings.model_validate(document)
    except pydantic.ValidationError as error:
        complaints = "; ".join(
            f"{'.'.join(str(part) for part in e['loc']) or 'the file'}: {_plain(e['type'], e['msg'])}"
            for e in error.errors(include_input=False, include_url=False)
        )
        raise errors.InputError(
            "settings.invalid", complaints + ".", remedy="Correct the fields named.", place=str(path)
        ) from error


def _plain(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "there is no such setting"
    return message.removeprefix("Value error, ").rstrip(".")
