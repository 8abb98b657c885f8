-- several instances of one store: who lives, who leads, who has which run in hand ---------------------------------

CREATE TABLE instances (
    id          TEXT PRIMARY KEY,
    about       TEXT NOT NULL,     -- host, process and version, for people
    daemon      INTEGER NOT NULL,  -- 0: a command line that carries out one run
    started_at  TEXT NOT NULL,
    lease_until TEXT NOT NULL      -- by the database's clock; later than that, it counts as dead
);

CREATE TABLE leadership (
    stage    TEXT PRIMARY KEY,
    instance TEXT NOT NULL,        -- leads for as long as it lives
    since    TEXT NOT NULL
);

ALTER TABLE runs ADD COLUMN owner TEXT;  -- the instance that has it in hand; NULL: nobody
CREATE INDEX runs_owned ON runs (owner) WHERE owner IS NOT NULL;

-- retention: what is old is found without reading everything ------------------------------------------------------
CREATE INDEX arrivals_by_age ON arrivals (received_at);
CREATE INDEX events_by_arrival ON events (arrival_id);
CREATE INDEX decisions_by_age ON decisions (at);
CREATE INDEX announcements_by_age ON announcements (sent_at) WHERE sent_at IS NOT NULL;

-- names are compared in any case ----------------------------------------------------------------------------------

CREATE INDEX servers_by_lower_name ON servers (LOWER(name), id);
DROP INDEX servers_by_name;
