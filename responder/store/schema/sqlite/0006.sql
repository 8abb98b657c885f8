-- the estate is kept in memory and read by what has changed since ---------------------------------------------------

CREATE TABLE versions (
    name   TEXT PRIMARY KEY,
    number INTEGER NOT NULL      -- rises with every write of its kind
);
INSERT INTO versions (name, number) VALUES ('estate', 1);
INSERT INTO versions (name, number) VALUES ('estate.removed', 0);  -- number of `estate` at the last removal

ALTER TABLE servers ADD COLUMN seen_at TEXT;                        -- NULL: as in the body (written by an older version)
ALTER TABLE servers ADD COLUMN changed INTEGER NOT NULL DEFAULT 1;  -- number of `estate` when the body last changed
CREATE INDEX servers_changed ON servers (changed);

-- what a decision says, the passing of time apart: ten thousand of them are compared without reading their bodies -----

ALTER TABLE decisions ADD COLUMN says TEXT NOT NULL DEFAULT '';

-- what the probes of each vantage point have seen; it replaces `health`, which had one ---------------------------------

CREATE TABLE looks (
    server_id       TEXT NOT NULL,
    vantage         TEXT NOT NULL,  -- the name of who looked (settings: probes.vantage)
    at              TEXT,           -- of the newest probe
    answered        INTEGER,
    detail          TEXT NOT NULL DEFAULT '',
    failing_since   TEXT,
    answering_since TEXT,
    last_answer_at  TEXT,
    PRIMARY KEY (server_id, vantage)
);
CREATE INDEX looks_silent ON looks (server_id) WHERE failing_since IS NOT NULL;
INSERT INTO looks (server_id, vantage, at, answered, detail, failing_since, answering_since, last_answer_at)
SELECT server_id, 'here', json_extract(body, '$.last.at'), json_extract(body, '$.last.answered'),
       COALESCE(json_extract(body, '$.last.detail'), ''), json_extract(body, '$.failing_since'),
       json_extract(body, '$.answering_since'), json_extract(body, '$.last_answer_at')
FROM health;
DROP TABLE health;

-- restores that have ended, well or badly: beliefs learn from them, and a wave stops by them --------------------------

CREATE TABLE restore_samples (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id        TEXT NOT NULL,
    step          TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    kind          TEXT NOT NULL,    -- real, or drill
    server_id     TEXT NOT NULL,
    size_class    TEXT NOT NULL,
    source_region TEXT NOT NULL,
    target_region TEXT NOT NULL,
    requested_at  TEXT,             -- NULL: not known, so it says nothing about how long restores take
    ended_at      TEXT NOT NULL,
    failed        INTEGER NOT NULL,
    UNIQUE (run_id, step, attempt)
);
CREATE INDEX restore_samples_by_target ON restore_samples (target_region, id);

-- waves that were stopped by their failures, and that a human let go on ------------------------------------------------

CREATE TABLE wave_resumes (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    target_region TEXT NOT NULL,
    at            TEXT NOT NULL,
    by            TEXT NOT NULL,
    reason        TEXT NOT NULL
);
