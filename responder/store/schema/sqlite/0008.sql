-- what a server was set to while it was healthy: its copy comes without -----------------------------------------

CREATE TABLE configurations (
    server_id TEXT PRIMARY KEY,
    at        TEXT NOT NULL,  -- when it was read
    body      TEXT NOT NULL
);
