CREATE TABLE polls (
    source   TEXT COLLATE "C" PRIMARY KEY,
    asked_at TEXT COLLATE "C" NOT NULL
);

CREATE INDEX quarantine_by_arrival ON quarantine (arrival_id);
