-- what our probes showed of each server while an outage lasted: where every silence began and ended ----------------

CREATE TABLE silences (
    outage_id TEXT NOT NULL,
    server_id TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (outage_id, server_id)
);
