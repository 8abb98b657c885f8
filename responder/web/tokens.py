"""Bearer tokens of Entra ID: opened, judged, verified. Fetches nothing, reads no clock, keeps nothing.

A token is opened without trust, judged by what it claims, and only then verified; so a token that could never be
admitted costs no key. PyJWT and cryptography verify the signature: RS256 with a key of ours and nothing else. What a
token says of keys itself (`jwk`, `jku`, `x5u`, `x5c`) is never looked at.
https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from responder import settings
from responder.core import errors

ALGORITHM = "RS256"
LONGEST = 8192
"""Characters; Entra's are below 2,000 without groups, and aiohttp takes no longer header."""
_LONGEST_KEY_ID = 200
_LATEST = 2**40
"""Seconds since 1970 that a time claim may name; beyond is nonsense."""

_JWS = jwt.PyJWS(algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must say."""

    tenant: str
    issuers: frozenset[str]
    audiences: frozenset[str]
    callers: frozenset[str]
    """Application ids, lower case."""
    role: str
    leeway: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A token as it describes itself. Nothing of it is proven."""

    token: str
    key_id: str
    claims: Mapping[str, Any]


def expected(entra: settings.Entra) -> Expected:
    """The settings as a judge wants them."""
    v1, v2 = f"https://sts.windows.net/{entra.tenant}/", f"https://login.microsoftonline.com/{entra.tenant}/v2.0"
    return Expected(
        tenant=entra.tenant,
        issuers=frozenset(entra.issuers or (v1, v2)),
        audiences=frozenset(entra.audiences),
        callers=frozenset(caller.lower() for caller in entra.callers),
        role=entra.role,
        leeway=entra.leeway,
    )


def opened(token: str) -> Opened:
    """Take a token apart.

    Raises:
        RefusedError: `token.malformed`, `token.algorithm`, `token.key-id`.
    """
    if len(token) > LONGEST:
        raise _refused("token.malformed", "It is too long.")
    try:
        parts = _JWS.decode_complete(token, options={"verify_signature": False})
        claims = json.loads(parts["payload"])
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise _refused("token.malformed", "It is no JSON Web Token.") from error
    header = parts["header"]
    if header.get("alg") != ALGORITHM:
        raise _refused("token.algorithm", f"It is not signed with {ALGORITHM}.")
    if "crit" in header or "b64" in header:
        raise _refused("token.malformed", "It asks for extensions that Entra ID does not use.")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= _LONGEST_KEY_ID:
        raise _refused("token.key-id", "It does not name its key.")
    if not isinstance(claims, dict):
        raise _refused("token.malformed", "Its payload is no JSON object.")
    return Opened(token=token, key_id=key_id, claims=claims)


def judge(claims: Mapping[str, Any], wanted: Expected, now: datetime) -> None:
    """Whether these claims would admit, were they proven.

    Raises:
        RefusedError: `token.issuer`, `.tenant`, `.audience`, `.caller`, `.role`, `.expired`, `.not-yet-valid`,
            `.malformed`. The remedy says which setting it was compared with; what the token says is not repeated.
    """
    if not _among(claims.get("iss"), wanted.issuers):
        raise _refused("token.issuer", "Another tenant or authority has issued it.", "Compare `tenant`.")
    if claims.get("tid", wanted.tenant) != wanted.tenant:
        raise _refused("token.tenant", "It belongs to another tenant.", "Compare `tenant`.")
    audience = claims.get("aud")
    if not any(_among(one, wanted.audiences) for one in (audience if isinstance(audience, list) else [audience])):
        raise _refused("token.audience", "It was issued for something else.", "Compare `audiences`.")
    _judge_caller(claims, wanted)
    _judge_times(claims, wanted.leeway, now)


def verify(token: Opened, key: rsa.RSAPublicKey) -> None:
    """Whether that key has signed it.

    Raises:
        RefusedError: `token.signature`.
    """
    try:
        _JWS.decode_complete(token.token, key, algorithms=[ALGORITHM])
    except (jwt.PyJWTError, ValueError) as error:
        raise _refused("token.signature", "Its signature is not that of the key it names.") from error


def _judge_caller(claims: Mapping[str, Any], wanted: Expected) -> None:
    """Version 1 names the caller in `appid`, version 2 in `azp`. Where both are there, both must be listed."""
    named = [claims[name] for name in ("appid", "azp") if name in claims]
    if not named or not all(isinstance(one, str) and one.lower() in wanted.callers for one in named):
        raise _refused("token.caller", "It was issued to another application.", "Compare `callers`.")
    roles = claims.get("roles")
    if not isinstance(roles, list) or wanted.role not in roles:
        raise _refused("token.role", "Its application does not hold the role.", "Compare `role`, and assign it.")


def _judge_times(claims: Mapping[str, Any], leeway: timedelta, now: datetime) -> None:
    at, slack = now.timestamp(), leeway.total_seconds()
    if "exp" not in claims or _seconds(claims["exp"]) + slack <= at:
        raise _refused("token.expired", "It has expired, or does not say when.", "Compare both clocks.")
    for name in ("nbf", "iat"):
        if name in claims and _seconds(claims[name]) - slack > at:
            raise _refused("token.not-yet-valid", "It is from the future.", "Compare both clocks.")


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise _refused("token.malformed", "A time in it is none.")
    return float(value)


def _among(value: object, listed: frozenset[str]) -> bool:
    return isinstance(value, str) and value in listed


def _refused(error_id: str, message: str, remedy: str = "") -> errors.RefusedError:
    return errors.RefusedError(error_id, message, remedy=remedy)
