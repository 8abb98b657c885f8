"""A throw-away certificate authority, so that clients speak TLS to the simulator as they do to Azure.

The keys live in memory and in the files asked for; nothing here may be trusted outside one machine.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

NAMES = ("localhost", "127.0.0.1", "::1")
SERVERS = "*.postgres.database.azure.com"
"""What PostgreSQL servers are called."""


class Authority:
    """A new authority and one server certificate for this machine."""

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="Responder simulator")
        self._server = self._authority.issue_cert(*NAMES)

    def write(self, path: Path) -> Path:
        """Write the authority's certificate as PEM: the `connection_verify` of clients, SSL_CERT_FILE of processes."""
        self._authority.cert_pem.write_to_path(str(path))
        return path

    def server_context(self) -> ssl.SSLContext:
        """What a listener serves with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.configure_cert(context)
        return context

    def postgresql_context(self, name: str = SERVERS) -> ssl.SSLContext:
        """What the gateways before PostgreSQL servers serve with: a certificate made out to that name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(name).configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """What a client of ours verifies with."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context
