-- a vantage also remembers since when a server has not been surely back; what stops and resumes a wave is a freeze ------

ALTER TABLE looks ADD COLUMN unsettled_since TEXT;
DROP TABLE wave_resumes;
