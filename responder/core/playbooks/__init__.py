"""Playbooks: a title, typed parameters, requirements, and an ordered list of steps. Data, not code.

shapes      what a playbook is made of; a run keeps a snapshot of it
declared    what a step kind says of itself, and the port to the language of conditions
nodes       a file as its loader saw it: every value with its line and column
reading     from nodes to a playbook; whatever is not understood is refused at its place, all of it at once
languages   what a playbook may be written in: step kinds, names, expressions
types       the types of parameters, settings and outputs, and their values
report      everything that is wrong with a file, with its place and remedy
templates   texts with `${{ }}` in them
schema      the JSON Schema that editors complete and check by
prose       a playbook as it is read aloud
"""

from __future__ import annotations

from responder.core.playbooks.declared import Complaint, Expressions, Kind, Output, Setting, Unknown, described, named
from responder.core.playbooks.languages import Judge, Language
from responder.core.playbooks.prose import aloud
from responder.core.playbooks.reading import Examined, examine
from responder.core.playbooks.schema import schema
from responder.core.playbooks.shapes import Condition, Notice, Parameter, Playbook, Requirement, Step
from responder.core.playbooks.types import Type, meant

__all__ = [  # callers say `playbooks.X`, wherever X lies in here
    "Complaint",
    "Condition",
    "Examined",
    "Expressions",
    "Judge",
    "Kind",
    "Language",
    "Notice",
    "Output",
    "Parameter",
    "Playbook",
    "Requirement",
    "Setting",
    "Step",
    "Type",
    "Unknown",
    "aloud",
    "described",
    "examine",
    "meant",
    "named",
    "schema",
]
