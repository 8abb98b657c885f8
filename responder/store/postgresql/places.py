"""Where a PostgreSQL store lies, as the settings have it, and how it may be called in a message."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib import parse

from responder import settings
from responder.core import errors

_SCHEMES = ("postgresql", "postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One schema of one database."""

    url: str = field(repr=False)
    """As libpq takes it; with the password, so it is shown nowhere."""
    schema: str = "responder"
    password: str | None = field(default=None, repr=False)
    """Instead of one in the URL."""

    @property
    def name(self) -> str:
        """Host and database, for people; without user and password."""
        parts = parse.urlsplit(self.url)
        hosts = parts.netloc.rpartition("@")[2] or parse.parse_qs(parts.query).get("host", ["localhost"])[0]
        return f"{hosts}/{parts.path.lstrip('/') or 'the default database'}, schema {self.schema}"

    def secured(self) -> str:
        """The URL; encrypted unless it says otherwise itself, or stays on this machine."""
        parts = parse.urlsplit(self.url)
        asked = parse.parse_qs(parts.query)
        local = parts.netloc.rpartition("@")[2] == "" or asked.get("host", [""])[0].startswith("/")
        if "sslmode" in asked or local:
            return self.url
        query = parse.urlencode([*parse.parse_qsl(parts.query), ("sslmode", "require")])
        return parse.urlunsplit(parts._replace(query=query))


def place_of(config: settings.Store) -> Place:
    """The place that the settings name.

    Raises:
        InputError: `settings.secret-missing`, `settings.store-url`. The message does not repeat the URL.
    """
    assert config.url is not None, "the caller has looked"
    url = config.url.reveal().strip()
    if parse.urlsplit(url).scheme not in _SCHEMES:
        raise errors.InputError(
            "settings.store-url",
            "store.url is not the URL of a PostgreSQL database.",
            remedy="Write it like postgresql://user@host:5432/database?sslmode=verify-full.",
        )
    return Place(url=url, schema=config.schema_name, password=config.password.reveal() if config.password else None)
