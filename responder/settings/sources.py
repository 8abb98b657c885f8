"""Where health events come from, and when a source that says nothing counts as deaf. Opens no source."""

from __future__ import annotations

from datetime import timedelta

import pydantic

from responder.core import hearing
from responder.settings import fields


class Checkpoints(fields.Part):
    """How far a hub is read, kept in Azure Blob Storage. Needs the package's extra `blob`."""

    container: str = pydantic.Field(pattern=r"^[a-z0-9](-?[a-z0-9]){2,62}$")
    """It must exist. Several hubs may share one."""
    account_url: str | None = None
    """`https://ACCOUNT.blob.core.windows.net`; the credential of `azure` logs in. None: by `connection_string`."""
    connection_string: fields.Secret | None = None
    """With an account key. None, and better: by `account_url`."""

    @pydantic.model_validator(mode="after")
    def _reachable(self) -> Checkpoints:
        if (self.connection_string is None) == (self.account_url is None):
            raise ValueError("give either `connection_string` or `account_url`")
        if self.account_url is not None and not self.account_url.startswith("https://"):
            raise ValueError("`account_url` must begin with https://, for a token travels there")
        return self


class EventHub(fields.Part):
    """One Event Hub with Azure's health events."""

    hub: str
    """Its name within the namespace. No default."""
    consumer_group: str = "$Default"
    """Use one of its own: two readers of one group take partitions from each other."""
    connection_string: fields.Secret | None = None
    """With a shared access key. None, and better: by `namespace`."""
    namespace: str | None = None
    """`NAME.servicebus.windows.net`; the credential of `azure` logs in. None: by `connection_string`."""
    checkpoints: Checkpoints | None = None
    """Where instances agree on who reads which partition, and up to where. None: in our own store, for one instance."""

    @pydantic.model_validator(mode="after")
    def _reachable(self) -> EventHub:
        if (self.connection_string is None) == (self.namespace is None):
            raise ValueError("give either `connection_string` or `namespace`")
        return self


class Reconciliation(fields.Part):
    """Asking Resource Health for its events: what hubs and webhooks have lost is found, whatever became of them."""

    interval: fields.Duration = pydantic.Field(default=timedelta(minutes=1), ge=timedelta(seconds=5))
    """Between two questions about one subscription, less up to a fifth by chance. One minute: what a push has lost is
    known within two, and a minute's reading is a small part of what Resource Manager allows."""
    look_back: fields.Duration = pydantic.Field(default=timedelta(days=7), gt=timedelta(0), le=timedelta(days=90))
    """How far back the very first question about a subscription reaches; later ones go on from the last that was
    answered. A week: outages last hours, but one can have begun days ago. Azure keeps 90 days."""


class Hearing(fields.Part):
    """The watch over the sources: would we hear an outage? Silence is told from deafness, and deafness is told."""

    alarm_after: fields.Duration = timedelta(minutes=5)
    """A source that cannot prove for this long that it would hear is announced to the team, and once more when it
    hears again. Longer than a broker's restart."""
    repeat: fields.Duration = timedelta(days=1)
    """The alarm is repeated this often while it lasts: a team that lives with one blind source forgets it."""
    lagging_after: fields.Duration = timedelta(minutes=1)
    """Events that have been waiting for this long make a source lagging."""
    hearing_for: fields.Duration = timedelta(minutes=5)
    """A source is called hearing for this long after an event, then idle."""
    webhook_every: fields.Duration | None = None
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
