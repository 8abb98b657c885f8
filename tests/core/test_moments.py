"""Which moment a point-in-time restore may be asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from responder.core import errors, restores
from responder.core.playbooks import types
from tests.core import cases

NOW = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:00Z", datetime(2026, 11, 22, 10, 0, tzinfo=UTC)),
        ("2026-11-22 12:00:30+02:00", datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC)),
        (" ", NOW),
        ("2026-11-22T16:00:00Z", NOW),
    ],
)
def test_a_moment_is_read_with_its_offset_and_none_means_now(text: str, expected: datetime):
    assert restores.moment_of(text, cases.server(), NOW) == expected


@pytest.mark.parametrize(
    ("text", "error_id"),
    [
        ("yesterday", "restore.to-unreadable"),
        ("0001-01-01T00:00:00+23:59", "restore.to-unreadable"),
        ("9999-12-31T23:59:59-23:59", "restore.to-unreadable"),
        ("2026-11-22T10:00", "restore.to-no-offset"),
        ("2026-11-22T16:00:01Z", "restore.to-future"),
        ("2026-11-14T15:59Z", "restore.to-too-old"),
    ],
)
def test_a_moment_that_cannot_be_had_is_refused(text: str, error_id: str):
    with pytest.raises(errors.InputError) as caught:
        restores.moment_of(text, cases.server(backup_retention_days=7), NOW)
    assert caught.value.error_id == error_id


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_parameter_that_is_no_time_in_utc_is_none(text: str):
    with pytest.raises(types.Misfit, match="is not a time"):
        types.typed(types.Type.TIME, text, choices=(), spoken=True)


def test_the_earliest_restore_date_counts_when_it_is_later_than_the_retention():
    server = cases.server(backup_retention_days=7, backups_since=NOW - timedelta(hours=1))
    with pytest.raises(errors.InputError, match="go back to 2026-11-22 15:00:00 UTC"):
        restores.moment_of("2026-11-22T14:59Z", server, NOW)


def test_where_nothing_is_known_of_the_backups_azure_is_asked():
    long_ago = NOW - timedelta(days=30)
    assert restores.moment_of(long_ago.isoformat(), cases.server(), NOW) == long_ago
