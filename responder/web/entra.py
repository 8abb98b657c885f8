"""The way in by a token of Entra ID. It loads JWT and cryptography, 9 MB: imported where a webhook asks for one."""

from __future__ import annotations

from aiohttp import web

from responder import clock, settings
from responder.core import errors
from responder.web import callers, signing_keys, tokens


class Token:
    """`Authorization: Bearer TOKEN`, a token of Entra ID for this endpoint."""

    def __init__(self, entra: settings.Entra, keys: signing_keys.SigningKeys) -> None:
        self._expected = tokens.expected(entra)
        self._keys = keys

    async def admits(self, request: web.Request) -> callers.No | None:
        """Its claims first, which cost nothing; then its key, which may have to be fetched; then its signature."""
        say = "The bearer token is missing or not accepted."
        given = request.headers.getall("Authorization", [])
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            return callers.No(say=say, why="token.missing")
        try:
            claimed = tokens.opened(token.strip())
            tokens.judge(claimed.claims, self._expected, clock.now())
            key = await self._keys.find(claimed.key_id)
            if key is None:
                return callers.No(say=say, why="token.key: The tenant has no key of that name.")
            tokens.verify(claimed, key)
        except errors.RefusedError as error:
            return callers.No(say=say, why=str(error))
        except signing_keys.UnknownYetError as error:
            return callers.No(
                say="The token cannot be verified now, try again.", why=f"keys.unknown: {error}", wait=error.wait
            )
        return None
