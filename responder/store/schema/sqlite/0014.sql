-- how deep a look got: what it amounted to, when encryption was last agreed on, and when the server itself last spoke --

ALTER TABLE looks ADD COLUMN said TEXT NOT NULL DEFAULT '';
ALTER TABLE looks ADD COLUMN tls_at TEXT;
ALTER TABLE looks ADD COLUMN spoke_at TEXT;
