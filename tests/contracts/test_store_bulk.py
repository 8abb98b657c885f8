"""What is read and written for ten thousand servers at a time: the same as for each alone, in a few statements."""

from __future__ import annotations

from responder.core import decisions, evidence, runs
from responder.store import journals, outages, sqlite
from responder.store import runs as rows
from tests.contracts import samples


async def test_the_version_rises_with_what_changes_and_names_it(store: sqlite.Store) -> None:
    a, b = samples.server("a"), samples.server("b")
    await store.estate.put_servers([a, b])
    first, removed = await store.estate.version()
    assert await store.estate.changed(first) == ([], None)

    await store.estate.put_servers([samples.server("a", seen_at=samples.at(9)), samples.server("b", sku="bigger")])
    second, _ = await store.estate.version()
    assert second > first
    assert [server.name for server in (await store.estate.changed(first))[0]] == ["b"]

    await store.estate.remove([a.id])
    assert (await store.estate.version())[1] > removed
    assert await store.estate.ids() == {b.id}


async def test_what_was_seen_unchanged_is_dated_and_no_news(store: sqlite.Store) -> None:
    a, b = samples.server("a"), samples.server("b")
    await store.estate.put_servers([a, b])
    version = await store.estate.version()
    await store.estate.seen([a.id], samples.at(30))

    assert [server.seen_at for server in await store.estate.servers()] == [samples.at(30), samples.NOON]
    assert await store.estate.version() == version


async def test_each_vantage_keeps_its_own_looks(store: sqlite.Store) -> None:
    a, b = samples.server_id("a"), samples.server_id("b")
    here, there = samples.health(1), samples.health(2, answered=True)
    await store.estate.put_health({a: here, b: there})
    await store.estate.put_health({a: there}, vantage="west")

    assert await store.estate.looks([a]) == {a: {"here": here, "west": there}}
    assert await store.estate.looks() == {a: {"here": here, "west": there}, b: {"here": there}}
    assert await store.estate.silent() == ({a: {"here": here, "west": there}}, None)
    assert await store.estate.health([a]) == {a: here}
    assert await store.estate.health(vantage="west") == {a: there}


async def test_a_look_comes_back_with_everything_it_remembers(store: sqlite.Store) -> None:
    at = samples.at
    whole = evidence.Health(
        last=evidence.Probe(at=at(9), answered=True, detail="é"),
        answering_since=at(8),
        last_answer_at=at(9),
        unsettled_since=at(3),
    )
    silent = evidence.Health(failing_since=at(1))
    a, b = samples.server_id("a"), samples.server_id("b")
    await store.estate.put_health({a: whole, b: silent})
    assert await store.estate.health() == {a: whole, b: silent}


async def test_who_answers_everybody_is_counted_by_region(store: sqlite.Store) -> None:
    east, west = samples.server("a"), samples.server("b", region="westus")
    silent, stale = samples.server("c"), samples.server("d")
    await store.estate.put_servers([east, west, silent, stale])
    well = samples.health(10, answered=True)
    await store.estate.put_health(
        {east.id: well, west.id: well, silent.id: well, stale.id: samples.health(1, answered=True)}
    )
    await store.estate.put_health({silent.id: samples.health(10), east.id: well}, vantage="there")

    assert await store.estate.well(samples.at(5)) == {"eastus": 1, "westus": 1}


async def test_what_the_latest_decisions_say_is_known_without_reading_them(store: sqlite.Store) -> None:
    old, new, other = samples.decided("a"), samples.decided("a", action=decisions.Action.START), samples.decided("b")
    await store.outages.put_decisions([old, other])
    await store.outages.put_decisions([new])
    outage = samples.outage().id

    assert await store.outages.said(outage) == {d.server: d.says for d in (new[0], other[0])}
    assert await store.outages.actions(outage) == {"start-restore": 1, "wait": 1}
    pages = [await store.outages.decided(outage, outages.Page(limit=1, offset=at)) for at in (0, 1, 2)]
    assert [[known.decision for known in page] for page in pages] == [[new[0]], [other[0]], []]
    waits = await store.outages.decided(outage, outages.Page(action="wait"))
    assert [(known.decision, known.facts["server"]["name"]) for known in waits] == [(other[0], "b")]


async def test_many_runs_are_submitted_as_each_alone_would_be(store: sqlite.Store) -> None:
    await store.runs.submit(samples.run("known"))
    added = [samples.run("new"), samples.run("known"), samples.run("second", server="new"), samples.run("last")]

    answers = await store.runs.submit_all(added)
    assert answers == [rows.Submitted.CREATED, rows.Submitted.EXISTS, rows.Submitted.BUSY, rows.Submitted.CREATED]
    assert await store.runs.submit_all([]) == []
    assert {run.id for run in await store.runs.list()} == {"known", "new", "last"}


async def test_journals_come_with_their_steps_and_words_newest_first(store: sqlite.Store) -> None:
    outage = samples.outage().id
    for name in ("a", "b"):
        await store.runs.submit(samples.run(name, outage_id=outage))
    claimed = await store.runs.claim(samples.at(1))
    assert claimed is not None
    await store.runs.write(claimed, samples.record())
    await store.runs.signal_all([samples.signal("a"), samples.signal("a", runs.Topic.DECISION)])

    found, spoiled = await store.journals.read(journals.Wanted(outages=[outage], since=samples.NOON))
    assert [(one.run.id, list(one.steps), [word.topic for word in one.words]) for one in found] == [
        ("b", [], []),
        ("a", ["restore"], ["approve"]),
    ]
    assert spoiled == set()
    (only,), _ = await store.journals.read(
        journals.Wanted(outages=[outage], since=samples.NOON, servers=[samples.server_id("b")])
    )
    assert only.run.id == "b"


async def test_of_other_outages_only_what_goes_on_is_read_and_by_hand_what_is_recent(store: sqlite.Store) -> None:
    def ended(name: str, **values: object) -> runs.Run:
        run = samples.run(name, **values)  # type: ignore[arg-type]
        return runs.cancelled(run, "", samples.at(1))

    other = samples.outage("OTHER").id
    for run in (
        samples.run("goes on", outage_id=other),
        ended("over", outage_id=other),
        ended("by hand long ago", minutes=-60),
        ended("by hand since", minutes=5),
    ):
        await store.runs.submit(run)

    found, _ = await store.journals.read(journals.Wanted(outages=[samples.outage().id], since=samples.NOON))
    assert {one.run.id for one in found} == {"goes on", "by hand since"}
