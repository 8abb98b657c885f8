"""Azure's words, and what they mean here.

Sources: https://learn.microsoft.com/azure/service-health/service-health-event-properties (incident types and stages),
https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema (Resource Health statuses), and the
metadata operation of Resource Health (statuses, event tags).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from responder.core.events import Kind, Status
from responder.core.payloads.fields import Fields

STATUSES = {
    "active": Status.ACTIVE,
    "activated": Status.ACTIVE,
    "inprogress": Status.ACTIVE,
    "resolved": Status.RESOLVED,
    "resolve": Status.RESOLVED,  # emerging issues
    "complete": Status.RESOLVED,  # maintenance, this and the next two
    "completed": Status.RESOLVED,
    "canceled": Status.RESOLVED,
    "cancelled": Status.RESOLVED,
    "mitigated": Status.RESOLVED,
    "archived": Status.RESOLVED,  # emerging issues
    "updated": Status.UPDATED,
    "rca": Status.UPDATED,  # weeks after mitigation, under the tracking id of the incident
}

INCIDENT_TYPES = {
    "incident": Kind.INCIDENT,
    "maintenance": Kind.MAINTENANCE,
    "security": Kind.SECURITY,
    "actionrequired": Kind.ADVISORY,
    "informational": Kind.ADVISORY,
    "information": Kind.ADVISORY,  # the older text
    "assistedrecovery": Kind.ADVISORY,
}
"""Push: `incidentType`."""

EVENT_TYPES = {
    "serviceissue": Kind.INCIDENT,
    "rca": Kind.INCIDENT,
    "plannedmaintenance": Kind.MAINTENANCE,
    "healthadvisory": Kind.ADVISORY,
    "securityadvisory": Kind.SECURITY,
    "emergingissues": Kind.ADVISORY,
    "billing": Kind.OTHER,
}
"""REST and Resource Graph: `eventType`."""

_LEVELS = {"information": "informational", "info": "informational", "verbose": "informational"}

_BEFORE = r"[\s\[(\"'*]*(?:(?:updated?|resolved|mitigated|final|new)\b[\s\])\"'*]*[-:|\u2013\u2014]+[\s\[(\"'*]*)?"
"""What a title may begin with: a bracket, `Resolved - `."""
_REVIEW = re.compile(
    _BEFORE + r"(?:(?:preliminary|final)\s+)?(?:post[\s-]+incident\s+review|pir\b|rca\b|root\s+cause\s+analysis)",
    re.IGNORECASE,
)
_POSTGRESQL = re.compile(r"(?<!cosmos db for )\bpostgres(?:ql)?\b", re.IGNORECASE)  # that one is another product
_WITHDRAWN = re.compile(
    # Not `No impact to Storage, but ...`: of two meanings the one that hides no outage.
    _BEFORE + r"(?:no[\s_-]*impact(?=\s*(?:$|[-:;|.\])\"'*\u2013\u2014]))|false[\s_-]*positive(?![a-z]))",
    re.IGNORECASE,
)
_TEST_TITLE = re.compile(
    r"test from synthetics? service|test\s?action\s?group|test\s?service\s?health\s?alert", re.IGNORECASE
)
_TEST_TEXT = re.compile(r"\s*(?:<[^<>]{0,50}>\s*){0,3}test\s?incident\s?:", re.IGNORECASE)


def status(said: Iterable[str | None], kind: Kind) -> Status:
    """The status that several words (status, stage) make together.

    Whichever says it is over wins: webhooks put `Fired` and `Activated` on resolutions, and a stage can be ahead of its
    status. `RCA` beside `Active` is news, not an outage.
    """
    found = [STATUSES[word] for word in said if word in STATUSES]
    if Status.RESOLVED in found:
        return Status.RESOLVED
    if kind is Kind.INCIDENT and Status.UPDATED in found:
        return Status.UPDATED
    return found[0] if found else Status.UNKNOWN


def level(word: str | None) -> str | None:
    """`Information` and `Informational` are one, and nothing below them is more."""
    return _LEVELS.get(word, word) if word else None


def tags(body: Fields) -> list[str]:
    """`eventTags`, as an array of words or of objects with a name, or as one string."""
    listed = [*body.items("eventTags"), *body.all("eventTags")]
    listed += [Fields(tag).text("name", "value", "tag") for tag in listed if isinstance(tag, dict)]
    return [part for tag in listed if isinstance(tag, str) for part in re.split("[,;]", tag[:1_000])]


def names_postgresql(text: str) -> bool:
    """Whether a text speaks of PostgreSQL. Of another service's outage it is often the only place that names who else
    is hit; prose is no list, so it makes suspect and proves nothing."""
    return _POSTGRESQL.search(text) is not None


def is_false_positive(text: object) -> bool:
    """Tag or beginning of a title by which Azure withdraws an event: `False Positive`, `No Impact - Azure Portal`."""
    return isinstance(text, str) and bool(_WITHDRAWN.match(text[:200]))


def is_review(text: object) -> bool:
    """Tag or beginning of a title of a post incident review: `Final PIR`, `Post Incident Review (PIR) - Storage`."""
    return isinstance(text, str) and bool(_REVIEW.match(text[:200]))


def is_test_title(text: object) -> bool:
    """Titles of Azure's own tests, which do not always carry a flag: `A test from synthetics service`."""
    return isinstance(text, str) and bool(_TEST_TITLE.search(text[:500]))


def is_test_text(text: object) -> bool:
    """How the text of such a test begins. Only the beginning: a real outage may speak of tests."""
    return isinstance(text, str) and bool(_TEST_TEXT.match(text[:500]))
