"""Where clients get their tokens: the endpoints of Entra ID that `az` and the SDKs need, and a managed identity.

Tokens have the shape of a JWT and say who the caller is; they are not signed and prove nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
import uuid
from collections.abc import Mapping

from aiohttp import web

from responder.simulator import world as worlds

IDENTITY_HEADER = "responder-simulator-identity"
"""What a client has to send as X-IDENTITY-HEADER; IDENTITY_HEADER in its environment."""

_LIFETIME = 24 * 3600 - 60
_NAMESPACE = uuid.UUID("5f9ad9a1-51fb-4b5e-8f1c-0b8c5a3c1a11")
_MANAGED_IDENTITY = "system-assigned"


class NotAToken(ValueError):
    """The bearer token cannot be used. `code` is the one of Resource Manager."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def principal_of(token: str, *, now: float | None = None) -> str:
    """The object id a token claims; `opaque` for a token that is no JWT. Raises `NotAToken` when it has expired."""
    parts = token.split(".")
    if len(parts) != 3:
        return "opaque"
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError) as error:
        raise NotAToken("InvalidAuthenticationToken", "The access token is invalid.") from error
    if float(claims.get("exp", 0)) < (time.time() if now is None else now):
        raise NotAToken(
            "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."
        )
    return str(claims.get("oid", "opaque"))


def issue(tenant: str, *, client_id: str, audience: str, issuer: str) -> tuple[str, int]:
    """A token of the shape of a JWT, and when it expires (seconds since 1970)."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": issuer,
        "iat": now,
        "nbf": now,
        "exp": now + _LIFETIME,
        "appid": client_id,
        "idtyp": "app",
        "oid": str(uuid.uuid5(_NAMESPACE, client_id)),
        "sub": str(uuid.uuid5(_NAMESPACE, client_id)),
        "tid": tenant,
        "ver": "1.0",
    }
    parts = (_encode({"typ": "JWT", "alg": "RS256", "kid": "simulator"}), _encode(claims), "c2ltdWxhdG9y")
    return ".".join(parts), now + _LIFETIME


def _encode(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class Tokens:
    """The handlers. They are no part of Resource Manager: no bearer token, no ledger."""

    def __init__(self, world: worlds.World) -> None:
        self._tenant = str(world.estate.tenant)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/msi/token", self.managed_identity),
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self.configuration),
            web.get("/{tenant}/.well-known/openid-configuration", self.configuration),
            web.get("/common/discovery/instance", self.instances),
            web.post("/{tenant}/oauth2/v2.0/token", self.client_credentials),
            web.get("/metadata/endpoints", self.endpoints),
        ]

    async def managed_identity(self, request: web.Request) -> web.Response:
        """App Service style: IDENTITY_ENDPOINT and X-IDENTITY-HEADER.

        https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
        """
        if request.headers.get("X-IDENTITY-HEADER") != IDENTITY_HEADER:
            return web.json_response({"statusCode": 401, "message": "X-IDENTITY-HEADER is not correct"}, status=401)
        resource = request.query.get("resource", "")
        if not resource:
            return web.json_response({"statusCode": 400, "message": "resource is missing"}, status=400)
        client_id = request.query.get("client_id", _MANAGED_IDENTITY)
        token, expires = issue(self._tenant, client_id=client_id, audience=resource, issuer=_base(request))
        return web.json_response(
            {
                "access_token": token,
                "client_id": client_id,
                "expires_on": str(expires),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    async def client_credentials(self, request: web.Request) -> web.Response:
        """Any client id with any secret gets a token."""
        form = await request.post()
        client_id = str(form.get("client_id", ""))
        if not client_id:
            error = {"error": "invalid_client", "error_description": "AADSTS7000216: client_id is missing."}
            return web.json_response(error, status=400)
        scope = str(form.get("scope", "")) or str(form.get("resource", ""))
        token, _ = issue(self._tenant, client_id=client_id, audience=scope, issuer=_base(request))
        return web.json_response(
            {"token_type": "Bearer", "expires_in": _LIFETIME, "ext_expires_in": _LIFETIME, "access_token": token}
        )

    async def configuration(self, request: web.Request) -> web.Response:
        """What MSAL asks before the first token."""
        base, tenant = _base(request), request.match_info["tenant"]
        return web.json_response(
            {
                "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/devicecode",
                "end_session_endpoint": f"{base}/{tenant}/oauth2/v2.0/logout",
                "id_token_signing_alg_values_supported": ["RS256"],
                "issuer": f"{base}/{tenant}/v2.0",
                "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys",
                "response_types_supported": ["code", "id_token", "token id_token"],
                "subject_types_supported": ["pairwise"],
                "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            }
        )

    async def instances(self, request: web.Request) -> web.Response:
        """Instance discovery: this host is its own authority."""
        return web.json_response(
            {
                "tenant_discovery_endpoint": f"{_base(request)}/{self._tenant}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [
                    {
                        "preferred_network": request.host,
                        "preferred_cache": request.host,
                        "aliases": [request.host],
                    }
                ],
            }
        )

    async def endpoints(self, request: web.Request) -> web.Response:
        """What `az cloud register` reads. Versions before 2022-09-01 answer a list."""
        base = _base(request)
        cloud = {
            "name": "ResponderSimulator",
            "portal": base,
            "resourceManager": f"{base}/",
            "graph": f"{base}/",
            "graphAudience": f"{base}/",
            "microsoftGraphResourceId": f"{base}/",
            "media": f"{base}/",
            "batch": f"{base}/",
            "sqlManagement": f"{base}/",
            "gallery": f"{base}/",
            "vmImageAliasDoc": f"{base}/",
            "authentication": {
                "loginEndpoint": base,
                "audiences": [f"{base}/"],
                "tenant": self._tenant,
                "identityProvider": "AAD",
            },
            "suffixes": {"postgresqlServerEndpoint": "postgres.database.azure.com"},
        }
        recent = request.query.get("api-version", "") >= "2022-09-01"
        return web.json_response(cloud if recent else [cloud])


def _base(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"
