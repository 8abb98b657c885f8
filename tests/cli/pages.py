"""What of the documents the program writes. `make pages` (`python -m tests.cli.pages`) renews it, a test compares it.

A part stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from responder import settings
from responder.cli import replay as command
from responder.cli.replay import history, picture
from responder.core import (
    answers,
    correlations,
    cutovers,
    decisions,
    reasons,
    rehearsals,
    replays,
    scorecards,
    servers,
    silences,
    stories,
    tolerances,
    ways,
)
from tests.core import cases
from tests.core.cases import at

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "deploy" / "replay.svg"


@functools.cache
def replayed() -> tuple[replays.Row, ...]:
    """What `responder replay` shows: every default."""
    policy = settings.Settings().policy()
    setup = replays.Setup(
        beliefs=policy.beliefs, timing=policy.timing, notices_min=history.NOTICES_MIN, size_classes=("middle",)
    )
    return tuple(replays.replay(history.load(None), setup))


def table() -> str:
    """The README's table: an RTO of 12 hours."""
    return command.markdown([row for row in replayed() if row.rto_h == 12])


def drawn() -> str:
    """The picture."""
    return picture.svg(replayed())


def orders() -> str:
    """Twelve hours, and nobody has to be asked; the region is away for fourteen."""
    tags = {"outage-rto": "12h", "outage-rpo": "1h", "outage-cutover": "auto"}
    return _night(cases.server(tags=tags), back=14.0)


def billing() -> str:
    """Eight hours, and a human has to be asked; the region is away for six."""
    tags = {"outage-rto": "8h", "outage-rpo": "1h", "outage-cutover": "ask"}
    id_ = servers.server_id(cases.server().id.replace("orders", "billing"))
    return _night(cases.server(id=id_, name="billing", storage_gb=64, tags=tags), back=6.0)


def appendix() -> str:
    """Every reason by its id."""
    rows = [
        *reasons.SENTENCES.items(),
        *((f"way.{id_}", text) for id_, text in ways.SENTENCES.items()),
        *((f"cutover.{id_}", text) for id_, text in cutovers.SENTENCES.items()),
    ]
    return "".join(["| id | sentence |\n|---|---|\n", *(f"| `{id_}` | {text} |\n" for id_, text in rows)])


_DEPTHS = {None: "nothing", 0: "the door", 1: "encryption", 2: "the server"}


def outcomes() -> str:
    """What each outcome of a probe proves."""
    codes: dict[str, list[str]] = {}
    for code, said in answers.CODES.items():
        codes.setdefault(said, []).append(code if len(code) > 2 else f"{code}...")
    rows = []
    for said, answer in answers.ANSWERS.items():
        name = f"`{said}`" + (f" ({', '.join(codes[said])})" if said in codes else "")
        counts = "-" if answer.failed is None else f"as silence, where {_DEPTHS[answer.failed]} was reached before"
        rows.append(f"| {name} | {_DEPTHS[answer.reached]} | {counts} | {answer.text} |\n")
    return "".join(["| outcome | it got as far as | counts | |\n|---|---|---|---|\n", *rows])


PARTS: Sequence[tuple[str, str, Callable[[], str]]] = (
    ("README.md", "replay", table),
    ("deploy/how-it-decides.md", "orders", orders),
    ("deploy/how-it-decides.md", "billing", billing),
    ("deploy/how-it-decides.md", "reasons", appendix),
    ("deploy/listening.md", "outcomes", outcomes),
)


def parted(text: str, name: str) -> tuple[str, str, str]:
    """What stands before, in and after a part."""
    before, begin, rest = text.partition(f"<!-- {name}: begin -->\n")
    inside, end, after = rest.partition(f"<!-- {name}: end -->\n")
    assert begin, f"there is no part {name}"
    assert end, f"part {name} has no end"
    return before + begin, inside, end + after


def _night(server: servers.Server, *, back: float) -> str:
    """The story of a server whose region goes away at 04:00; Azure says so half an hour later."""
    told = (cases.event(30, services=(cases.FLEXIBLE,)), cases.resolution(back * 60 + 20))
    heard = [rehearsals.Heard(at=at(0.5), event=told[0]), rehearsals.Heard(at=at(back + 1 / 3), event=told[1])]
    known = cases.fold(told[0], heard=at(0.5))
    assert known is not None
    tolerance = tolerances.read(server.tags)
    facts = cases.facts(at(0.5), server=server, tolerance=tolerance, outage=known)
    last = correlations.correlate(known, told[1], known.region, at(back + 1 / 3))
    assert last is not None
    spell = (silences.Silence(since=at(0.01), answered_at=at(-0.01), until=at(back)),)
    recorded = rehearsals.Recorded(
        server=server.id,
        name=server.name,
        silences=spell,
        decided=((decisions.decide(facts, cases.POLICY, at(0.5)), facts),),
        course=scorecards.Course(),
    )
    recording = rehearsals.Recording(
        outage=last,
        as_of=at(back) + cases.POLICY.settle + timedelta(minutes=30),
        news=tuple(heard),
        servers=(recorded,),
        policy=cases.POLICY,
        defaults=tolerances.Tolerance(),
    )
    (found,) = rehearsals.rehearse(recording, cases.POLICY, recording.defaults)
    story = stories.tell(stories.Told(name=server.name, outage=last, silences=spell, decided=found.steps, made=()))
    lines = [_wrapped(f"{line.at:%H:%M}  {line.text}") for line in story]
    return "\n".join(["```", *lines, "", _wrapped(scorecards.words(found.after), indent=""), "```", ""])


def _wrapped(text: str, indent: str = " " * 7) -> str:
    return textwrap.fill(text, 110, subsequent_indent=indent)


def main() -> None:
    """Write every part and the picture anew."""
    for file, name, write in PARTS:
        path = ROOT / file
        before, _, after = parted(path.read_text(encoding="utf-8"), name)
        path.write_text(before + write() + after, encoding="utf-8")
    PICTURE.write_text(drawn(), encoding="utf-8")


if __name__ == "__main__":
    main()
