"""Who calls the API, and what they may do. Three roles; a token has some of them, the command line's own has all.

Looking takes any role. Entra ID is not asked here; a token is a secret of the settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from responder import settings
from responder.core import runs
from responder.web import answers


class Role(StrEnum):
    """What a caller may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever brought a token."""

    name: str | None
    """None: the command line's token, which says itself who speaks."""
    roles: frozenset[Role]

    def person(self, claimed: object) -> str:
        """Who is named in the journal. Never the daemon itself: what it starts is judged by other rules."""
        if self.name is not None:
            return self.name
        name = "".join(c for c in " ".join(str(claimed or "").split()) if c.isprintable())[:200]
        return name if name and not name.startswith("responder") else "api"

    def must(self, *roles: Role) -> None:
        """Refuse who has none of these roles."""
        if not self.roles.intersection(roles):
            wanted = " or ".join(roles)
            raise web.HTTPForbidden(reason=f"{self.name} may not do that: it takes the role {wanted} (web.tokens).")


OF_WORDS = {topic: (Role.OPERATOR,) for topic in runs.Topic} | {
    runs.Topic.APPROVE: (Role.APPROVER,),
    runs.Topic.DECLINE: (Role.APPROVER,),
    runs.Topic.HOLD: (Role.OPERATOR, Role.APPROVER),
    runs.Topic.RELEASE: (Role.OPERATOR, Role.APPROVER),
}
"""Who may say which word. A hold only ever makes things safer."""


class Register:
    """The tokens there are."""

    def __init__(self, config: settings.Web) -> None:
        found = [(config.token.reveal(), Caller(name=None, roles=frozenset(Role)))] if config.token else []
        for one in config.tokens:
            roles = frozenset(Role(role) for role in one.roles) | {Role.VIEWER}
            found.append((one.secret.reveal(), Caller(name=one.name, roles=roles)))
        self._tokens: Sequence[tuple[str, Caller]] = found

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._tokens)

    def known(self, given: str) -> Caller | None:
        """Whose token it is. Every token is compared, so that the time tells nothing. None: nobody's."""
        known = [caller for token, caller in self._tokens if answers.matches(given, token)]
        return known[0] if known else None

    def caller(self, request: web.Request) -> Caller:
        """Whoever calls.

        Raises:
            HTTPUnauthorized: nobody we know.
        """
        known = self.known(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if known is None:
            raise web.HTTPUnauthorized(reason="The bearer token is missing or wrong (settings: web.token).")
        return known
