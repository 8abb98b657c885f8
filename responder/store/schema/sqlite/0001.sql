-- Times are text in UTC with microseconds, so that their alphabetic order is the order of time.
-- A column `body` is a value of the core as JSON; other columns are what queries ask for.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- intake: what arrived, before anybody has read it ---------------------------------------------------------------

CREATE TABLE arrivals (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    source      TEXT NOT NULL,
    key         TEXT NOT NULL,  -- the same delivery has the same key within its source
    body        BLOB NOT NULL,
    received_at TEXT NOT NULL,
    recorded    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (source, key)
);
CREATE INDEX arrivals_pending ON arrivals (id) WHERE recorded = 0;
CREATE INDEX arrivals_newest ON arrivals (source, received_at);

CREATE TABLE events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    identity    TEXT NOT NULL UNIQUE,
    arrival_id  INTEGER NOT NULL REFERENCES arrivals (id),
    received_at TEXT NOT NULL,
    body        TEXT NOT NULL
);

CREATE TABLE quarantine (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    arrival_id INTEGER NOT NULL REFERENCES arrivals (id),
    reason     TEXT NOT NULL,
    position   TEXT NOT NULL,
    raw        BLOB NOT NULL
);

-- checkpoints: how far each hub partition is read, and by whom ---------------------------------------------------

CREATE TABLE ownerships (
    namespace     TEXT NOT NULL,
    hub           TEXT NOT NULL,
    consumers     TEXT NOT NULL,
    partition     TEXT NOT NULL,
    owner_id      TEXT NOT NULL,  -- empty: given up
    etag          TEXT NOT NULL,  -- changes with every claim
    last_modified REAL NOT NULL,  -- seconds since 1970, as the SDK compares it
    PRIMARY KEY (namespace, hub, consumers, partition)
);

CREATE TABLE checkpoints (
    namespace TEXT NOT NULL,
    hub       TEXT NOT NULL,
    consumers TEXT NOT NULL,
    partition TEXT NOT NULL,
    position  TEXT,               -- the event's offset
    sequence  INTEGER,
    PRIMARY KEY (namespace, hub, consumers, partition)
);

-- estate ---------------------------------------------------------------------------------------------------------

CREATE TABLE servers (
    id     TEXT PRIMARY KEY,
    name   TEXT NOT NULL COLLATE NOCASE,
    region TEXT NOT NULL,
    body   TEXT NOT NULL
);
CREATE INDEX servers_by_name ON servers (name);
CREATE INDEX servers_by_region ON servers (region);

CREATE TABLE health (
    server_id TEXT PRIMARY KEY,
    body      TEXT NOT NULL
);

-- outages and decisions ------------------------------------------------------------------------------------------

CREATE TABLE outages (
    id          TEXT PRIMARY KEY,
    tracking_id TEXT NOT NULL,
    status      TEXT NOT NULL,
    heard_at    TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    closed_at   TEXT,             -- we are finished with it; Azure's end is in the body
    body        TEXT NOT NULL
);
CREATE INDEX outages_by_tracking ON outages (tracking_id);
CREATE INDEX outages_open ON outages (heard_at) WHERE closed_at IS NULL;

CREATE TABLE decisions (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    outage_id TEXT NOT NULL,
    server_id TEXT NOT NULL,
    at        TEXT NOT NULL,
    action    TEXT NOT NULL,
    body      TEXT NOT NULL,
    facts     TEXT NOT NULL       -- everything the decision knew: it can be replayed
);
CREATE INDEX decisions_by_outage ON decisions (outage_id, id);

CREATE TABLE latest_decisions (
    outage_id   TEXT NOT NULL,
    server_id   TEXT NOT NULL,
    decision_id INTEGER NOT NULL REFERENCES decisions (id),
    PRIMARY KEY (outage_id, server_id)
);

-- runs -----------------------------------------------------------------------------------------------------------

CREATE TABLE runs (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of submission
    id           TEXT NOT NULL UNIQUE,
    server_id    TEXT NOT NULL,
    outage_id    TEXT,
    playbook     TEXT NOT NULL,  -- snapshot: a run keeps what it started with
    params       TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('ready', 'waiting', 'done', 'failed', 'cancelled')),
    step         TEXT,
    created_at   TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    fence        INTEGER NOT NULL,
    wake_at      TEXT,
    waiting_for  TEXT,
    ended_at     TEXT,
    why          TEXT NOT NULL,
    signalled_at TEXT             -- of the oldest signal that nobody has taken
);
CREATE UNIQUE INDEX one_active_run_per_server ON runs (server_id) WHERE state IN ('ready', 'waiting');
CREATE INDEX runs_by_wake ON runs (state, wake_at);
CREATE INDEX runs_signalled ON runs (signalled_at) WHERE signalled_at IS NOT NULL AND state = 'waiting';
CREATE INDEX runs_by_server ON runs (server_id, outage_id);
CREATE INDEX runs_by_outage ON runs (outage_id);

CREATE TABLE steps (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- order in which steps were first begun
    run_id TEXT NOT NULL REFERENCES runs (id),
    id     TEXT NOT NULL,
    state  TEXT NOT NULL,
    body   TEXT NOT NULL,
    UNIQUE (run_id, id)
);

CREATE TABLE signals (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id   TEXT NOT NULL REFERENCES runs (id),
    topic    TEXT NOT NULL,
    by       TEXT NOT NULL,
    at       TEXT NOT NULL,
    payload  TEXT NOT NULL,
    taken_by INTEGER,                    -- fence of the owner that took it
    settled  INTEGER NOT NULL DEFAULT 0  -- that owner has written since: a crash cannot lose it any more
);
CREATE INDEX signals_by_run ON signals (run_id, id);
CREATE INDEX signals_unsettled ON signals (run_id) WHERE settled = 0;

CREATE TABLE journal (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id    TEXT NOT NULL REFERENCES runs (id),
    at        TEXT NOT NULL,
    fence     INTEGER NOT NULL,
    run_state TEXT NOT NULL,
    step      TEXT,
    state     TEXT,              -- of the step; NULL: only the run changed
    attempt   INTEGER,
    body      TEXT               -- the step's record
);
CREATE INDEX journal_by_run ON journal (run_id, id);

-- outbox ---------------------------------------------------------------------------------------------------------

CREATE TABLE announcements (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    key      TEXT NOT NULL UNIQUE,
    at       TEXT NOT NULL,
    body     TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,  -- failed ones
    retry_at TEXT,
    why      TEXT NOT NULL DEFAULT '',    -- of the last failure
    sent_at  TEXT
);
CREATE INDEX announcements_unsent ON announcements (id) WHERE sent_at IS NULL;
