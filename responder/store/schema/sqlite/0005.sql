-- control: signals that are kept once, runs in quarantine, brakes, approvals, Azure's budgets ------------------------

ALTER TABLE runs ADD COLUMN strikes INTEGER NOT NULL DEFAULT 0;  -- claims in a row that left no outcome
CREATE INDEX runs_by_end ON runs (ended_at) WHERE ended_at IS NOT NULL;

ALTER TABLE signals ADD COLUMN key TEXT;  -- of whoever said it: the same word sent twice is kept once
CREATE UNIQUE INDEX signals_by_key ON signals (run_id, key);

ALTER TABLE steps ADD COLUMN kind TEXT;   -- NULL: written by an earlier version
ALTER TABLE steps ADD COLUMN at TEXT;     -- of the last write
CREATE INDEX steps_by_kind ON steps (kind, at);

CREATE TABLE under_way (                  -- runs whose effect may be going on out there: what caps count
    run_id       TEXT PRIMARY KEY REFERENCES runs (id),
    subscription TEXT NOT NULL,
    region       TEXT NOT NULL,
    since        TEXT NOT NULL
);
CREATE INDEX under_way_by_subscription ON under_way (subscription);
CREATE INDEX under_way_by_region ON under_way (region);

CREATE TABLE freezes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL,             -- all, region, server, wave
    name       TEXT NOT NULL,             -- of the region, the server (its id) or the wave (an outage id); '' for all
    by         TEXT NOT NULL,
    reason     TEXT NOT NULL,
    since      TEXT NOT NULL,
    until      TEXT,                      -- NULL: until somebody lifts it
    lifted_at  TEXT,
    lifted_by  TEXT,
    lifted_why TEXT
);
CREATE INDEX freezes_standing ON freezes (id) WHERE lifted_at IS NULL;

CREATE TABLE asks (                       -- what a human was asked, and at what price
    run_id     TEXT NOT NULL REFERENCES runs (id),
    number     INTEGER NOT NULL,          -- 2 and up: asked again, because the price rose
    asked_at   TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    settled_at TEXT,                      -- nobody answered in time, and the declared default was taken
    body       TEXT NOT NULL,
    PRIMARY KEY (run_id, number)
);

CREATE TABLE arm_buckets (                -- what Azure's answers say is left of a subscription's budget
    subscription  TEXT NOT NULL,
    kind          TEXT NOT NULL,          -- reads, writes
    remaining     INTEGER,
    seen_at       TEXT NOT NULL,
    blocked_until TEXT,
    PRIMARY KEY (subscription, kind)
);
