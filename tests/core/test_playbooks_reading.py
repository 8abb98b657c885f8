"""Reading a playbook: what is not understood is refused at the place, before the night and not in it."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import errors, playbooks

KINDS = ("hold", "notify", "restore", "verify")


def document(*steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "title": "Geo-restore",
        "purpose": "Bring up a copy.",
        "steps": list(steps) or [{"id": "restore", "do": "restore"}],
    } | changes


def read(item: Any) -> playbooks.Playbook:
    return playbooks.read(item, name="geo-restore", place="geo-restore.yaml", kinds=KINDS)


def test_a_playbook_is_read():
    found = read(
        document(
            {"id": "restore", "do": "restore", "about": "Bring up the copy", "attempts": 20},
            {
                "id": "tell",
                "do": "notify",
                "with": {"kind": "copy.ready"},
                "when": {"restore.verdict": ["restored", "adopted"]},
                "on_failure": "continue",
            },
            parameters={"force": {"type": "flag", "default": False, "about": "Do it anyway"}},
        )
    )
    assert found == playbooks.Playbook(
        name="geo-restore",
        title="Geo-restore",
        purpose="Bring up a copy.",
        steps=(
            playbooks.Step(id="restore", kind="restore", about="Bring up the copy", attempts=20),
            playbooks.Step(
                id="tell",
                kind="notify",
                settings={"kind": "copy.ready"},
                when=(playbooks.Condition(step="restore", output="verdict", equals=("restored", "adopted")),),
                on_failure="continue",
            ),
        ),
        parameters=(playbooks.Parameter(name="force", type="flag", default=False, about="Do it anyway"),),
    )


FIRST = {"id": "restore", "do": "restore"}


@pytest.mark.parametrize(
    ("item", "error_id", "place"),
    [
        pytest.param(None, "playbook.not-a-mapping", "geo-restore.yaml", id="an empty file"),
        pytest.param(["restore"], "playbook.not-a-mapping", "geo-restore.yaml", id="a list"),
        pytest.param(document(title=""), "playbook.missing", "geo-restore.yaml", id="no title"),
        pytest.param(document(purpose=None), "playbook.missing", "geo-restore.yaml", id="no purpose"),
        pytest.param(document(step=[]), "playbook.unknown-key", "geo-restore.yaml", id="a misspelt key"),
        pytest.param(document(steps=[]), "playbook.empty", "geo-restore.yaml: steps", id="no steps"),
        pytest.param(document(steps=None), "playbook.not-a-list", "geo-restore.yaml: steps", id="steps left empty"),
        pytest.param(document(steps={"id": "a"}), "playbook.not-a-list", "geo-restore.yaml: steps", id="one step"),
        pytest.param(document("restore"), "playbook.not-a-mapping", "geo-restore.yaml: steps[0]", id="a bare word"),  # type: ignore[arg-type]
        pytest.param(document({"do": "restore"}), "playbook.missing", "geo-restore.yaml: steps[0]", id="no id"),
        pytest.param(document({"id": "a"}), "playbook.missing", "geo-restore.yaml: steps[0]", id="nothing to do"),
        pytest.param(
            document({"id": "Restore it", "do": "restore"}),
            "playbook.bad-id",
            "geo-restore.yaml: steps[0]",
            id="an id that is a sentence",
        ),
        pytest.param(document(FIRST, FIRST), "playbook.double-id", "geo-restore.yaml: steps[1]", id="an id twice"),
        pytest.param(
            document({"id": "a", "do": "failover"}),
            "playbook.unknown-step",
            "geo-restore.yaml: steps[0].do",
            id="a kind that does not exist",
        ),
        pytest.param(
            document(FIRST | {"retry": 3}), "playbook.unknown-key", "geo-restore.yaml: steps[0]", id="an unknown key"
        ),
        pytest.param(
            document(FIRST | {"attempts": 0}),
            "playbook.bad-attempts",
            "geo-restore.yaml: steps[0].attempts",
            id="never",
        ),
        pytest.param(
            document(FIRST | {"attempts": True}),
            "playbook.bad-attempts",
            "geo-restore.yaml: steps[0].attempts",
            id="attempts: yes",
        ),
        pytest.param(
            document(FIRST | {"attempts": "3"}),
            "playbook.bad-attempts",
            "geo-restore.yaml: steps[0].attempts",
            id="attempts as text",
        ),
        pytest.param(
            document(FIRST | {"on_failure": "ignore"}),
            "playbook.bad-on-failure",
            "geo-restore.yaml: steps[0]",
            id="neither stop nor continue",
        ),
        pytest.param(
            document(FIRST | {"with": ["x"]}),
            "playbook.not-a-mapping",
            "geo-restore.yaml: steps[0].with",
            id="settings as a list",
        ),
        pytest.param(
            document(FIRST | {"with": {"until": datetime.date(2026, 3, 4)}}),
            "playbook.not-plain",
            "geo-restore.yaml: steps[0].with",
            id="a bare date, which no snapshot keeps",
        ),
        pytest.param(
            document(FIRST | {"with": {"headers": {1: "a", "b": "c"}}}),
            "playbook.not-plain",
            "geo-restore.yaml: steps[0].with",
            id="names of two types",
        ),
        pytest.param(
            document(FIRST | {"when": {"verdict": "x"}}),
            "playbook.bad-condition",
            "geo-restore.yaml: steps[0].when",
            id="a condition on no step",
        ),
        pytest.param(
            document(FIRST | {"when": {"restore.verdict": "x"}}),
            "playbook.bad-condition",
            "geo-restore.yaml: steps[0].when",
            id="a condition on itself",
        ),
        pytest.param(
            document(FIRST | {"when": {"later.verdict": "x"}}, {"id": "later", "do": "hold"}),
            "playbook.bad-condition",
            "geo-restore.yaml: steps[0].when",
            id="a condition on a later step",
        ),
        pytest.param(
            document(parameters={"n": {"type": "integer"}}),
            "playbook.bad-type",
            "geo-restore.yaml: parameters.n",
            id="a type that is none",
        ),
        pytest.param(
            document(parameters={"n": {"type": ["text"]}}),
            "playbook.bad-type",
            "geo-restore.yaml: parameters.n",
            id="a list of types",
        ),
        pytest.param(
            document(parameters={"n": {"type": "number", "default": True}}),
            "playbook.bad-value",
            "geo-restore.yaml: parameters.n",
            id="yes is not a number",
        ),
        pytest.param(
            document(parameters={"n": "text"}),
            "playbook.not-a-mapping",
            "geo-restore.yaml: parameters.n",
            id="a type without its name",
        ),
    ],
)
def test_what_is_not_understood_is_refused_at_its_place(item: Any, error_id: str, place: str):
    with pytest.raises(errors.InputError) as refused:
        read(item)
    assert (refused.value.error_id, refused.value.place) == (error_id, place)
    assert refused.value.remedy


PARAMETERS = {
    "target": {"default": "copies"},
    "hours": {"type": "number", "default": 2},
    "force": {"type": "flag", "default": False},
    "note": {},
}


def test_arguments_are_defaults_overlaid_by_what_was_given():
    found = read(document(parameters=PARAMETERS))
    assert found.arguments({}) == {"target": "copies", "hours": 2, "force": False, "note": None}
    given_ = {"target": "west", "hours": "1.5", "force": "Yes"}
    assert found.arguments(given_) == {"target": "west", "hours": 1.5, "force": True, "note": None}


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
    ],
)
def test_an_argument_that_does_not_fit_is_refused(arguments: dict[str, Any], error_id: str):
    with pytest.raises(errors.InputError) as refused:
        read(document(parameters=PARAMETERS)).arguments(arguments, place="--set")
    assert (refused.value.error_id, refused.value.place) == (error_id, "--set")


@pytest.mark.parametrize(
    ("outputs", "holds"),
    [
        pytest.param({"hold": {"verdict": "cut-over"}}, True, id="equal"),
        pytest.param({"hold": {"verdict": "not-needed"}}, False, id="another value"),
        pytest.param({"hold": {}}, False, id="no such output"),
        pytest.param({}, False, id="the step was skipped"),
    ],
)
def test_a_condition_holds_only_for_the_value_it_names(outputs: dict[str, Any], holds: bool):
    condition = playbooks.Condition(step="hold", output="verdict", equals=("cut-over",))
    assert condition.holds(outputs) is holds


def test_the_order_of_steps_is_the_order_of_the_file():
    found = read(document(FIRST, {"id": "check", "do": "verify"}))
    following = found.after("restore")
    assert following is not None
    assert following.id == "check"
    assert found.after("check") is None
    assert found.step("nowhere") is None


def test_the_version_changes_with_what_is_done_and_with_nothing_else():
    base = read(document(FIRST | {"with": {"a": 1, "b": 2}}))
    same = read(document(FIRST | {"with": {"b": 2, "a": 1}, "about": "other words"}))
    assert same.version == base.version
    for other in (
        read(document(FIRST | {"with": {"a": 1, "b": 3}})),
        read(document(FIRST | {"with": {"a": 1, "b": 2}, "attempts": 6})),
        read(document(FIRST | {"with": {"a": 1, "b": 2}, "on_failure": "continue"})),
        replace(base, steps=base.steps * 2),
    ):
        assert other.version != base.version


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 200) | st.text(max_size=5) | st.just(datetime.date(2026, 3, 4)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
anything = plain | st.sampled_from(["restore", "hold", "a", "text", "number", "a.b", {"a.b": "c"}, {"type": {}}])
steps = st.lists(
    plain
    | st.dictionaries(
        st.sampled_from(["id", "do", "about", "with", "when", "attempts", "on_failure"]), anything, max_size=6
    ),
    max_size=3,
)


@given(
    anything
    | st.fixed_dictionaries(
        {"title": st.just("t"), "purpose": st.just("p"), "steps": steps | anything},
        optional={
            "parameters": anything
            | st.dictionaries(
                st.just("p"),
                anything
                | st.fixed_dictionaries({}, optional={"type": anything, "default": anything, "about": anything}),
            )
        },
    )
)
def test_any_document_is_a_playbook_with_a_version_or_an_input_error(item: Any):
    try:
        found = read(item)
    except errors.InputError:
        return
    assert found.steps
    assert len(found.version) == 12
