"""What becomes of an outage when Azure speaks: a table, one row a transition, each with its sentence.

Two rules. Everything that changes an outage's state stands in this table; and the table is total: every state, word
and age is in exactly one row, which a test holds. The table in the documentation is printed from here. It knows no
`Outage` and applies nothing: `outages` finds the word and carries the effect out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What Azure's newest word makes of one tracking id in one region."""

    UNHEARD = "unheard"
    ACTIVE = "active"
    RESOLVED = "resolved"
    DROPPED = "dropped"
    """Azure goes on about it without this region: no recovery, and no reason for anything new."""
    WITHDRAWN = "withdrawn"
    """Azure took it back: it never had an impact."""


class Word(StrEnum):
    """What one event says of one region."""

    GOES_ON = "goes on here"
    WENT_ON = "went on here, in an update older than the one that leaves the region out"
    OVER = "is over here"
    TAKEN_BACK = "had no impact"
    GONE = "leaves the region out, to everybody it was told to"
    GONE_FOR_SOME = "leaves the region out, to some"
    REVIEW = "is reviewed (RCA)"
    NOTHING = "nothing about it"


class Age(StrEnum):
    """The event's update time against that of the newest update that counted. Arrival plays no part."""

    NEWER = "newer"
    SAME = "same"
    OLDER = "older"


class Effect(StrEnum):
    """What is written, besides the state."""

    NOTHING = "nothing"
    NOTE = "who is still told of the region"
    WIDEN = "who was told, services, impact start"
    RENEW = "the same, and title, level, estimate"
    END = "the same, and when it ended"
    REOPEN = "as renewed, and counted as reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row: in these states, at these ages, this word leads there."""

    name: str
    given: tuple[State, ...]
    word: Word
    ages: tuple[Age, ...]
    then: State | None
    """None: the state stays as it is."""
    effect: Effect
    sentence: str

    def next_of(self, state: State) -> State:
        """The state after it."""
        return state if self.then is None else self.then


def find(state: State, word: Word, age: Age) -> Transition:
    """The one row for that state, word and age."""
    return _ROWS[state, word, age]


_ANY_STATE, _ANY_AGE = tuple(State), tuple(Age)
_HEARD = tuple(state for state in State if state is not State.UNHEARD)
_ENDED = (State.RESOLVED, State.WITHDRAWN)
_OPEN = (State.ACTIVE, State.DROPPED)
_SINCE = (Age.NEWER, Age.SAME)


def _row(
    name: str,
    when: tuple[tuple[State, ...], Word, tuple[Age, ...]],
    then: State | None,
    effect: Effect,
    sentence: str,
) -> Transition:
    given, word, ages = when
    return Transition(name=name, given=given, word=word, ages=ages, then=then, effect=effect, sentence=sentence)


