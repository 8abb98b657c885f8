"""The way of a fact: intake -> assess -> act -> announce. Who has read these files has read the product.

Each stage gathers rows, calls the core, and writes what it answered. An event only wakes a stage; the stage acts on
what is stored. Nothing flows back: the end of an outage is a new event, hence a new decision, which the run looks at.
"""
