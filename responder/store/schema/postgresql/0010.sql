-- The twin of the same step for SQLite.

ALTER TABLE looks ADD COLUMN unsettled_since TEXT COLLATE "C";
DROP TABLE wave_resumes;
