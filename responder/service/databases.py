"""The servers of the estate as the rest asks them: looked at, counted, dumped; with the logins of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from responder import settings
from responder.core import evidence, servers, tolerances
from responder.postgres import addresses, counts, dumps, probes, verification, visits


class Databases:
    """PostgreSQL over the wire, by the names servers have."""

    def __init__(self, config: settings.Postgres, looks: settings.Probes) -> None:
        self._book = addresses.AddressBook(config.address_book)
        self._timeout = timeout = looks.timeout
        self._trust, self._logins = visits.Trust(looks.ca_file), _logins(looks)
        self._newest_row = config.newest_row
        self.login = None
        if config.user is not None and config.password is not None:
            self.login = verification.Login(
                user=config.user, password=config.password.reveal(), database=config.database, tls=config.tls
            )
        self.dumps = dumps.Dumps(self._book.find, self.login, timeout)
        """Copies under way; to be closed."""

    async def probe(self, fqdn: str) -> evidence.Probe:
        """Is it there?"""
        return await probes.probe(self._book.find(fqdn), self._timeout)

    async def visit(self, server: servers.Server) -> evidence.Probe:
        """Does it work? As deep as a login lets us ask."""
        asked = tolerances.probe_login(server.tags)
        wanted = visits.Visit(
            address=self._book.find(server.fqdn),
            name=server.fqdn,
            timeout=self._timeout,
            login=self._logins.get(asked),
            replica=server.replica_of is not None,
        )
        seen = await visits.visit(wanted, self._trust)
        if asked is None or asked.lower() == "none" or asked in self._logins:
            return seen
        return replace(seen, detail=f"{seen.detail}; its tag outage-probe names no login of the settings")

    async def look(self, fqdn: str) -> verification.Look:
        """What does it hold?"""
        return await verification.look(self._book.find(fqdn), self.login, self._newest_row, self._timeout)

    async def count(self, fqdn: str, since: datetime | None) -> counts.Counts:
        """How many rows does it hold, or has it got since?"""
        return await counts.count(self._book.find(fqdn), self.login, since, self._timeout)


def _logins(looks: settings.Probes) -> Mapping[str | None, visits.Login]:
    """What probes log in with, by the name that a tag gives; None: where there is no tag."""
    found: dict[str | None, visits.Login] = {
        name: visits.Login(
            user=one.user, password=one.password.reveal(), database=one.database, tls=one.tls == "require"
        )
        for name, one in looks.logins.items()
    }
    return found | ({None: found[looks.login]} if looks.login is not None else {})
