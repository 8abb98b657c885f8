"""What the demo asks the local Azure: its state, its ledger, its inbox; and the servers themselves, by SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from responder.postgres import addresses


class Cloud:
    """The control endpoint of the local Azure."""

    def __init__(self, env: Mapping[str, str], session: aiohttp.ClientSession) -> None:
        self._env = env
        self._session = session
        self._book = addresses.AddressBook(Path(env["SIM_ADDRESS_BOOK"]))

    async def start_scenario(self) -> None:
        """Let things happen."""
        async with self._session.post(f"{self._env['SIM_CONTROL']}/scenario/start") as answer:
            answer.raise_for_status()

    async def ask(self, what: str) -> Any:
        """`state`, `ledger`, `inbox` or `scenario`."""
        async with self._session.get(f"{self._env['SIM_CONTROL']}/{what}") as answer:
            answer.raise_for_status()
            return await answer.json()

    async def query(self, server: str, sql: str, *arguments: object) -> Any:
        """One value, by SQL, from a server of the estate or a copy."""
        at = self._book.find(f"{server}.postgres.database.azure.com")
        connection = await asyncpg.connect(
            host=at.host, port=at.port, user=self._env["PGUSER"], password=self._env["PGPASSWORD"],
            database=self._env["PGDATABASE"], ssl="disable", timeout=5, command_timeout=5,
        )  # fmt: skip
        try:
            return await connection.fetchval(sql, *arguments)
        finally:
            connection.terminate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Rows that the old server committed before the impact and the copy does not have, counted on both."""

    rows: int
    of: int
    """Rows the old server had at the impact."""


async def count_loss(cloud: Cloud, server: str, copy: str, impact: datetime) -> Loss:
    """Compare a copy with the server it was made from, now that both answer."""
    newest = await cloud.query(copy, "select coalesce(max(id), 0) from orders where at < $1", impact)
    lost = await cloud.query(server, "select count(*) from orders where id > $1 and at < $2", newest, impact)
    total = await cloud.query(server, "select count(*) from orders where at < $1", impact)
    return Loss(rows=int(lost), of=int(total))
