-- The same for events.

CREATE INDEX event_at ON event (at, seq);
