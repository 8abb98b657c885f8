CREATE TABLE instances (
    id          TEXT COLLATE "C" PRIMARY KEY,
    about       TEXT NOT NULL,
    daemon      BIGINT NOT NULL,
    started_at  TEXT COLLATE "C" NOT NULL,
    lease_until TEXT COLLATE "C" NOT NULL
);

CREATE TABLE leadership (
    stage    TEXT COLLATE "C" PRIMARY KEY,
    instance TEXT COLLATE "C" NOT NULL,
    since    TEXT COLLATE "C" NOT NULL
);

ALTER TABLE runs ADD COLUMN owner TEXT COLLATE "C";
CREATE INDEX runs_owned ON runs (owner) WHERE owner IS NOT NULL;

CREATE INDEX arrivals_by_age ON arrivals (received_at);
CREATE INDEX events_by_arrival ON events (arrival_id);
CREATE INDEX decisions_by_age ON decisions (at);
CREATE INDEX announcements_by_age ON announcements (sent_at) WHERE sent_at IS NOT NULL;

CREATE INDEX servers_by_lower_name ON servers (LOWER(name), id);

-- A new run and a human's word wake the act stage of every instance, whoever wrote them. The channel is the schema.

CREATE FUNCTION ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(TG_TABLE_SCHEMA, TG_ARGV[0]);
    RETURN NULL;
END
$$;

CREATE TRIGGER runs_ring AFTER INSERT ON runs FOR EACH STATEMENT EXECUTE FUNCTION ring('act');
CREATE TRIGGER arrivals_ring AFTER UPDATE OF recorded ON arrivals FOR EACH ROW
    WHEN (NEW.recorded = 0) EXECUTE FUNCTION ring('assess');  -- to be read again; a new one is rung for by who took it
CREATE TRIGGER signals_ring AFTER INSERT ON signals FOR EACH STATEMENT EXECUTE FUNCTION ring('act');
