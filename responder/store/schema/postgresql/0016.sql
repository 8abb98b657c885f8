-- a pause or a hold may end by itself -------------------------------------------------------------------------------

ALTER TABLE signals ADD COLUMN until TEXT COLLATE "C";  -- when it is over; NULL: when somebody says so, or it has ended
CREATE INDEX signals_lapsing ON signals (until) WHERE until IS NOT NULL;