TABLE: tuple[Transition, ...] = (
    # Never heard of
    _row(
        "opened", ((State.UNHEARD,), Word.GOES_ON, _ANY_AGE), State.ACTIVE, Effect.RENEW,
        "Only an actionable event opens an outage: an active incident above informational, no test, that names"
        " PostgreSQL or something it stands on, in a region.",
    ),
    _row(
        "opened, already over", ((State.UNHEARD,), Word.OVER, _ANY_AGE), State.RESOLVED, Effect.END,
        "A resolution overtook its outage. It is kept as over; forgotten, it would leave the older news to open it.",
    ),
    _row(
        "opened, already withdrawn", ((State.UNHEARD,), Word.TAKEN_BACK, _ANY_AGE), State.WITHDRAWN, Effect.END,
        "A withdrawal overtook its outage; the same holds.",
    ),
    _row(
        "opened, already dropped", ((State.UNHEARD,), Word.WENT_ON, _ANY_AGE), State.DROPPED, Effect.RENEW,
        "We know a newer update of this tracking id, and it does not name this region.",
    ),
    _row(
        "never ours", ((State.UNHEARD,), Word.GONE, _ANY_AGE), None, Effect.NOTHING,
        "A region that was never named cannot be left out.",
    ),
    _row(
        "never ours", ((State.UNHEARD,), Word.GONE_FOR_SOME, _ANY_AGE), None, Effect.NOTHING,
        "A region that was never named cannot be left out.",
    ),
    # It goes on
    _row(
        "renewed", ((State.ACTIVE,), Word.GOES_ON, (Age.NEWER,)), State.ACTIVE, Effect.RENEW,
        "It grows by what is named now (services, subscriptions; a new region is an outage of its own), and a revised"
        " impact start moves every deadline.",
    ),
    _row(
        "repeated", ((State.ACTIVE,), Word.GOES_ON, (Age.SAME,)), State.ACTIVE, Effect.WIDEN,
        "The same update over another channel, rule, subscription or by polling: at most somebody more was told.",
    ),
    _row(
        "older news", (_OPEN, Word.GOES_ON, (Age.OLDER,)), State.ACTIVE, Effect.WIDEN,
        "Old news only widens: who was told stays told. The newest update by Azure's time is the truth.",
    ),
    _row(
        "named again", ((State.DROPPED,), Word.GOES_ON, _SINCE), State.ACTIVE, Effect.RENEW,
        "Azure names the region again, or names it to somebody it has not left out since.",
    ),
    _row(
        "older than what dropped it", (_OPEN, Word.WENT_ON, _ANY_AGE), State.DROPPED, Effect.RENEW,
        "It comes late: since then an update has left the region out.",
    ),
    # It is over
    _row(
        "resolved", (_OPEN, Word.OVER, _SINCE), State.RESOLVED, Effect.END,
        "Azure says that it is over. Of two channels that contradict each other at one update time the resolution"
        " counts. A server that stays silent is still seen to; cutting it over takes a human's yes.",
    ),
    _row(
        "older resolution", (_OPEN, Word.OVER, (Age.OLDER,)), None, Effect.WIDEN,
        "Azure has said since that it goes on.",
    ),
    _row(
        "resolved again", ((State.RESOLVED,), Word.OVER, _SINCE), State.RESOLVED, Effect.END,
        "The same again, perhaps with a better time of the end.",
    ),
    _row(
        "resolved after all", ((State.WITHDRAWN,), Word.OVER, (Age.NEWER,)), State.RESOLVED, Effect.END,
        "The newest word is that there was an impact, and that it is over.",
    ),
    _row(
        "still withdrawn", ((State.WITHDRAWN,), Word.OVER, (Age.SAME,)), State.WITHDRAWN, Effect.WIDEN,
        "A withdrawal is a resolution that says more.",
    ),
    _row(
        "older resolution", (_ENDED, Word.OVER, (Age.OLDER,)), None, Effect.WIDEN,
        "It has ended already by a newer word.",
    ),
    # Azure takes it back
    _row(
        "withdrawn", (_HEARD, Word.TAKEN_BACK, _SINCE), State.WITHDRAWN, Effect.END,
        "A false positive, or `No Impact`, or told with a level in numbers that another channel calls informational: it"
        " starts nothing any more. A copy that exists is kept, and used only with a human's yes. Silence of many"
        " servers is then a suspicion of our own.",
    ),
    _row(
        "older withdrawal", (_HEARD, Word.TAKEN_BACK, (Age.OLDER,)), None, Effect.WIDEN,
        "Azure has spoken of it as real since.",
    ),
    # It comes back
    _row(
        "reopened", (_ENDED, Word.GOES_ON, (Age.NEWER,)), State.ACTIVE, Effect.REOPEN,
        "Only a newer update that could open an outage reopens one; its clock goes on from the impact start.",
    ),
    _row(
        "not reopened", (_ENDED, Word.GOES_ON, (Age.SAME, Age.OLDER)), None, Effect.WIDEN,
        "A late copy, a replayed hub, or a poll that repeats what a push said: the end was told at that time or later.",
    ),
    _row(
        "reopened, then dropped", (_ENDED, Word.WENT_ON, (Age.NEWER,)), State.DROPPED, Effect.REOPEN,
        "It was active again for a while, and a still newer update leaves the region out.",
    ),
    _row(
        "not reopened", (_ENDED, Word.WENT_ON, (Age.SAME, Age.OLDER)), None, Effect.WIDEN,
        "The end was told at that time or later.",
    ),
    # It shrinks
    _row(
        "dropped", (_OPEN, Word.GONE, _ANY_AGE), State.DROPPED, Effect.NOTE,
        "Azure's newest list does not name the region, or nothing in it that concerns us. That is no proof of recovery:"
        " copies are held, and cutting over takes a human's yes. Nothing new is started, except a copy for a server"
        " that is proven down where PostgreSQL had been named to its subscription.",
    ),
    _row(
        "dropped for some", (_OPEN, Word.GONE_FOR_SOME, _ANY_AGE), None, Effect.NOTE,
        "Other subscriptions are still told of it, or were told so later: the rule of `dropped` holds for the servers"
        " of those that are not.",
    ),
    _row(
        "left out after its end", (_ENDED, Word.GONE, _ANY_AGE), None, Effect.NOTE,
        "It has ended; being left out adds nothing.",
    ),
    _row(
        "left out after its end", (_ENDED, Word.GONE_FOR_SOME, _ANY_AGE), None, Effect.NOTE,
        "It has ended; being left out adds nothing.",
    ),
    # It says nothing
    _row(
        "reviewed", (_ANY_STATE, Word.REVIEW, _ANY_AGE), None, Effect.NOTHING,
        "A review comes weeks later under the same tracking id. It opens, reopens and closes nothing.",
    ),
    _row(
        "unmoved", (_ANY_STATE, Word.NOTHING, _ANY_AGE), None, Effect.NOTHING,
        "Tests, maintenance, advisories, security, informational incidents, one server's Resource Health, the public"
        " status page, services that PostgreSQL does not stand on, and news with neither beginning nor end.",
    ),
)  # fmt: skip

_ROWS = {(state, row.word, age): row for row in TABLE for state in row.given for age in row.ages}


def markdown() -> str:
    """The table as the documentation shows it."""
    lines = ["| outage is | the event says | its update is | then it is | written | |", "|---|---|---|---|---|---|"]
    for row in TABLE:
        given = "any" if row.given == _ANY_STATE else ", ".join(row.given)
        age = "of any age" if row.ages == _ANY_AGE else " or ".join(row.ages)
        then = "unchanged" if row.then is None else f"**{row.then}**"
        lines.append(f"| {given} | {row.word} | {age} | {then} | {row.effect} | *{row.name}*: {row.sentence} |")
    return "\n".join(lines) + "\n"
