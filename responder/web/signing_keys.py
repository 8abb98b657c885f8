"""The keys a tenant signs with: fetched from one configured address, kept, rotated. Judges no token.

They are fetched in peace, again and again, because the night they are needed the address may not answer. A token that
names an unknown key makes us ask, too, but at most once a minute and never twice at once, whoever sends such tokens.
When asking fails, what is known stays good for `keys_keep`. All of it by ticks, which no clock that is set moves.
https://learn.microsoft.com/entra/identity-platform/signing-key-rollover
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta

import aiohttp
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import algorithms

from responder import clock, settings
from responder.core import errors

_log = structlog.get_logger(__name__)

ASK_AGAIN = timedelta(minutes=1)
"""Between two questions. Action groups try for 75 s, so a key that is a minute late still admits their last attempt."""
_TIMEOUT = aiohttp.ClientTimeout(total=5, connect=3)
_LARGEST = 512 * 1024
"""Bytes; Entra's document is about 20 KB."""
_MOST = 100
_BITS = range(2048, 4097)
_MOST_EXPONENT_BITS = 32
"""Larger ones make a verification expensive, and nobody uses them."""

Keys = Mapping[str, rsa.RSAPublicKey]


class UnknownYetError(Exception):
    """Whether such a key exists cannot be told now; ask again after `wait`."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__("The signing keys cannot be fetched now.")
        self.wait = wait


class SigningKeys:
    """The keys behind one address."""

    def __init__(self, entra: settings.Entra) -> None:
        self._url = entra.keys_url or f"https://login.microsoftonline.com/{entra.tenant}/discovery/v2.0/keys"
        self._tenant = entra.tenant
        self._refresh = entra.keys_refresh
        self._keep = entra.keys_keep
        self._keys: Keys = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._failed = False
        self._asking: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> rsa.RSAPublicKey | None:
        """The key of that name; None when the tenant has no such key.

        Raises:
            UnknownYetError: it is not among those known, and the tenant cannot, or must not yet, be asked.
        """
        key = self._usable().get(key_id)
        if key is not None:
            return key
        if self._asking is None and (wait := self._wait()):
            raise UnknownYetError(wait)
        await self._ask()
        if self._failed and key_id not in self._usable():
            raise UnknownYetError(max(self._wait(), timedelta(seconds=1)))
        return self._usable().get(key_id)

    async def look_after(self) -> None:
        """Keep them fresh until cancelled."""
        try:
            while True:
                if self._due() and not self._wait():
                    await self._ask()
                await asyncio.sleep(ASK_AGAIN.total_seconds())
        finally:
            if (asking := self._asking) is not None:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

    def _usable(self) -> Keys:
        return {} if _since(self._fetched_at) > self._keep else self._keys

    def _due(self) -> bool:
        return self._failed or _since(self._fetched_at) >= self._refresh

    def _wait(self) -> timedelta:
        """Until the next question is allowed; zero: now."""
        return max(ASK_AGAIN - _since(self._asked_at), timedelta(0))

    async def _ask(self) -> None:
        """Ask, or join the question that is under way. Shielded: a caller who hangs up does not end it for others."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._fetch(), name="signing-keys")
        await asyncio.shield(self._asking)

    async def _fetch(self) -> None:
        self._asked_at = clock.ticks()
        try:
            keys = parse(await _document(self._url), self._tenant)
            if not keys:
                raise errors.InputError("keys.none", "There is no usable key in the document.", place=self._url)
        except Exception as error:  # whatever a stranger's answer makes a library say; asked again in a minute
            self._failed = True
            why = error.message if isinstance(error, errors.InputError) else type(error).__name__
            _log.warning("keys.not-fetched", url=self._url, why=why, known=len(self._usable()))
        else:
            if keys.keys() != self._keys.keys():
                _log.info("keys.changed", url=self._url, keys=len(keys))
            self._keys, self._fetched_at, self._failed = keys, clock.ticks(), False
        finally:
            self._asking = None


def _since(ticks: float | None) -> timedelta:
    """How long ago that was; never: longer than anything."""
    return timedelta(days=1_000_000) if ticks is None else timedelta(seconds=clock.ticks() - ticks)


def parse(document: bytes, tenant: str) -> Keys:
    """The keys of a JSON Web Key Set that may sign for this tenant; anything else in it is left out.

    Raises:
        InputError: `keys.unreadable`: this is no such set.
    """
    try:
        listed = json.loads(document)["keys"]
        if not isinstance(listed, list):
            raise TypeError
    except (ValueError, RecursionError, TypeError, LookupError) as error:
        raise errors.InputError(
            "keys.unreadable", "This is no JSON Web Key Set.", remedy="Check `keys_url`."
        ) from error
    found = {}
    for entry in listed[:_MOST]:
        if isinstance(entry, dict) and isinstance(entry.get("kid"), str) and _signs(entry, tenant):
            key = _key(entry)
            if key is not None:
                found[entry["kid"]] = key
    return found


def _signs(entry: Mapping[str, object], tenant: str) -> bool:
    """Some keys of Entra's lists belong to other issuers; those of every tenant say `{tenantid}`."""
    issuer = entry.get("issuer", tenant)
    ours = isinstance(issuer, str) and (tenant in issuer or "{tenantid}" in issuer)
    return (
        ours and entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig" and entry.get("alg", "RS256") == "RS256"
    )


def _key(entry: Mapping[str, object]) -> rsa.RSAPublicKey | None:
    try:
        # Only the public half, whatever else is in there.
        key = algorithms.RSAAlgorithm.from_jwk({"kty": "RSA", "n": entry["n"], "e": entry["e"]})
    except (jwt.PyJWTError, ValueError, TypeError, LookupError, AttributeError):
        return None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in _BITS:
        return None
    return key if key.public_numbers().e.bit_length() <= _MOST_EXPONENT_BITS else None


async def _document(url: str) -> bytes:
    """What lies at the address, following nothing and reading no more than is plausible."""
    # `trust_env`: whoever reaches Azure through a proxy reaches this through it, too.
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True, auto_decompress=False) as session,
        session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as answer,
    ):
        if answer.status != 200:
            raise errors.InputError("keys.refused", f"The answer is {answer.status}.", place=url)
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > _LARGEST:
                raise errors.InputError("keys.too-large", "The document is implausibly large.", place=url)
        return bytes(body)
