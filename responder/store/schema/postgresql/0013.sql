-- A brake that is let go of wakes the act stage of every instance: runs that waited for it are due.

CREATE TRIGGER freezes_ring AFTER UPDATE ON freezes FOR EACH STATEMENT EXECUTE FUNCTION ring('act');
