"""How HTTP answers errors: JSON with our stable id, never a stack, never a secret."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from responder.core import errors

_log = structlog.get_logger(__name__)

_STATUS = {errors.InputError: 400, errors.RefusedError: 409, errors.StoreError: 503}


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
        return web.json_response({"error": f"http.{error.status}", "message": error.reason}, status=error.status)
    except Exception:
        _log.exception("web.failed", path=request.path)
        return web.json_response({"error": "http.500", "message": "Look into the log."}, status=500)
