"""A small Blob Storage: one account, as much of it as BlobCheckpointStore asks for. It does not check signatures.

Put Blob, Set Blob Metadata and List Blobs with etags, If-Match and If-None-Match.
https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape

from aiohttp import web

ACCOUNT, KEY = "devstoreaccount1", "c2ltdWxhdG9y"
CONTAINER = "checkpoints"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One blob; its content is of no interest."""

    metadata: dict[str, str]
    etag: str
    modified: datetime


@dataclass(kw_only=True)
class Storage:
    """The account and its switches."""

    blobs: dict[str, Blob] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    status: int | None = None
    """Answer everything with this."""
    silent: bool = False
    """Answer nothing at all."""
    port: int = 0
    _etags: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def connection_string(self) -> str:
        url = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url};"

    def sequence(self, partition: str) -> int | None:
        """Of the checkpoint of a partition."""
        for name, blob in self.blobs.items():
            if name.endswith(f"/checkpoint/{partition}"):
                return int(blob.metadata["sequencenumber"])
        return None

    def owners(self) -> set[str]:
        """Who owns something."""
        return {blob.metadata["ownerid"] for name, blob in self.blobs.items() if "/ownership/" in name} - {""}

    async def handle(self, request: web.Request) -> web.Response:
        """Every request."""
        self.log.append(f"{request.method} {request.path_qs}")
        if self.silent:
            await self._released.wait()
        if self.status is not None:
            return web.Response(status=self.status, headers={"x-ms-error-code": "ServerBusy"})
        where = request.match_info["path"]
        if request.method == "GET":
            return self._list(request.query.get("prefix", ""))
        if request.method == "PUT" and not where.startswith(f"{CONTAINER}/"):
            return _refused(404, "ContainerNotFound")
        return self._put(where.removeprefix(f"{CONTAINER}/"), request)

    def release(self) -> None:
        """Let go of those who wait for an answer."""
        self._released.set()

    def _put(self, name: str, request: web.Request) -> web.Response:
        known = self.blobs.get(name)
        only_metadata = request.query.get("comp") == "metadata"
        if known is None and only_metadata:
            return _refused(404, "BlobNotFound")
        if known is not None and request.headers.get("If-None-Match") == "*":
            return _refused(409 if not only_metadata else 412, "BlobAlreadyExists")
        expected = request.headers.get("If-Match", "").strip('"')  # listed without quotes, and given back so
        if expected and (known is None or expected != known.etag.strip('"')):
            return _refused(412, "ConditionNotMet")
        metadata = {k.lower()[10:]: v for k, v in request.headers.items() if k.lower().startswith("x-ms-meta-")}
        blob = Blob(metadata=metadata, etag=f'"0x{next(self._etags):X}"', modified=datetime.now(UTC))
        self.blobs[name] = blob
        stamps = {"ETag": blob.etag, "Last-Modified": format_datetime(blob.modified, usegmt=True)}
        return web.Response(status=200 if only_metadata else 201, headers=stamps)

    def _list(self, prefix: str) -> web.Response:
        found = [(name, blob) for name, blob in sorted(self.blobs.items()) if name.startswith(prefix)]
        listed = "".join(_entry(name, blob) for name, blob in found)
        text = f'<?xml version="1.0"?><EnumerationResults><Blobs>{listed}</Blobs><NextMarker/></EnumerationResults>'
        return web.Response(text=text, content_type="application/xml")


def _entry(name: str, blob: Blob) -> str:
    metadata = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob.metadata.items())
    modified = format_datetime(blob.modified, usegmt=True)
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties><Etag>{blob.etag.strip(chr(34))}</Etag>"
        f"<Last-Modified>{modified}</Last-Modified><BlobType>BlockBlob</BlobType></Properties>"
        f"<Metadata>{metadata}</Metadata></Blob>"
    )


def _refused(status: int, code: str) -> web.Response:
    return web.Response(status=status, headers={"x-ms-error-code": code})


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Storage]:
    """A storage account on a free port."""
    storage = Storage()
    app = web.Application()
    app.router.add_route("*", f"/{ACCOUNT}/{{path:.*}}", storage.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        storage.port = runner.addresses[0][1]
        yield storage
    finally:
        storage.release()
        await runner.cleanup()
