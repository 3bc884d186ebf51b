-- no-transaction
-- What happened between two times, in its order.

CREATE INDEX CONCURRENTLY change_at ON change (at, seq);
