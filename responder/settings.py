"""Settings: one YAML file, read once into frozen values. Unknown keys are refused, secrets are named, never written.

A secret is `{env: NAME}` or `{file: /path}`; its value is read when it is used and appears nowhere else.
Durations are written `15m`, `4h`, `PT4H`; times are UTC.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import pydantic
import yaml

from responder.core import (
    deadlines,
    decisions,
    durations,
    errors,
    evidence,
    hearing,
    outage_lengths,
    regions,
    restore_times,
    suspicions,
    tolerances,
)


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("write a duration with its unit, like 15m, 4h or PT4H")
    try:
        return durations.parse(value)
    except errors.InputError as error:
        raise ValueError(f"{error.message} {error.remedy}") from error


Duration = Annotated[timedelta, pydantic.BeforeValidator(_duration)]


def _region(name: str) -> str:
    known = regions.find(name)
    if known is None:
        raise ValueError(f"{name!r} is no Azure region; write it like eastus2")
    return known.name


Region = Annotated[str, pydantic.AfterValidator(_region)]
ZoneName = Annotated[str, pydantic.AfterValidator(lambda name: name.rstrip(".").lower())]


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
            if value.strip():
                return value
            raise errors.InputError(
                "settings.secret-missing",
                f"Environment variable {self.env} is empty or not set.",
                remedy="Set it for the service, or name another in the settings.",
            )
        assert self.file is not None
        try:
            value = self.file.read_text(encoding="utf-8").strip()
            why = "" if value else "it is empty"  # an empty token would let everybody in
        except OSError as error:
            value, why = "", error.strerror or type(error).__name__
        except UnicodeDecodeError:
            value, why = "", "it is not UTF-8 text"
        if why:
            raise errors.InputError(
                "settings.secret-missing",
                f"The secret file cannot be used: {why}.",
                remedy="Create it, readable for the service's user only.",
                place=str(self.file),
            )
        return value


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


class Checkpoints(Part):
    """How far a hub is read, kept in Azure Blob Storage. Needs the package's extra `blob`."""

    container: str = pydantic.Field(pattern=r"^[a-z0-9](-?[a-z0-9]){2,62}$")
    """It must exist. Several hubs may share one."""
    account_url: str | None = None
    """`https://ACCOUNT.blob.core.windows.net`; the credential of `azure` logs in."""
    connection_string: Secret | None = None
    """With an account key. Leave out to use `account_url`."""

    @pydantic.model_validator(mode="after")
    def _reachable(self) -> Checkpoints:
        if (self.connection_string is None) == (self.account_url is None):
            raise ValueError("give either `connection_string` or `account_url`")
        if self.account_url is not None and not self.account_url.startswith("https://"):
            raise ValueError("`account_url` must begin with https://, for a token travels there")
        return self


class EventHub(Part):
    """One Event Hub with Azure's health events."""

    hub: str
    consumer_group: str = "$Default"
    """Use one of its own: two readers of one group take partitions from each other."""
    connection_string: Secret | None = None
    """With a shared access key. Leave out to use `namespace` and the credential of `azure`."""
    namespace: str | None = None
    """`NAME.servicebus.windows.net`."""
    checkpoints: Checkpoints | None = None
    """Where instances agree on who reads which partition, and up to where. None: in our own store, for one instance."""

    @pydantic.model_validator(mode="after")
    def _reachable(self) -> EventHub:
        if (self.connection_string is None) == (self.namespace is None):
            raise ValueError("give either `connection_string` or `namespace`")
        return self


class Reconciliation(Part):
    """Asking Resource Health for its events: what hubs and webhooks have lost is found, whatever became of them."""

    interval: Duration = pydantic.Field(default=timedelta(minutes=1), ge=timedelta(seconds=5))
    """Between two questions about one subscription, less up to a fifth by chance. One minute: what a push has lost is
    known within two, and a minute's reading is a small part of what Resource Manager allows."""
    look_back: Duration = pydantic.Field(default=timedelta(days=7), gt=timedelta(0), le=timedelta(days=90))
    """How far back the very first question about a subscription reaches; later ones go on from the last that was
    answered. A week: outages last hours, but one can have begun days ago. Azure keeps 90 days."""


