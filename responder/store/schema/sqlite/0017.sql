-- which server took the place of which: known for longer than the run that did it -----------------------------------

CREATE TABLE successions (
    run_id         TEXT PRIMARY KEY,  -- the run may be gone
    server_id      TEXT NOT NULL,     -- the one that applications were sent away from
    copy_id        TEXT NOT NULL,     -- the one that took its place
    since          TEXT NOT NULL,
    recovery_point TEXT,              -- time of its newest row; NULL: not measured
    ended_at       TEXT,              -- when the server was the live one again; NULL: it is not
    ended_by       TEXT               -- the run that said so
);
CREATE INDEX successions_by_server ON successions (server_id);
INSERT INTO successions (run_id, server_id, copy_id, since)
SELECT s.run_id, r.server_id, LOWER(json_extract(s.body, '$.output.copy')), json_extract(s.body, '$.output.at')
FROM steps AS s JOIN runs AS r ON r.id = s.run_id
WHERE (s.kind = 'cut_over' OR (s.kind IS NULL AND s.id = 'cut-over')) AND s.state = 'done'
    AND json_extract(s.body, '$.output.verdict') = 'cut-over'
    AND json_extract(s.body, '$.output.copy') IS NOT NULL AND json_extract(s.body, '$.output.at') IS NOT NULL;

-- what went by age, so that news about it that comes late is known, and whoever asks is told ------------------------

CREATE TABLE pruned (
    kind     TEXT NOT NULL,  -- run, outage
    id       TEXT NOT NULL,
    at       TEXT NOT NULL,  -- when it was deleted
    ended_at TEXT NOT NULL,
    how      TEXT NOT NULL,           -- a run's last state, an outage's last status
    copies   TEXT NOT NULL,           -- JSON: ids of copies that the run had not thrown away
    swept_at TEXT,           -- when everything about an outage was gone, too
    PRIMARY KEY (kind, id)
);
CREATE INDEX pruned_unswept ON pruned (id) WHERE swept_at IS NULL;
CREATE INDEX outages_closed ON outages (closed_at) WHERE closed_at IS NOT NULL;
