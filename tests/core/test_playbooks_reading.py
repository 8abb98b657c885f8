"""Reading a playbook: what is not understood is refused at its line and column, before the night and not in it."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from responder import playbook_files
from responder.core import durations, errors, playbooks


async def carry_out(_: Any) -> None:
    """What no test here calls."""


def kind(effect: str = "read", **declared: Any) -> Any:
    return SimpleNamespace(EFFECT=effect, ABOUT="does it", execute=carry_out, reconcile=carry_out, **declared)


_T = playbooks.Type
SPEECH = playbook_files.language(
    {
        "hold": kind(),
        "notify": kind(
            SETTINGS=(
                playbooks.Setting(name="text", about="words"),
                playbooks.Setting(name="times", type=_T.NUMBER, about="how often", default=1),
                playbooks.Setting(name="after", type=_T.DURATION, about="how late"),
                playbooks.Setting(name="way", type=_T.CHOICE, choices=("mail", "page"), about="how"),
                playbooks.Setting(name="deep", type=_T.MAP, about="anything"),
            )
        ),
        "restore": kind("once", OUTPUTS=(playbooks.Output(name="verdict", about="what came of it"),)),
        "verify": kind(OUTPUTS=(playbooks.Output(name="data_loss_s", type=_T.DURATION, about="lost"),)),
        "send": kind("once", SETTINGS=(playbooks.Setting(name="url", about="where to", required=True),)),
    },
    {"command": errors.InputError("steps.off", "It is switched off.")},
)
TOP = "title: Geo-restore\npurpose: Bring up a copy.\n"
FIRST = "  - {id: restore, do: restore}\n"


def examine(text: str) -> playbooks.Examined:
    return playbook_files.examine_text(text, name="geo-restore", place="f.yaml", speech=SPEECH)


def read(text: str) -> playbooks.Playbook:
    examined = examine(text)
    assert not examined.problems
    assert examined.playbook is not None
    return examined.playbook


def document(steps: str = FIRST, more: str = "") -> str:
    return f"{TOP}{textwrap.dedent(more)}steps:\n{steps}"


def test_a_playbook_is_read():
    found = read(
        document(
            """\
  - id: restore
    do: restore
    about: Bring up the copy
    timeout: 90m
    retry: {attempts: 20, first: 10s, longest: 5m}
  - id: tell
    do: notify
    with: {text: "${{ server.name }} waits", deep: {list: [1, yes, null, 2.5]}}
    when: steps.restore.verdict in ["restored", "adopted"]
    on_failure: step:end
  - id: hold-on
    do: hold
  - {id: end, do: hold, on_failure: continue}
