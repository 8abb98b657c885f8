"""A local Azure that speaks the real protocols on loopback: Resource Manager, Event Hubs, PostgreSQL.

A peer, not a mock. It imports nothing of the daemon but region facts.
"""
