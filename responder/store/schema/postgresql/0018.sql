-- the story of a tracking id is told again when something new of it comes --------------------------------------------

ALTER TABLE events ADD COLUMN tracking_id TEXT COLLATE "C";  -- in upper case; NULL: it has none
UPDATE events SET tracking_id = UPPER((CAST(body AS json) ->> 'tracking_id'));
CREATE INDEX events_by_tracking ON events (tracking_id, id);

-- the story of one server, and the newest outages, are asked for by people who wait for the answer -------------------

CREATE INDEX decisions_by_server ON decisions (outage_id, server_id, id);
CREATE INDEX outages_newest ON outages (heard_at DESC, id);
