"""What one look at a server amounted to, and what that proves: one table, read by the evidence and by people.

    connect, SSLRequest ─► TLS ─► login ─► SELECT 1
           DOOR            TLS          SERVER          how deep a look got

The door may be a gateway of the region, which lives while servers behind it do not. So a look that got no further than
the door proves nothing about the server behind it, and one that failed at some depth proves something only where that
depth was reached from here before (`evidence.observe`). Asks nobody.
Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Depth(IntEnum):
    """How far a look got, or where it failed."""

    DOOR = 0
    """Something speaks PostgreSQL at its address."""
    TLS = 1
    """It has agreed on encryption, with a certificate that is good where that is checked."""
    SERVER = 2
    """The server itself has spoken: only it can check a password or answer a query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One outcome of a look."""

    reached: Depth | None
    """How deep it got. None: nowhere."""
    failed: Depth | None
    """Where the server failed it. None: nothing speaks against the server."""
    text: str
    """What it means, in a sentence."""


_DOOR, _TLS, _SERVER = Depth.DOOR, Depth.TLS, Depth.SERVER


def _answer(reached: Depth | None, failed: Depth | None, text: str) -> Answer:
    return Answer(reached=reached, failed=failed, text=text)


ANSWERS: Mapping[str, Answer] = {
    "silent": _answer(None, _DOOR, "No connection, or none that anybody spoke on."),
    "no-postgresql": _answer(None, _DOOR, "Something answers that does not speak PostgreSQL."),
    "door": _answer(_DOOR, None, "It answers, and was asked no further: the server, or a gateway before it."),
    "no-tls": _answer(_DOOR, None, "It offers no encryption, so no login was sent."),
    "certificate": _answer(
        _DOOR,
        None,
        "Its certificate has run out, is another server's, or comes from no authority that is trusted here. That is no "
        "outage; no login was sent.",
    ),
    "tls-broken": _answer(_DOOR, _TLS, "It answers, and does not agree on encryption."),
    "tls": _answer(_TLS, None, "It agrees on encryption. No login is given for it, so nobody asked further."),
    "login-silent": _answer(
        _TLS, _SERVER, "The gateway answers, and nobody answers the login: the server behind it does not work."
    ),
    "query-silent": _answer(_TLS, _SERVER, "It took the login and does not answer SELECT 1: it does not work."),
    "served": _answer(_SERVER, None, "It answers SELECT 1: it works."),
    "password": _answer(
        _SERVER, None, "The server has checked the password and refused it, so it works. The settings are wrong."
    ),
    "refused": _answer(
        _TLS,
        None,
        "The login was refused before anybody looked at the password. A gateway may say that by itself (a firewall "
        "rule), so it proves as much as a handshake.",
    ),
    "no-database": _answer(_SERVER, None, "The server knows no such database, or keeps us out of it: it works."),
    "full": _answer(_SERVER, None, "All its connections are taken. It works, and a copy would be as full."),
    "short": _answer(_SERVER, None, "It is out of memory, disk or the like: a trouble of its own, and no outage."),
    "starting": _answer(
        _TLS,
        _SERVER,
        "It is starting, stopping or recovering: it serves nobody now. After a failover that lasts a minute or two.",
    ),
    "ended": _answer(_TLS, _SERVER, "It ended the connection because it is going down, or has crashed."),
    "cut-off": _answer(_TLS, _SERVER, "Whoever answers has no connection to the server behind."),
    "ailing": _answer(_TLS, _SERVER, "It fails within itself, or at its storage: it does not work."),
    "other": _answer(_TLS, None, "It answers the login with an error that says nothing about whether it works."),
}
"""Every outcome by its stable id. What is not in here (an older record) counts as what was seen: see `of`."""

CODES: Mapping[str, str] = {
    "28P01": "password",
    "28": "refused",
    "3D000": "no-database",
    "42501": "no-database",
    "53300": "full",
    "53": "short",
    "57P03": "starting",
    "57P01": "ended",
    "57P02": "ended",
    "08": "cut-off",
    "58": "ailing",
    "XX": "ailing",
}
"""SQLSTATE, or its first two characters where the whole is not listed, to the outcome."""

_OLD: Mapping[bool, Answer] = {True: ANSWERS["door"], False: ANSWERS["silent"]}


def of_code(sqlstate: str) -> str:
    """The outcome of a login or a query that was answered with an error of that code."""
    return CODES.get(sqlstate) or CODES.get(sqlstate[:2], "other")


def of(said: str, *, answered: bool) -> Answer:
    """The outcome of that id; of a look that has none, what a handshake would have shown."""
    return ANSWERS.get(said) or _OLD[answered]
