"""The bulletin itself: one communication, before any channel has dressed it. Derives ids; knows no channel."""

from __future__ import annotations

import hashlib
import html
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from responder.core import regions
from responder.simulator.bulletins import vocabulary

Json: TypeAlias = dict[str, Any]

_NAMESPACE = uuid.UUID("6f1c1c7e-6f0d-5f5a-9a3b-6f2f4f0b7a11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulletin:
    """One communication about one event to one subscription, before any channel has dressed it.

    Leave `stage` or `status` empty and it follows from the other; leave both empty and the event is active. Make the
    next communication anew: `dataclasses.replace` would carry along what was derived for this one.
    Raises ValueError when the kind has no such stage, or nothing is named that it hits.
    """

    tracking_id: str
    subscription_id: str
    title: str
    updated_at: datetime
    """Aware; when this communication was published."""
    impact_start: datetime
    services: tuple[str, ...]
    regions: tuple[str, ...]
    """Any spelling of a region's name, or `Global`; shown as Service Health shows it."""
    kind: vocabulary.Kind = "incident"
    stage: vocabulary.Stage = ""
    status: vocabulary.Status = ""
    level: vocabulary.Level = "Warning"
    text: str = ""
    impact_mitigation: datetime | None = None
    """The end of the impact, or of a planned window; None: not known yet."""
    synthetic: bool = False
    portal_test: bool = False
    """The payload of the portal's Test button: synthetic, older field set, impactedServices not wrapped in a string."""
    tags: tuple[str, ...] = ()
    """Only the events operation shows them: `Final PIR`, `False Positive`..."""
    communication_id: str = ""
    """Empty: derived from the content and `updated_at`."""

    def __post_init__(self) -> None:
        words = self.words
        if not self.services or not self.regions:
            raise ValueError(f"bulletin {self.tracking_id}: name at least one service and one region")
        stage: vocabulary.Stage = self.stage or (
            words.stage_when_resolved if self.status == "Resolved" else words.stages[0]
        )
        if stage not in words.stages:
            raise ValueError(
                f"bulletin {self.tracking_id}: {self.kind} has no stage {stage!r}; use one of {', '.join(words.stages)}"
            )
        # A frozen dataclass offers no other way to complete itself.
        object.__setattr__(self, "stage", stage)
        object.__setattr__(self, "status", self.status or ("Resolved" if stage in vocabulary.OVER else "Active"))
        object.__setattr__(self, "regions", tuple(map(regions.display, self.regions)))
        if not self.communication_id:
            content = f"{self.tracking_id}|{stage}|{self.title}|{self.text}|{self.updated_at.isoformat()}"
            object.__setattr__(self, "communication_id", f"11000{digits(content, 9)}")

    @property
    def words(self) -> vocabulary.Words:
        """What its kind is called."""
        return vocabulary.KINDS[self.kind]

    @property
    def operation(self) -> str:
        """`operationName` of every push channel."""
        return f"Microsoft.ServiceHealth/{self.words.operation}/action"

    @property
    def markup(self) -> str:
        """The text as HTML; text that brings its own tags is left as it is."""
        text = self.text or self.title
        return text if text.startswith("<") else f"<p>{html.escape(text)}</p>"

    def guid(self, purpose: str) -> str:
        """An id of this communication to this subscription."""
        key = (self.subscription_id, self.tracking_id, self.communication_id, purpose)
        return str(uuid.uuid5(_NAMESPACE, "/".join(key)))


def digits(content: str, count: int) -> str:
    """As many decimal digits that follow from the content."""
    return str(int(hashlib.sha256(content.encode()).hexdigest(), 16) % 10**count).zfill(count)
