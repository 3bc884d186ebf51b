-- no-transaction
-- The same for events.

CREATE INDEX CONCURRENTLY event_at ON event (at, seq);
