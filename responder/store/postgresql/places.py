"""Where a PostgreSQL store lies, as the settings have it, and how it may be called in a message."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from urllib import parse

from responder import settings
from responder.core import errors

_SCHEMES = ("postgresql", "postgres")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s\[\]:@]*)(?::([0-9]{0,5}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One schema of one database."""

    url: str = field(repr=False)
    """As libpq takes it; with the password, so it is shown nowhere."""
    schema: str = "responder"
    password: str | None = field(default=None, repr=False)
    """Instead of one in the URL."""
    process: str = field(default_factory=lambda: uuid.uuid4().hex[:12], compare=False)
    """Twelve letters for whoever opened it: in the names of its connections, and the beginning of its instance's id."""

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
    if not _is_whole(url):
        raise unreadable()
    return Place(url=url, schema=config.schema_name, password=config.password.reveal() if config.password else None)


def unreadable() -> errors.InputError:
    """The URL cannot be used; no part of it is repeated."""
    return errors.InputError(
        "settings.store-url",
        "store.url is not the URL of a PostgreSQL database.",
        remedy="Write it like postgresql://user@host:5432/database?sslmode=verify-full. A password with other "
        "characters than letters and digits goes into store.password, or is percent-encoded.",
    )


def _is_whole(url: str) -> bool:
    """Whether each part of the URL is what it is taken for. A password with `/`, `?`, `#` or `[` in it that is not
    encoded would end the part that holds secrets, and the rest of it be shown as host, port or database."""
    try:
        parts = parse.urlsplit(url)
        parse.parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        return False
    before, _, hosts = parts.netloc.rpartition("@")
    cut_short = "#" in url or (not before and "@" in parts.path)
    return parts.scheme in _SCHEMES and not cut_short and all(map(_is_host, hosts.split(",")))


def _is_host(text: str) -> bool:
    """`name`, `name:5432`, `[::1]:5432`, or nothing: a socket of this machine."""
    found = _HOST.fullmatch(text)
    return found is not None and (not found[1] or 0 < int(found[1]) < 65_536)
