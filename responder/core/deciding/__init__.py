"""What a decision is made of: its facts, whether the server is down because of this outage, and the figures.

The rule itself is in `responder.core.decisions`, which is what the rest of the product asks.
"""
