"""How HTTP answers errors: JSON with our stable id, never a stack, never a secret."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from responder.core import errors

_log = structlog.get_logger(__name__)

_KEPT = ("Accept-Encoding", "Allow", "Retry-After")
"""Headers of an error that tell the caller what to do about it."""
_STATUS = {errors.InputError: 400, errors.RefusedError: 409, errors.StoreError: 503}


def matches(given: str, secret: str) -> bool:
    """Whether a caller knows the secret, compared in constant time. Bytes that are no text do not match."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), secret.encode())


@web.middleware
async def plain_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Our errors become their status; anything unforeseen 500, logged, without its text."""
    try:
        return await handler(request)
    except errors.ResponderError as error:
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 502)
        return web.json_response(error.jsonable(), status=status)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {name: error.headers[name] for name in _KEPT if name in error.headers}
        body = {"error": f"http.{error.status}", "message": error.reason}
        return web.json_response(body, status=error.status, headers=headers)
    except (web.RequestPayloadError, ConnectionError):
        return web.json_response({"error": "http.400", "message": "The body cannot be read."}, status=400)
    except Exception:
        _log.exception("web.failed", path=request.path)
        return web.json_response({"error": "http.500", "message": "Look into the log."}, status=500)
