-- The twin of the same step for SQLite, where the columns are explained.

CREATE TABLE audit (
    number    BIGINT PRIMARY KEY,
    at        TEXT COLLATE "C" NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    actor     TEXT NOT NULL,
    run_id    TEXT COLLATE "C",
    server_id TEXT COLLATE "C",
    outage_id TEXT COLLATE "C",
    subject   TEXT COLLATE "C" NOT NULL,
    body      TEXT NOT NULL,
    previous  TEXT NOT NULL,
    hash      TEXT NOT NULL
);
CREATE INDEX audit_by_kind ON audit (kind, number);

CREATE TABLE audit_head (
    id     BIGINT PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL,
    hash   TEXT NOT NULL
) WITH (fillfactor = 10);  -- one row, written again and again: its versions stay on one page
INSERT INTO audit_head (id, number, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only added to' USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_head_goes_forward BEFORE UPDATE ON audit_head FOR EACH ROW
    WHEN (NEW.number <= OLD.number) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_head_is_not_removed BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_head_is_not_emptied BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
