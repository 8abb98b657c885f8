"""How long, in the words of people: read strictly, because an owner's tolerance hangs on it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.core import durations, errors


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        pytest.param("4h", 240, id="hours"),
        pytest.param("90m", 90, id="minutes beyond an hour"),
        pytest.param("1h30m", 90, id="two units"),
        pytest.param("1 h 30 m", 90, id="blanks around units"),
        pytest.param(" 1H30M\n", 90, id="any case, blanks outside"),
        pytest.param("1.5h", 90, id="a fraction"),
        pytest.param("45s", 0.75, id="seconds"),
        pytest.param("2d", 2880, id="days"),
        pytest.param("PT4H", 240, id="ISO 8601"),
        pytest.param("P1DT12H", 2160, id="ISO 8601 with days"),
        pytest.param("366d", 527_040, id="the longest"),
        pytest.param("1s", 1 / 60, id="the shortest"),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, minutes: float):
    assert durations.parse(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("4", id="a bare number: its unit would be a guess"),
        pytest.param("four hours", id="words"),
        pytest.param("-4h", id="negative"),
        pytest.param("30m1h", id="units out of order"),
        pytest.param("4h4h", id="a unit twice"),
        pytest.param("1 30m", id="1 h 30 m to one reader, 130 m to another"),
        pytest.param("4 5h", id="a blank inside a number"),
        pytest.param("1,5h", id="a decimal comma"),
        pytest.param("4h please", id="more after it"),
        pytest.param("P", id="an ISO sign and nothing else"),
        pytest.param("PT", id="two ISO signs and nothing else"),
        pytest.param("P1M", id="a month, which has no length"),
        pytest.param("1w", id="weeks"),
        pytest.param("1" * 41 + "h", id="longer than any duration"),
    ],
)
def test_what_is_not_plainly_a_duration_is_refused_and_the_place_is_named(text: str):
    with pytest.raises(errors.InputError) as refused:
        durations.parse(text, place="tag outage-rto")
    assert refused.value.error_id == "duration.unreadable"
    assert refused.value.place == "tag outage-rto"
    assert refused.value.remedy


@pytest.mark.parametrize("text", ["0h", "0d0h0m0s", "0.5s", "0.0000001s", "367d", "999999999d"])
def test_a_duration_lies_between_a_second_and_a_year(text: str):
    """Zero would mean `at once` to us and, more likely, `not filled in yet` to its owner."""
    with pytest.raises(errors.InputError) as refused:
        durations.parse(text)
    assert refused.value.error_id == "duration.out-of-range"


@given(st.text(max_size=60))
def test_any_text_is_a_duration_or_an_input_error(text: str):
    try:
        value = durations.parse(text)
    except errors.InputError:
        return
    assert timedelta(seconds=1) <= value <= timedelta(days=366)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0, "0 s", id="nothing"),
        pytest.param(45, "45 s", id="seconds"),
        pytest.param(59.6, "1 m", id="rounded up to the next unit"),
        pytest.param(-180, "-3 m", id="past"),
        pytest.param(-0.4, "0 s", id="hardly past"),
        pytest.param(7_800, "2 h 10 m", id="two units"),
        pytest.param(7_805, "2 h 10 m", id="no third unit"),
        pytest.param(90_000, "1 d 1 h", id="days"),
    ],
)
def test_a_duration_is_shown_in_at_most_two_units(seconds: float, text: str):
    assert durations.show(timedelta(seconds=seconds)) == text


@given(st.integers(min_value=1, max_value=86_399).map(lambda minutes: timedelta(minutes=minutes) // 60))
def test_what_is_shown_can_be_read_back_and_never_says_more_than_it_is(value: timedelta):
    if value < timedelta(seconds=1):
        return

    again = durations.parse(durations.show(value))

    assert timedelta() <= value - again <= timedelta(hours=1)
