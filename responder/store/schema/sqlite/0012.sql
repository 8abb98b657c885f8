-- the audit: who decided, said and did what. Only ever added to; each entry holds the hash of the one before ------------

CREATE TABLE audit (
    number    INTEGER PRIMARY KEY,  -- 1, 2, 3, ... without a gap
    at        TEXT NOT NULL,
    kind      TEXT NOT NULL,
    actor     TEXT NOT NULL,
    run_id    TEXT,
    server_id TEXT,
    outage_id TEXT,
    subject   TEXT NOT NULL,        -- name of a playbook, scope of a freeze, id of an instance; '' where there is none
    body      TEXT NOT NULL,        -- canonical JSON
    previous  TEXT NOT NULL,        -- hash of the entry before; 64 zeros for the first
    hash      TEXT NOT NULL         -- of everything else
);
CREATE INDEX audit_by_kind ON audit (kind, number);

CREATE TABLE audit_head (           -- where the chain ends, kept apart: a tail that was cut off is missed
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    hash   TEXT NOT NULL
);
INSERT INTO audit_head (id, number, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;
CREATE TRIGGER audit_head_goes_forward BEFORE UPDATE ON audit_head WHEN NEW.number <= OLD.number
BEGIN
    SELECT RAISE(ABORT, 'the head of the audit goes forward only');
END;
CREATE TRIGGER audit_head_is_not_removed BEFORE DELETE ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the head of the audit goes forward only');
END;
