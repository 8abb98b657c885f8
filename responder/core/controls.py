"""What people may say to a run: one table of phase and word, and what all the words together amount to. Pure.

Words are stored for good and read in the order they came, so a crash loses none and hearing one twice changes nothing.
None of them opens the guard before the point of no return: consent, a fresh failing probe and the loss are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from responder.core import errors, runs

NO_RETURN = frozenset({"cut_over", "promote_replica"})
"""Step kinds after which there is no way back. Passing over one ends the run, without it."""

QUARANTINE, PAUSE, FREEZE, TURN = "quarantine", "pause", "freeze", "turn"
"""What a braked run waits for (`Run.waiting_for`): a human's look, `resume`, the end of a freeze, room under a cap."""


class Phase(StrEnum):
    """Where a run is, as far as words are concerned."""

    DUE = "due"
    OPERATION = "operation"
    """Something is under way in Azure."""
    WAITING = "waiting"
    BACK_OFF = "back-off"
    PAUSED = "paused"
    QUARANTINED = "quarantined"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Effect(StrEnum):
    """What becomes of a word."""

    KEEP = "keep"
    """Stored; the run heeds it at its next look."""
    ALREADY = "already"
    """It is so already. Nothing is stored, and saying it again is no mistake."""
    REVIVE = "revive"
    """Stored, and the ended run is ready again."""
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One field of the table."""

    effect: Effect
    sentence: str
    """For whoever said the word: what comes of it, or why not and what to do instead."""


_P, _T = Phase, runs.Topic
_LIVE = (_P.DUE, _P.OPERATION, _P.WAITING, _P.BACK_OFF, _P.PAUSED, _P.QUARANTINED)
_ENDED = (_P.DONE, _P.FAILED, _P.CANCELLED)
WORDS = tuple(topic for topic in runs.Topic if topic is not runs.Topic.DECISION)
"""What people can say; decisions speak for themselves."""

_OVER = "A new run is started with `responder run`."
_AFTER = "`responder runs retry` makes it go on."


def _rows() -> Mapping[tuple[Phase, runs.Topic], Answer]:
    found: dict[tuple[Phase, runs.Topic], Answer] = {}

    def say(topic: runs.Topic, phases: Sequence[Phase], effect: Effect, sentence: str) -> None:
        for phase in phases:
            found[phase, topic] = Answer(effect=effect, sentence=sentence)

    for topic in WORDS:
        say(topic, _LIVE, Effect.KEEP, "")
        say(topic, _ENDED, Effect.REFUSE, _OVER)
        if topic not in (_T.CANCEL, _T.RETRY, _T.SKIP):
            say(topic, (_P.FAILED,), Effect.REFUSE, f"{_AFTER} {_OVER}")
    say(_T.APPROVE, _LIVE, Effect.KEEP, "It is a yes to the cut-over; everything else is still checked before.")
    say(_T.DECLINE, _LIVE, Effect.KEEP, "It is a no to the cut-over. The copy is kept until the region is back.")
    say(_T.PAUSE, _LIVE, Effect.KEEP, "Nothing new is begun. What is under way in Azure is still watched.")
    say(_T.PAUSE, (_P.PAUSED,), Effect.ALREADY, "It is paused.")
    say(_T.RESUME, _LIVE, Effect.ALREADY, "It is not paused.")
    say(_T.RESUME, (_P.PAUSED,), Effect.KEEP, "It goes on.")
    say(_T.CANCEL, _LIVE, Effect.KEEP, "It ends before its next effect, and names what it leaves behind.")
    say(_T.CANCEL, (_P.CANCELLED,), Effect.ALREADY, "It was cancelled.")
    say(_T.RETRY, _LIVE, Effect.ALREADY, "Nothing has failed.")
    say(_T.RETRY, (_P.BACK_OFF,), Effect.KEEP, "The step is tried again now.")
    say(_T.RETRY, (_P.QUARANTINED,), Effect.KEEP, "It leaves the quarantine and is carried on.")
    say(_T.RETRY, (_P.PAUSED,), Effect.REFUSE, "It is paused: `responder runs resume` first.")
    say(_T.RETRY, (_P.FAILED,), Effect.REVIVE, "The failed step is tried again, with all its attempts.")
    say(_T.SKIP, _LIVE, Effect.KEEP, "The step is passed over. Passing over a cut-over ends the run without one.")
    say(_T.SKIP, (_P.FAILED,), Effect.REVIVE, "The run goes on behind the failed step.")
    say(_T.GO_NOW, _LIVE, Effect.KEEP, "It does not wait any longer; the guard before a cut-over still stands.")
    say(_T.GO_NOW, (_P.OPERATION,), Effect.KEEP, "Azure cannot be hurried; it is asked now how far it is.")
    say(_T.GO_NOW, (_P.PAUSED,), Effect.REFUSE, "It is paused: `responder runs resume` first.")
    say(_T.GO_NOW, (_P.QUARANTINED,), Effect.REFUSE, "It is in quarantine: `responder runs retry` takes it out.")
    say(_T.HOLD, _LIVE, Effect.KEEP, "It is not cut over before somebody says approve, go-now or release.")
    say(_T.RELEASE, _LIVE, Effect.KEEP, "No hold stands on it any more; clock, consent and guard count again.")
    return found


TABLE: Mapping[tuple[Phase, runs.Topic], Answer] = _rows()
"""What comes of a word in a phase. Whole: every phase with every word of `WORDS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What all words to a run amount to now. The empty value: nobody has said anything."""

    cancelled: runs.Signal | None = None
    paused: runs.Signal | None = None
    held: runs.Signal | None = None
    """Somebody said hold, and nobody has said approve, go-now or release since. Of several, the one that lasts
    longest."""
    skips: Mapping[str, runs.Signal] = field(default_factory=dict)
    """Step id -> who passes it over."""
    hurried: Mapping[str, runs.Signal] = field(default_factory=dict)
    """Step id -> who said go-now about it. It ends a hold for good; a back-off once, see `hurries`."""


def standing(signals: Sequence[runs.Signal]) -> Standing:
    """Fold the words in the order they came."""
    cancelled = paused = held = None
    skips: dict[str, runs.Signal] = {}
    hurried: dict[str, runs.Signal] = {}
    for word in signals:
        match word.topic:
            case _T.CANCEL:
                cancelled = cancelled or word
            case _T.PAUSE:
                paused = paused or word
            case _T.RESUME:
                paused = None
            case _T.RETRY if word.payload.get("revived"):
                cancelled = None  # said before the run failed; whoever revives it wants it to go on
            case _T.SKIP:
                cancelled = None if word.payload.get("revived") else cancelled
                skips[step_of(word)] = word
            case _T.HOLD:
                held, hurried = _longer(held, word), {}
            case _T.APPROVE | _T.RELEASE:
                held = None
            case _T.GO_NOW:
                held, hurried[step_of(word)] = None, word
    return Standing(cancelled=cancelled, paused=paused, held=held, skips=skips, hurried=hurried)


def _longer(held: runs.Signal | None, word: runs.Signal) -> runs.Signal:
    """Of two holds the one that lasts longer, so that nobody's shorter one ends another's. Of two alike the newer."""
    if held is None:
        return word
    ends, other = _end(held), _end(word)
    return word if other is None or (ends is not None and ends <= other) else held


def _end(word: runs.Signal) -> datetime | None:
    """When it is over by itself. `until` is taken away once that was seen to, and the word's payload keeps it."""
    said = word.until or word.payload.get("until")
    return datetime.fromisoformat(said) if isinstance(said, str) else said


LAPSED = "responder (its time is over)"
"""Who ends a pause or a hold that was said for a time."""


def lapse(word: runs.Signal, said: Standing, now: datetime) -> runs.Signal | None:
    """The word that ends a pause or a hold whose time is over; None: somebody has ended it before."""
    ends = {_T.PAUSE: (said.paused, _T.RESUME), _T.HOLD: (said.held, _T.RELEASE)}
    standing_one, topic = ends.get(word.topic, (None, None))
    if topic is None or standing_one != word:
        return None
    reason = f"the {word.topic} of {word.by} was said until {word.until:%Y-%m-%d %H:%M} UTC"
    key = f"lapse/{word.topic}/{word.at.isoformat()}"
    return runs.Signal(
        run_id=word.run_id, topic=topic, by=LAPSED, at=now, payload={"reason": reason}, key=key
    )  # fmt: skip


def step_of(word: runs.Signal) -> str:
    """The step that a skip, retry or go-now is about: said about one step, it never counts for a later one."""
    return str(word.payload.get("step") or "")


def hurries(taken: Sequence[runs.Signal], step: str) -> bool:
    """Whether one of the words just taken ends a back-off of this step, once."""
    return any(word.topic in (_T.GO_NOW, _T.RETRY) and step_of(word) in ("", step) for word in taken)


def phase(run: runs.Run, record: runs.StepRecord | None, said: Standing) -> Phase:
    """Where a run is. `record`: of its current step."""
    if run.state.ended:
        return Phase(run.state.value)
    if run.waiting_for == QUARANTINE:
        return Phase.QUARANTINED
    if said.paused is not None:
        return Phase.PAUSED
    if runs.under_way(record):
        return Phase.OPERATION
    if run.waiting_for == "retry":
        return Phase.BACK_OFF
    return Phase.WAITING if run.state is runs.State.WAITING else Phase.DUE


def answer(run: runs.Run, record: runs.StepRecord | None, signals: Sequence[runs.Signal], topic: runs.Topic) -> Answer:
    """What comes of a word to a run as it is now.

    Raises:
        RefusedError: `run.ended`, `run.paused`, `run.quarantined`; the remedy says what to say instead.
    """
    now = phase(run, record, standing(signals))
    found = TABLE[now, topic]
    if found.effect is Effect.REFUSE:
        error_id = "run.ended" if run.state.ended else f"run.{now}"
        state = f"{run.state} already" if run.state.ended else f"{now}"
        raise errors.RefusedError(error_id, f"Run {run.id} is {state}.", remedy=found.sentence)
    return found
