-- What happened between two times, in its order.

CREATE INDEX change_at ON change (at, seq);
