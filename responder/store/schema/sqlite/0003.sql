-- what Azure's Resource Health last said of each server; kept apart from our own probes (`health`) ----------------

CREATE TABLE statements (
    server_id TEXT PRIMARY KEY,  -- also of servers that the inventory does not know (yet)
    at        TEXT NOT NULL,     -- when Azure said it
    body      TEXT NOT NULL
);
