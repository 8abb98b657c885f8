"""PostgreSQL over the wire: is a server there, and what does a copy hold. Reads only; never writes to any server."""
