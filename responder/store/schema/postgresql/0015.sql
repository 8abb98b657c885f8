-- what was learnt in peace: how far behind replicas were, and what the regions that copies go to offer -----------------

CREATE TABLE lags (
    server_id TEXT PRIMARY KEY,  -- the replica
    at        TEXT NOT NULL,     -- when it was measured, while its primary answered
    behind_s  DOUBLE PRECISION NOT NULL
);

CREATE TABLE offers (
    subscription TEXT NOT NULL,  -- lower case
    region       TEXT NOT NULL,  -- programmatic name
    family       TEXT NOT NULL,  -- flexible or single
    at           TEXT NOT NULL,  -- when Azure was asked
    body         TEXT NOT NULL,
    PRIMARY KEY (subscription, region, family)
);
