"""`responder audit`: verify, export, list."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from responder import clock
from responder.cli import audit
from responder.core import audits, brakes, runs
from responder.flow import auditing
from responder.store import sqlite
from tests.cli import terminal, test_daemon_down
from tests.contracts import samples

RUN = runs.RunId("geo-restore.orders.ABCD-123@eastus")


async def _filled(store: sqlite.Store) -> None:
    outage = samples.outage()
    await store.estate.put_servers([samples.server("orders"), samples.server("billing")])
    await store.outages.put([outage])
    await store.outages.put_decisions([samples.decided("orders"), samples.decided("billing")])
    await store.runs.submit(samples.run(RUN, server="orders", outage_id=outage.id))
    payload = {"reason": "the owner agreed", "loss_accepted_s": 2400.0}
    await store.runs.signal(
        runs.Signal(run_id=RUN, topic=runs.Topic.APPROVE, by="kim@desk", at=clock.now(), payload=payload)
    )
    freeze = brakes.Freeze(scope=brakes.EVERYTHING, by="ann@desk", reason="look first", since=clock.now())
    await store.brakes.freeze(freeze)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    test_daemon_down.change(tmp_path, _filled)
    return terminal.settings_file(tmp_path)


def tamper(config: Path, *statements: str) -> None:
    connection = sqlite3.connect(config.parent / "store.db")
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for sql in statements:
        connection.execute(sql)
    connection.commit()
    connection.close()


def test_a_whole_audit_says_so_and_prints_the_head_to_write_down(responder: terminal.Responder, config: Path):
    said = responder("audit", "verify", "--config", config)
    assert said.code == 0, said
    assert "The audit is whole: 5 entries." in said.out
    head = said.out.splitlines()[-1].removeprefix("head: ")
    found = responder("audit", "verify", "--head", head, "--config", config, "--json").json
    assert (found["whole"], found["head"], found["agreed"], found["faults"]) == (True, head, 1, [])


def test_a_changed_entry_is_named_and_the_exit_is_1(responder: terminal.Responder, config: Path):
    tamper(config, "UPDATE audit SET actor = 'somebody else' WHERE kind = 'approve'")
    said = responder("audit", "verify", "--config", config)
    assert said.code == 1
    assert "broken: Entry 4 (approve) was changed: its contents do not give its hash." in said.out
    assert [fault["what"] for fault in responder("audit", "verify", "--config", config, "--json").json["faults"]] == [
        "changed"
    ]


def test_an_export_shows_what_was_cut_off_together_with_the_stored_head(
    responder: terminal.Responder, config: Path, tmp_path: Path
):
    exported = tmp_path / "audit.jsonl"
    exported.write_text(responder("audit", "export", "--config", config).out, encoding="utf-8")
    assert responder("audit", "verify", "--against", exported, "--config", config).code == 0
    third = json.loads(exported.read_text(encoding="utf-8").splitlines()[2])["hash"]
    tamper(config, "DELETE FROM audit WHERE number > 3", f"UPDATE audit_head SET number = 3, hash = '{third}'")
    assert responder("audit", "verify", "--config", config).code == 0
    said = responder("audit", "verify", "--against", exported, "--config", config)
    assert said.code == 1
    assert "broken: Entry 4 was written down, and is not in the chain, which ends at 3." in said.out


def test_each_exported_line_is_verified_by_itself_and_with_its_neighbour(responder: terminal.Responder, config: Path):
    lines = [json.loads(text) for text in responder("audit", "export", "--config", config).out.splitlines()]
    before = "0" * 64
    for line in lines:
        claimed = line.pop("hash")
        text = json.dumps(line, sort_keys=True, separators=(",", ":"))
        assert (line["previous"], hashlib.sha256(text.encode()).hexdigest()) == (before, claimed)
        before = claimed
    assert [line["kind"] for line in lines] == ["decision", "decision", "run.submitted", "approve", "freeze"]


def test_an_export_is_narrowed_to_a_run_a_server_and_a_time(responder: terminal.Responder, config: Path):
    def kinds(*narrow: str) -> list[str]:
        out = responder("audit", "export", *narrow, "--config", config).out
        return [json.loads(text)["kind"] for text in out.splitlines()]

    assert kinds("--run", RUN) == ["run.submitted", "approve"]
    assert kinds("--server", "orders") == ["decision", "run.submitted", "approve"]
    assert kinds("--since", "1h") == ["approve", "freeze"]
    assert kinds("--until", "2026-03-02") == ["decision", "decision", "run.submitted"]


def test_the_list_says_who_signed_for_the_loss(responder: terminal.Responder, config: Path):
    said = responder("audit", "list", "--kind", "approve", "--config", config)
    for words in ("kim@desk", RUN, "signs for a loss of 40 m", "reason: the owner agreed"):
        assert words in said.out
    assert "ann@desk" not in said.out


def test_the_list_is_narrowed_to_an_outage(responder: terminal.Responder, config: Path):
    def numbers(start: str) -> list[int]:
        said = responder("audit", "list", "--outage", start, "--json", "--config", config)
        return [entry["number"] for entry in said.json["entries"]]

    of_outage = numbers("ABCD-123@eastus")
    assert of_outage == numbers("ABCD") != []
    assert numbers("BCD") == []


def test_a_kind_that_there_is_not_is_no_empty_answer(responder: terminal.Responder, config: Path):
    said = responder("audit", "list", "--kind", "aprove", "--config", config)
    said.complains("audit.unknown-kind", "aprove", "approve")
    assert said.code == 2
    assert responder("audit", "list", "--kind", "effect.", "--config", config).code == 0


def test_the_list_shows_what_was_told_with_the_question_and_what_was_lost():
    def what(kind: str, **body: object) -> str:
        entry = audits.Entry(at=clock.now(), kind=kind, actor="responder", run="r", body=body)
        return audit._what(audits.seal(entry, audits.Head()))

    price = {"loss": "PT10M", "measured": False, "downtime": "PT30M", "downtime_waiting": "PT9H"}
    asked = what("approval.asked", price=price, default="wait")
    for words in ("loss of up to 10 m (not measured)", "30 m if it is cut over", "9 h if not", "nobody answers: wait"):
        assert words in asked
    output = {"verdict": "cut-over", "record": "db.example/orders", "to": "orders-geo-1", "data_loss_s": 90}
    done = what("effect.outcome", step="cut-over", output=output)
    for words in ("db.example/orders now leads to orders-geo-1", "lost 1 m 30 s"):
        assert words in done
    assert "lead" not in what("effect.outcome", step="tell", output={"to": "team-orders"})


async def test_the_list_shows_who_was_refused_what_and_why(tmp_path: Path):
    store = await sqlite.open_store(tmp_path / "store.db")
    await auditing.note_refusal(store, auditing.Refusal(by="vera", asked="approve", why="it takes the role approver"))
    (line,) = await store.audit.after(0)
    await store.close()
    assert (line.kind, line.actor) == ("refused", "vera")
    assert audit._what(line) == "word: approve, why: it takes the role approver"


def test_every_kind_is_explained_to_the_auditor():
    page = (Path(__file__).parents[2] / "deploy" / "audit.md").read_text(encoding="utf-8")
    assert [kind for kind in sorted(audits.KINDS) if f"`{kind}`" not in page] == []


def test_what_cannot_be_understood_is_refused(responder: terminal.Responder, config: Path):
    responder("audit", "verify", "--head", "yesterday's", "--config", config).complains("audit.not-a-head", "--head")
    responder("audit", "export", "--since", "soon", "--config", config).complains("audit.time", "--since")
    for odd in ("0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"):
        responder("audit", "list", "--until", odd, "--config", config).complains("audit.time", "--until")
    responder("audit", "list", "--server", "nosuch", "--config", config).complains("server.unknown", "nosuch")
