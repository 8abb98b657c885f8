CREATE TABLE statements (
    server_id TEXT COLLATE "C" PRIMARY KEY,
    at        TEXT COLLATE "C" NOT NULL,
    body      TEXT NOT NULL
);