""",
            """\
            parameters:
              force: {type: flag, default: false, about: Do it anyway}
              way: {type: choice, choices: [fast, slow], default: fast}
              until: {type: time, required: true}
            requires:
              - {that: server.geo_backup, about: It has geo-redundant backups.}
            notify:
              failed: {subject: "${{ server.name }} needs you", text: Look.}
            """,
        )
    )
    assert found == playbooks.Playbook(
        name="geo-restore",
        title="Geo-restore",
        purpose="Bring up a copy.",
        parameters=(
            playbooks.Parameter(name="force", type="flag", default=False, about="Do it anyway"),
            playbooks.Parameter(name="way", type="choice", default="fast", choices=("fast", "slow")),
            playbooks.Parameter(name="until", type="time", required=True),
        ),
        requires=(playbooks.Requirement(that="server.geo_backup", about="It has geo-redundant backups."),),
        notices=(playbooks.Notice(on="failed", subject="${{ server.name }} needs you", text="Look."),),
        steps=(
            playbooks.Step(
                id="restore",
                kind="restore",
                about="Bring up the copy",
                attempts=20,
                first=timedelta(seconds=10),
                longest=timedelta(minutes=5),
                timeout=timedelta(minutes=90),
            ),
            playbooks.Step(
                id="tell",
                kind="notify",
                settings={"text": "${{ server.name }} waits", "deep": {"list": [1, True, None, 2.5]}},
                when='steps.restore.verdict in ["restored", "adopted"]',
                on_failure="step:end",
            ),
            playbooks.Step(id="hold-on", kind="hold"),
            playbooks.Step(id="end", kind="hold", on_failure="continue"),
        ),
    )


def step(text: str) -> str:
    """A playbook whose second step, from line 5, has these lines."""
    return document(FIRST + textwrap.indent(textwrap.dedent(text), "    ").replace("    ", "  - ", 1))


@pytest.mark.parametrize(
    ("text", "error_id", "place"),
    [
        pytest.param("", "playbook.not-a-mapping", "1:1", id="an empty file"),
        pytest.param("- restore", "playbook.not-a-mapping", "1:1", id="a list"),
        pytest.param("title: [", "playbook.not-yaml", "1:9", id="no YAML"),
        pytest.param("title: T\nsteps:\n  - id: a\n   do: b", "playbook.not-yaml", "4:4", id="bad indentation"),
        pytest.param(f"purpose: P\nsteps:\n{FIRST}", "playbook.missing", "1:1", id="no title"),
        pytest.param(f"title:\npurpose: P\nsteps:\n{FIRST}", "playbook.missing", "1:7", id="an empty title"),
        pytest.param(f"title: 5\npurpose: P\nsteps:\n{FIRST}", "playbook.bad-value", "1:8", id="a number for a title"),
        pytest.param(TOP, "playbook.missing", "1:1", id="no steps"),
        pytest.param(f"{TOP}step: []\nsteps:\n{FIRST}", "playbook.unknown-key", "3:1", id="a misspelt key"),
        pytest.param(f"{TOP}title: U\nsteps:\n{FIRST}", "playbook.double-key", "3:1", id="a key twice"),
        pytest.param(f"{TOP}steps: []", "playbook.empty", "3:8", id="an empty list of steps"),
        pytest.param(f"{TOP}steps:", "playbook.not-a-list", "3:7", id="steps left empty"),
        pytest.param(f"{TOP}steps: {{id: a}}", "playbook.not-a-list", "3:8", id="one step without a dash"),
        pytest.param(f"{TOP}steps: [restore]", "playbook.not-a-mapping", "3:9", id="a bare word"),
        pytest.param(f"{TOP}steps: &s [*s]", "playbook.alias", "3:8", id="an alias of itself"),
        pytest.param(document("  - &s {id: a, do: hold}\n  - *s"), "playbook.alias", "4:5", id="an alias"),
        pytest.param(step("do: hold"), "playbook.missing", "5:5", id="no id"),
        pytest.param(step("id: a"), "playbook.missing", "5:5", id="nothing to do"),
        pytest.param(step("id: Restore it\ndo: hold"), "playbook.bad-id", "5:9", id="an id that is a sentence"),
        pytest.param(step("id: restore\ndo: hold"), "playbook.double-id", "5:9", id="an id twice"),
        pytest.param(step("id: a\ndo: failover"), "playbook.unknown-step", "6:9", id="a kind that does not exist"),
        pytest.param(step("id: a\ndo: command"), "playbook.unusable-step", "6:9", id="a kind that is switched off"),
        pytest.param(step("id: a\ndo: hold\nretyr: 3"), "playbook.unknown-key", "7:5", id="an unknown key of a step"),
        pytest.param(step("id: a\ndo: hold\nattempts: 3"), "playbook.unknown-key", "7:5", id="attempts as it was"),
        pytest.param(step("id: a\ndo: hold\nretry: 3"), "playbook.not-a-mapping", "7:12", id="retry as a number"),
        pytest.param(step("id: a\ndo: hold\nretry: {attempts: 0}"), "playbook.bad-attempts", "7:23", id="never"),
        pytest.param(step("id: a\ndo: hold\nretry: {attempts: yes}"), "playbook.bad-attempts", "7:23", id="a flag"),
        pytest.param(step("id: a\ndo: hold\nretry: {longest: 5m}"), "playbook.bad-retry", "7:22", id="only longest"),
        pytest.param(step("id: a\ndo: hold\ntimeout: 5"), "playbook.bad-value", "7:14", id="a time without its unit"),
        pytest.param(step("id: a\ndo: hold\non_failure: ignore"), "playbook.bad-on-failure", "7:17", id="ignoring"),
        pytest.param(
            step("id: a\ndo: hold\non_failure: step:restore"), "playbook.bad-on-failure", "7:17", id="going back"
        ),
        pytest.param(step("id: a\ndo: hold\nwith: [x]"), "playbook.not-a-mapping", "7:11", id="settings as a list"),
        pytest.param(step("id: a\ndo: hold\nwith: {x: 1}"), "playbook.unknown-setting", "7:12", id="no settings"),
        pytest.param(
            step("id: a\ndo: notify\nwith:\n  txt: a"), "playbook.unknown-setting", "8:7", id="a misspelt setting"
        ),
        pytest.param(step("id: a\ndo: notify\nwith: {text: 5}"), "playbook.bad-value", "7:18", id="a number"),
        pytest.param(step("id: a\ndo: notify\nwith: {times: a}"), "playbook.bad-value", "7:19", id="no number"),
        pytest.param(step("id: a\ndo: notify\nwith: {times: .inf}"), "playbook.not-plain", "7:19", id="no end"),
        pytest.param(step("id: a\ndo: notify\nwith: {way: fax}"), "playbook.bad-value", "7:17", id="no such choice"),
        pytest.param(step("id: a\ndo: notify\nwith: {after: soon}"), "playbook.bad-value", "7:19", id="no duration"),
        pytest.param(step("id: a\ndo: send"), "playbook.missing", "5:5", id="a setting that must be there"),
        pytest.param(
            step("id: a\ndo: hold\nwhen: {restore.verdict: x}"), "playbook.bad-condition", "7:11", id="as it was before"
        ),
        pytest.param(step("id: a\ndo: hold\nwhen: [x]"), "playbook.bad-condition", "7:11", id="a list of conditions"),
        pytest.param(step('id: a\ndo: hold\nwhen: ""'), "playbook.bad-condition", "7:11", id="no condition"),
        pytest.param(step("id: a\ndo: hold\nwhen: 1 +"), "playbook.bad-expression", "7:14", id="half an expression"),
        pytest.param(step("id: a\ndo: hold\nwhen: server.name"), "playbook.bad-expression", "7:11", id="a text"),
        pytest.param(
            step("id: a\ndo: hold\nwhen: server.geo_backup == 3"), "playbook.bad-expression", "7:29", id="other types"
        ),
        pytest.param(
            step("id: a\ndo: hold\nwhen: server.storage_gb + 1 > 3"),
            "playbook.bad-expression",
            "7:29",
            id="a sum of whole and broken numbers",
        ),
        pytest.param(
            step("id: a\ndo: hold\nwhen: server.region == 'x' && server.nme == 'x'"),
            "playbook.unknown-name",
            "7:35",
            id="a misspelt name",
        ),
        pytest.param(
            step("id: a\ndo: hold\nwhen: >\n  server.geo_backup &&\n  steps.later.verdict == 'x'"),
            "playbook.unknown-name",
            "8:28",
            id="a step that is not there",
        ),
        pytest.param(
            step("id: a\ndo: hold\nwhen: steps.a.state == 'done'"), "playbook.unknown-name", "7:11", id="on itself"
        ),
        pytest.param(
            step('id: a\ndo: hold\nwhen: "steps.restore.verdcit == null"'),
            "playbook.unknown-name",
            "7:12",
            id="an output that is not there, in quotes",
        ),
        pytest.param(
            step("id: a\ndo: notify\nwith:\n  text: >\n    hello ${{ server.name }}\n    and ${{ server.nme }}"),
            "playbook.unknown-name",
            "10:17",
            id="within a folded text",
        ),
        pytest.param(
            step("id: a\ndo: notify\nwith: {deep: {list: ['${{ 1 + }}']}}"),
            "playbook.bad-expression",
            "7:35",
            id="deep within settings",
        ),
        pytest.param(
            step('id: a\ndo: notify\nwith: {text: "a ${{ server.name }"}'), "playbook.unclosed", "7:24", id="not closed"
        ),
        pytest.param(
            step('id: a\ndo: notify\nwith: {times: "${{ server.name }}"}'),
            "playbook.bad-expression",
            "7:23",
            id="an expression of another type than its setting",
        ),
        pytest.param(document(more="parameters: {n: {type: integer}}\n"), "playbook.bad-type", "3:24", id="no type"),
        pytest.param(document(more="parameters: {n: {type: [text]}}\n"), "playbook.bad-type", "3:24", id="two types"),
        pytest.param(document(more="parameters: {n: {default: on}}\n"), "playbook.bad-value", "3:27", id="a flag"),
        pytest.param(document(more="parameters: {n: text}\n"), "playbook.not-a-mapping", "3:17", id="only a type"),
        pytest.param(document(more="parameters: {n: {type: choice}}\n"), "playbook.bad-choices", "3:17", id="choices"),
        pytest.param(document(more="parameters: {to-zone: {}}\n"), "playbook.bad-id", "3:14", id="a name with a minus"),
        pytest.param(
            document(more="requires: [{that: steps.restore.state == 'done', about: x}]\n"),
            "playbook.unknown-name",
            "3:19",
            id="requiring what is yet to come",
        ),
        pytest.param(document(more="requires: [{that: 'true'}]\n"), "playbook.missing", "3:12", id="silently"),
        pytest.param(document(more="notify: {ended: {subject: a, text: b}}\n"), "playbook.unknown-key", "3:10", id="a"),
        pytest.param(document(more="on: {}\n"), "playbook.bad-key", "3:1", id="a key that is a flag to YAML"),
        pytest.param(
            step("id: a\ndo: notify\nwith: {deep: {no: 1}}"), "playbook.bad-key", "7:19", id="such a key deep within"
        ),
        pytest.param(
            step("id: a\ndo: notify\nwith: {deep: {'${{ server.name }}': 1}}"), "playbook.bad-key", "7:19", id="a name"
        ),
        pytest.param(document(more="parameters: {in: {}}\n"), "playbook.bad-id", "3:14", id="a word of the language"),
        pytest.param(
            document(more="parameters: {n: {default: '${{ run.id }}'}}\n"), "playbook.bad-value", "3:27", id="filled"
        ),
        pytest.param(
            step("id: a\ndo: hold\nwhen: '${{ server.geo_backup }}'"), "playbook.bad-expression", "7:12", id="in braces"
        ),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_at_its_line_and_column(text: str, error_id: str, place: str):
    problems = examine(text).problems
    assert [(p.error_id, p.place) for p in problems] == [(error_id, f"f.yaml:{place}")]
    assert problems[0].remedy or error_id == "playbook.unusable-step"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (step("id: a\ndo: notfy"), "Did you mean notify?"),
        (step("id: a\ndo: hold\nwhne: 'true'"), "Did you mean when?"),
        (step("id: a\ndo: notify\nwith: {txt: a}"), "Did you mean text?"),
        (step("id: a\ndo: hold\nwhen: server.geo_bakup"), "Did you mean server.geo_backup?"),
        (step("id: a\ndo: hold\nwhen: steps.restor.verdict == 'x'"), "Did you mean restore?"),
        (step("id: a\ndo: hold\nattempts: 3"), "Write `retry: {attempts: N}`."),
        (step("id: a\ndo: hold\nwhen: server.geo_backup and server.name == 'a = b'"), "Write `&&` for `and`."),
        (step("id: a\ndo: hold\nwhen: server.name == 'a and b' && not server.geo_backup"), "Write `!` for `not`."),
        (
            step("id: a\ndo: hold\nwhen: {re-store.verdict: [a, b], x.sql: true}"),
            'Write `when: steps.re_store.verdict in ["a", "b"] && steps.x.sql == true`.',
        ),
    ],
)
def test_what_was_meant_is_told(text: str, remedy: str):
    assert [p.remedy for p in examine(text).problems] == [remedy]


def test_every_problem_of_a_file_is_told_at_once_in_its_order():
    found = examine("title: T\nparameters: {n: {type: x}}\nsteps:\n  - {id: A, do: hold, with: {z: 1}}\n").problems
    ids = ["missing", "bad-type", "bad-id", "unknown-setting"]
    assert [p.error_id for p in found] == [f"playbook.{id_}" for id_ in ids]


def test_numbers_whole_and_broken_are_compared_as_people_write_them():
    assert read(step("id: a\ndo: hold\nwhen: server.storage_gb > 100 && decision.p_meet_rto < 1"))


def test_a_step_may_speak_of_earlier_ones_with_their_hyphens_as_underscores():
    text = document("  - {id: re-store, do: restore}\n  - {id: a, do: hold, when: steps.re_store.verdict == 'x'}\n")
    assert read(text).steps[1].when == "steps.re_store.verdict == 'x'"


PARAMETERS = """\
parameters:
  target: {default: copies}
  hours: {type: number, default: 2}
  force: {type: flag, default: false}
  note: {}
  within: {type: duration, default: 90m}
  to: {type: time}
  way: {type: choice, choices: [fast, slow], default: slow}