class Entra(Part):
    """Entra ID in front of a webhook ("secure webhook"): the caller brings a token of your tenant.

    https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#configure-authentication-for-secure-webhook
    """

    tenant: str
    """Id (GUID) of the one tenant whose tokens count. Names and `common` are refused: they would admit strangers."""
    audiences: tuple[str, ...] = pydantic.Field(min_length=1)
    """What tokens must be issued for: your application's `api://CLIENT-ID` (version 1) or `CLIENT-ID` (version 2)."""
    callers: tuple[str, ...] = pydantic.Field(min_length=1)
    """Application ids that may call (`appid` or `azp` of the token)."""
    role: str = pydantic.Field(min_length=1)
    """The role of your application that the caller must hold. Microsoft's script assigns the first there is, whatever
    its name."""
    issuers: tuple[str, ...] = ()
    """For sovereign clouds, whole; each must name the tenant. Empty: the public cloud's two, versions 1 and 2."""
    keys_url: str | None = None
    """Where the tenant's signing keys lie; https only. None: the public cloud's address for the tenant."""
    leeway: Duration = timedelta(minutes=1)
    """How far the clocks may be apart; at most 5m."""
    keys_refresh: Duration = timedelta(hours=1)
    """How often keys are fetched in peace; at least 1m. A key that was withdrawn is believed for as long."""
    keys_keep: Duration = timedelta(days=3)
    """How long known keys stay good while they cannot be fetched: longer than an outage, which is when that happens."""

    @pydantic.field_validator("tenant")
    @classmethod
    def _one_tenant(cls, tenant: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", tenant.lower()):
            raise ValueError("give the tenant's id, a GUID; a name, `common` or `organizations` is not enough")
        return tenant.lower()

    @pydantic.field_validator("audiences")
    @classmethod
    def _whole_audiences(cls, audiences: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"[\w.-]+://[^\s*]+|[0-9a-fA-F-]{36}", audience) for audience in audiences):
            raise ValueError("write each whole, as `api://CLIENT-ID` or `CLIENT-ID`")
        return audiences

    @pydantic.field_validator("keys_url")
    @classmethod
    def _unforgeable(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://default")
        local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not parts.hostname or parts.username is not None or not (parts.scheme == "https" or local):
            raise ValueError("keys are only fetched over https (plain http on this machine)")
        return url

    @pydantic.model_validator(mode="after")
    def _sensible(self) -> Entra:
        if not all(self.tenant in issuer.lower() and issuer.startswith("https://") for issuer in self.issuers):
            raise ValueError("every one of `issuers` must be https and name the tenant's id")
        if not timedelta(0) <= self.leeway <= timedelta(minutes=5):
            raise ValueError("`leeway` is at most 5m")
        if not timedelta(minutes=1) <= self.keys_refresh <= self.keys_keep <= timedelta(days=30):
            raise ValueError("`keys_refresh` is at least 1m, `keys_keep` no shorter than it and at most 30d")
        return self


class MonitorEntra(Entra):
    """As action groups call."""

    callers: tuple[str, ...] = pydantic.Field(default=("461e8683-5575-4561-ac7f-899cc907d62a",), min_length=1)
    """Application ids that may call (`appid` or `azp`). The default is "AzNS AAD Webhook" of the public cloud."""
    role: str = pydantic.Field(default="ActionGroupsSecureWebhook", min_length=1)
    """The role that the caller must hold; the default is the one of Microsoft's script."""


class GridEntra(Entra):
    """As Event Grid calls. https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery"""

    callers: tuple[str, ...] = pydantic.Field(default=("4962773b-9cdb-44cf-a8bf-237846a00ab7",), min_length=1)
    """Application ids that may call (`appid` or `azp`). The default is "Microsoft.EventGrid" of the public cloud."""
    role: str = pydantic.Field(default="AzureEventGridSecureWebhookSubscriber", min_length=1)
    """The role that the caller must hold; the default is the one of Microsoft's script."""


class AzureMonitor(Part):
    """Who may call `/webhooks/azure-monitor`. Each way given here admits; none: `web.webhook_secret` counts."""

    secret: Secret | None = None
    """`?code=SECRET` for this endpoint alone."""
    entra: MonitorEntra | None = None
    """A token of your tenant: the better way, nothing of it lies in the action group."""


class EventGrid(Part):
    """Who may call `/webhooks/event-grid`. Each way given here admits; none: `web.webhook_secret` counts."""

    secret: Secret | None = None
    """`?code=SECRET` for this endpoint alone."""
    entra: GridEntra | None = None
    """A token of your tenant."""
    subscriptions: tuple[str, ...] = ()
    """Names of the event subscriptions that may deliver (`aeg-subscription-name`). Empty: any that is admitted."""
    origins: tuple[str, ...] = ("eventgrid.azure.net",)
    """Who may ask for permission to deliver CloudEvents (`WebHook-Request-Origin`). Empty: nobody."""


class Rate(Part):
    """How often something may happen: a bucket that holds `burst` and fills with `per_second`."""

    per_second: float = pydantic.Field(gt=0, le=1_000_000)
    """How many in the long run."""
    burst: int = pydantic.Field(ge=1, le=10_000_000)
    """How many may come at once after a quiet time."""


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
    """Callers of the webhooks must add `?code=SECRET` to the URL. It counts for each of the two endpoints that names no
    way of its own. None there either: only loopback callers are accepted."""
    azure_monitor: AzureMonitor = AzureMonitor()
    event_grid: EventGrid = EventGrid()
    body_limit: int = pydantic.Field(default=1_048_576, ge=1024)
    """Bytes, as sent and unpacked; a larger webhook body is refused with 413. The common alert schema is limited to
    256 KB by Azure."""
    body_timeout: Duration = pydantic.Field(default=timedelta(seconds=10), ge=timedelta(seconds=1))
    """For reading one body; then 408, after which action groups try again."""
    webhook_rate: Rate = Rate(per_second=2000, burst=50_000)
    """Admitted calls of all remotes; above it 429, after which Azure tries again. A backstop should a secret leak, and
    beyond any outage: 5,000 subscriptions with 5 alert rules each are 25,000 calls at once."""
    webhook_rate_per_remote: Rate = Rate(per_second=1000, burst=25_000)
    """Admitted calls of one address. Nearly as generous, because behind a proxy all calls come from one. Refused calls
    have a small budget of their own and never use this one up."""


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


class Suspicion(Part):
    """When the silence of many servers of one region counts as an outage that Azure has not reported yet.

    A suspected outage may start copies, which costs money; it never cuts over without a human's yes.
    """

    least: int = pydantic.Field(default=3, ge=2, le=100_000)
    """So many servers of the region, at least. Three: two can fail together by chance, or by one mistake of ours."""
    share: float = pydantic.Field(default=0.5, gt=0, le=1)
    """And this share of the region's servers that answer in peace. Half: a zone of three is one third."""
    within: Duration = pydantic.Field(default=timedelta(hours=1), gt=timedelta(0))
    """Servers that fell silent further apart than this did not do so together."""


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

    @pydantic.field_validator("survival")
    @classmethod
    def _curve(cls, points: tuple[tuple[timedelta, float], ...]) -> tuple[tuple[timedelta, float], ...]:
        if points:
            outage_lengths.Survival(points)
        return points


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

    resource_groups: dict[Region, str] = {}
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


class Hearing(Part):
    """The watch over the sources: would we hear an outage? Silence is told from deafness, and deafness is told."""

    alarm_after: Duration = timedelta(minutes=5)
    """A source that cannot prove for this long that it would hear is announced to the team, and once more when it
    hears again. Longer than a broker's restart."""
    repeat: Duration = timedelta(days=1)
    """The alarm is repeated this often while it lasts: a team that lives with one blind source forgets it."""
    lagging_after: Duration = timedelta(minutes=1)
    """Events that have been waiting for this long make a source lagging."""
    hearing_for: Duration = timedelta(minutes=5)
    """A source is called hearing for this long after an event, then idle."""
    webhook_every: Duration | None = None
    """The webhook is called at least this often, by a scheduled test of the action group for instance; then a longer
    silence is an alarm. None: nobody knows whether Azure could reach it, so it never counts as a proof that we hear."""

    def policy(self) -> hearing.Policy:
        """As the core wants it."""
        return hearing.Policy(
            lagging_after=self.lagging_after,
            hearing_for=self.hearing_for,
            alarm_after=self.alarm_after,
            repeat=self.repeat,
        )


class Settings(Part):
    """The whole file."""

    store: Store = Store()
    azure: Azure = Azure()
    event_hubs: tuple[EventHub, ...] = ()
    hearing: Hearing = Hearing()
    reconciliation: Reconciliation = Reconciliation()
    web: Web = Web()
    probes: Probes = Probes()
    suspicion: Suspicion = Suspicion()
    postgres: Postgres = Postgres()
    decision: Decision = Decision()
    tolerance_defaults: Tolerance = Tolerance()
    restore: Restore = Restore()
    dns_zones: dict[ZoneName, DnsZone] = {}
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

    def suspicions(self) -> suspicions.Policy:
        """The settings of suspecting as the core wants them."""
        s = self.suspicion
        return suspicions.Policy(least=s.least, share=s.share, within=s.within, evidence=self.policy().evidence)

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
    except (yaml.YAMLError, ValueError) as error:  # the latter for bytes that are no text, and dates that are none
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "some text or value in it cannot be read"
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
