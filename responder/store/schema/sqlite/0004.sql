-- intake: what was heard together, as one row. Reading takes it apart into `arrivals`, and the row is gone ------------

CREATE TABLE batches (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    messages INTEGER NOT NULL,
    contents TEXT NOT NULL,  -- JSON: of each message in turn its source, key, time and length
    body     BLOB NOT NULL   -- the messages themselves, end to end
);
