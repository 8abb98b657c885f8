"""The data plane of the local Azure: PostgreSQL servers that answer SQL, go dark with their region, and are backed up.

`plane.Plane` is the door; the rest serves it. Nothing here knows of Resource Manager or of the daemon.
"""