"""


def test_arguments_are_defaults_overlaid_by_what_was_given():
    found = read(document(more=PARAMETERS))
    base = {"target": "copies", "hours": 2, "force": False, "note": None, "within": "1h30m", "to": None, "way": "slow"}
    assert found.arguments({}) == base
    given_ = {"hours": "1.5", "force": "Yes", "within": "PT4H", "to": "2026-11-22T10:00+01:00", "way": "fast"}
    filled = {"hours": 1.5, "force": True, "within": "4h", "to": "2026-11-22T09:00:00Z", "way": "fast"}
    assert found.arguments(given_) == base | filled
    assert found.arguments(found.arguments(given_)) == base | filled


@pytest.mark.parametrize(
    ("arguments", "error_id"),
    [
        pytest.param({"hour": "2"}, "playbook.unknown-parameter", id="a misspelt name"),
        pytest.param({"hours": "two"}, "playbook.bad-value", id="a number in words"),
        pytest.param({"hours": "nan"}, "playbook.bad-value", id="no number at all"),
        pytest.param({"hours": "inf"}, "playbook.bad-value", id="no end"),
        pytest.param({"hours": True}, "playbook.bad-value", id="a flag for a number"),
        pytest.param({"force": "perhaps"}, "playbook.bad-value", id="a flag that is undecided"),
        pytest.param({"target": 3}, "playbook.bad-value", id="a number for a text"),
        pytest.param({"within": "90"}, "playbook.bad-value", id="a duration without its unit"),
        pytest.param({"to": "2026-11-22T10:00"}, "playbook.bad-value", id="a time without its zone"),
        pytest.param({"to": "yesterday"}, "playbook.bad-value", id="a time in words"),
        pytest.param({"way": "sideways"}, "playbook.bad-value", id="no such choice"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(arguments: dict[str, Any], error_id: str):
    with pytest.raises(errors.InputError) as refused:
        read(document(more=PARAMETERS)).arguments(arguments, place="--set")
    assert (refused.value.error_id, refused.value.place) == (error_id, "--set")
    assert refused.value.remedy


def test_a_number_has_one_spelling_wherever_it_comes_from():
    found = read(document(more="parameters: {a: {type: number, default: 5}, b: {type: number, default: 5.0}}\n"))
    spelt = [found.arguments(given) for given in ({}, {"a": "5", "b": "5"}, {"a": 5.0, "b": "5.0"}, {"a": "5e0"})]
    assert [repr(one) for one in spelt] == ["{'a': 5, 'b': 5}"] * 4
    assert found.arguments({"a": "0.5"})["a"] == 0.5


def test_what_yaml_made_of_a_value_is_told_in_words_of_the_file():
    told = [examine(step(f"id: a\ndo: hold\ntimeout: {value}")).problems[0].message for value in ("yes", "null", "1")]
    assert told == [f"timeout: {said} is not a duration." for said in ("true", "nothing", "1")]


def test_a_parameter_that_must_be_given_is_asked_for():
    found = read(document(more="parameters: {to: {type: time, required: true, about: the moment}}\n"))
    with pytest.raises(errors.InputError, match=r"to must be given \(the moment\)\. Give --set to=VALUE\."):
        found.arguments({})


@pytest.mark.parametrize(
    ("outputs", "holds"),
    [
        pytest.param({"hold": {"verdict": "cut-over"}}, True, id="equal"),
        pytest.param({"hold": {"verdict": "not-needed"}}, False, id="another value"),
        pytest.param({"hold": {}}, False, id="no such output"),
        pytest.param({}, False, id="the step was skipped"),
    ],
)
def test_a_condition_of_an_old_snapshot_holds_only_for_the_value_it_names(outputs: dict[str, Any], holds: bool):
    condition = playbooks.Condition(step="hold", output="verdict", equals=("cut-over",))
    assert condition.holds(outputs) is holds


def test_the_order_of_steps_is_the_order_of_the_file():
    found = read(document(FIRST + "  - {id: check, do: verify}\n"))
    following = found.after("restore")
    assert following is not None
    assert following.id == "check"
    assert found.after("check") is None
    assert found.step("nowhere") is None


def test_the_version_changes_with_what_is_done_and_with_nothing_else():
    base = read(document("  - {id: a, do: notify, with: {deep: {a: 1, b: 2}}}"))
    same = read(document("  - {id: a, do: notify, with: {deep: {b: 2, a: 1}}, about: other words}"))
    assert same.version == base.version
    (one,) = base.steps
    for changed in (
        replace(one, settings={"deep": {"a": 1, "b": 3}}),
        replace(one, attempts=6),
        replace(one, on_failure="continue"),
        replace(one, when="true"),
        replace(one, timeout=timedelta(hours=1)),
        replace(one, first=timedelta(hours=1)),
    ):
        assert replace(base, steps=(changed,)).version != base.version
    assert replace(base, requires=(playbooks.Requirement(that="true", about="x"),)).version != base.version


@pytest.mark.parametrize(
    ("changes", "error_id"),
    [
        ({"EFFECT": "twice"}, "steps.no-effect"),
        ({"EFFECT": "once", "reconcile": None}, "steps.no-reconcile"),
        ({"EFFECT": "idempotent", "reconcile": None}, "steps.no-reconcile"),
        ({"execute": None}, "steps.no-execute"),
        ({"SETTINGS": ("text",)}, "steps.bad-declaration"),
        ({"OUTPUTS": ({"name": "text"},)}, "steps.bad-declaration"),
    ],
)
def test_a_step_kind_that_does_not_say_what_it_is_does_not_load(changes: dict[str, Any], error_id: str):
    broken = SimpleNamespace(**(vars(kind("once")) | changes))
    with pytest.raises(errors.InputError) as refused:
        playbooks.described("reckless", broken)
    assert refused.value.error_id == error_id


@given(st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=366)))
def test_a_duration_is_written_as_it_is_read(span: timedelta):
    assert durations.parse(durations.write(span)) == span


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 200) | st.text("aé1.${} '\"&|", max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", max_size=4), inner, max_size=3),
    max_leaves=6,
)
words = ["restore", "hold", "a", "text", "number", "server.name", "${{ server.name }}", "step:a", "5m", {"type": {}}]
anything = plain | st.sampled_from(words)
some_steps = st.lists(
    plain
    | st.dictionaries(
        st.sampled_from(["id", "do", "about", "with", "when", "retry", "timeout", "on_failure"]), anything, max_size=6
    ),
    max_size=3,
)


@given(
    anything
    | st.fixed_dictionaries(
        {"title": st.just("t"), "purpose": st.just("p"), "steps": some_steps | anything},
        optional={
            "requires": anything | st.lists(st.fixed_dictionaries({"that": anything, "about": anything}), max_size=2),
            "notify": anything | st.fixed_dictionaries({"done": anything}),
            "parameters": anything
            | st.dictionaries(
                st.just("p"),
                anything
                | st.fixed_dictionaries({}, optional={"type": anything, "default": anything, "about": anything}),
            ),
        },
    )
)
def test_any_document_is_a_playbook_with_a_version_or_has_problems_with_a_place(item: Any):
    found = examine(yaml.safe_dump(item, allow_unicode=True))
    if found.playbook is not None:
        assert found.playbook.steps
        assert len(found.playbook.version) == 12
        assert not found.problems
    else:
        assert found.problems
        assert all(p.place.startswith("f.yaml") for p in found.problems)
