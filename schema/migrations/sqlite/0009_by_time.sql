-- People ask by time and by state: what was published, what happened on a day, how many rows say what.

CREATE INDEX release_published ON release (published_at) WHERE published_at IS NOT NULL;
CREATE INDEX change_at ON change (at, seq);
CREATE INDEX event_at ON event (at, seq);
-- Holds all that the counts and the search by state ask, so that no row's document is read for them.
CREATE INDEX provenance_states ON provenance (verdict, advisory_state, worst_kind, checksum_state);
