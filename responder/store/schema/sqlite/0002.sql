-- reconciliation: up to when the events of a source have been asked for, completely ------------------------------

CREATE TABLE polls (
    source   TEXT PRIMARY KEY,
    asked_at TEXT NOT NULL      -- when the newest complete poll began
);

-- reading an arrival again looks for what came out of it before --------------------------------------------------

CREATE INDEX quarantine_by_arrival ON quarantine (arrival_id);
