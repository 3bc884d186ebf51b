-- Holds all that the counts and the search by state ask, so that no row's document is read for them.

CREATE INDEX provenance_states ON provenance (verdict, advisory_state, worst_kind, checksum_state);
