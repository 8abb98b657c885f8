"""What is served over HTTP, and who may call it. Checks no caller."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pydantic

from responder.settings import fields


class Entra(fields.Part):
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
    leeway: fields.Duration = timedelta(minutes=1)
    """How far the clocks may be apart; at most 5m."""
    keys_refresh: fields.Duration = timedelta(hours=1)
    """How often keys are fetched in peace; at least 1m. A key that was withdrawn is believed for as long."""
    keys_keep: fields.Duration = timedelta(days=3)
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


class AzureMonitor(fields.Part):
    """Who may call `/webhooks/azure-monitor`. Each way given here admits; none: `web.webhook_secret` counts."""

    secret: fields.Secret | None = None
    """`?code=SECRET` for this endpoint alone."""
    entra: MonitorEntra | None = None
    """A token of your tenant: the better way, nothing of it lies in the action group."""


class EventGrid(fields.Part):
    """Who may call `/webhooks/event-grid`. Each way given here admits; none: `web.webhook_secret` counts."""

    secret: fields.Secret | None = None
    """`?code=SECRET` for this endpoint alone."""
    entra: GridEntra | None = None
    """A token of your tenant."""
    subscriptions: tuple[str, ...] = ()
    """Names of the event subscriptions that may deliver (`aeg-subscription-name`). Empty: any that is admitted."""
    origins: tuple[str, ...] = ("eventgrid.azure.net",)
    """Who may ask for permission to deliver CloudEvents (`WebHook-Request-Origin`). Empty: nobody."""


class Rate(fields.Part):
    """How often something may happen: a bucket that holds `burst` and fills with `per_second`."""

    per_second: float = pydantic.Field(gt=0, le=1_000_000)
    """How many in the long run."""
    burst: int = pydantic.Field(ge=1, le=10_000_000)
    """How many may come at once after a quiet time."""


class ApiToken(fields.Part):
    """A bearer token of the API for one person or program, with what it may do."""

    name: str = pydantic.Field(min_length=1, max_length=100)
    """Who it is, in the journal: what this token says is said by this name. No default."""
    roles: tuple[Literal["viewer", "operator", "approver"], ...] = ("viewer",)
    """`viewer` looks. `operator` also starts runs, pauses, retries, skips, cancels them, and holds and lifts brakes.
    `approver` looks and says yes or no to a cut-over. Give both for both. Viewer: what it can do without asking."""
    secret: fields.Secret
    """The token itself. No default."""

    @pydantic.field_validator("name")
    @classmethod
    def _somebody(cls, name: str) -> str:
        if name == "responder":
            raise ValueError("`responder` is the daemon itself; take another name")
        return name


class Web(fields.Part):
    """Webhooks, API and health over HTTP."""

    host: str = "127.0.0.1"
    """Loopback by default: put a TLS proxy in front before it is reachable from elsewhere."""
    port: int = pydantic.Field(default=8642, ge=0, le=65535)
    """0 picks a free port; it is logged, and written to `port_file`."""
    port_file: Path | None = None
    """The port in use is written here. None: nowhere."""
    token: fields.Secret | None = None
    """Bearer token of the command line, with every role; it says itself who speaks. None: only `tokens` count, and
    without them the API answers nothing but /healthz and /readyz."""
    tokens: tuple[ApiToken, ...] = ()
    """Tokens of people and programs, each with a name and roles. Empty: only `token`."""
    webhook_secret: fields.Secret | None = None
    """Callers of the webhooks must add `?code=SECRET` to the URL. It counts for each of the two endpoints that names no
    way of its own. None there either: only loopback callers are accepted."""
    azure_monitor: AzureMonitor = AzureMonitor()
    """Who may call `/webhooks/azure-monitor`, if not by `webhook_secret`."""
    event_grid: EventGrid = EventGrid()
    """Who may call `/webhooks/event-grid`, if not by `webhook_secret`."""
    body_limit: int = pydantic.Field(default=1_048_576, ge=1024)
    """Bytes, as sent and unpacked; a larger webhook body is refused with 413. The common alert schema is limited to
    256 KB by Azure."""
    body_timeout: fields.Duration = pydantic.Field(default=timedelta(seconds=10), ge=timedelta(seconds=1))
    """For reading one body; then 408, after which action groups try again."""
    webhook_rate: Rate = Rate(per_second=2000, burst=50_000)
    """Admitted calls of all remotes; above it 429, after which Azure tries again. A backstop should a secret leak, and
    beyond any outage: 5,000 subscriptions with 5 alert rules each are 25,000 calls at once."""
    webhook_rate_per_remote: Rate = Rate(per_second=1000, burst=25_000)
    """Admitted calls of one address. Nearly as generous, because behind a proxy all calls come from one. Refused calls
    have a small budget of their own and never use this one up."""
