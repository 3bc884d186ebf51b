-- A subscription's number stands in the record of deeds, so it is never given twice, removed or not.

ALTER TABLE webhook RENAME TO webhook_before;

-- Who is told of events, and how far. Delivered at least once, in order.
CREATE TABLE webhook (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- number in this database, never given twice
    url TEXT NOT NULL,                 -- where to
    secret TEXT NOT NULL,              -- what deliveries are signed with, whsec_…
    types TEXT NOT NULL,               -- JSON array of the types of events; empty: all
    crates TEXT NOT NULL,              -- JSON array of patterns; empty: all, and what is about no crate
    private INTEGER NOT NULL,          -- 1: may be at an address that is not public
    created_at INTEGER NOT NULL,       -- when
    cursor INTEGER NOT NULL,           -- the number of the last event that was delivered or is not wanted
    tries INTEGER NOT NULL DEFAULT 0,  -- failed tries of the next one
    next_at INTEGER NOT NULL,          -- not before
    held_until INTEGER NOT NULL DEFAULT 0, -- a process delivers, until then
    last_error TEXT,                   -- why the last try failed; NULL after a success
    last_success_at INTEGER,           -- when one was last taken
    disabled_at INTEGER,               -- since when nothing is sent; NULL: it is
    disabled_reason TEXT               -- why: gone, or too many tries
) STRICT;

INSERT INTO webhook SELECT * FROM webhook_before;

DROP TABLE webhook_before;

-- Those that were removed before are known from the record.
INSERT INTO sqlite_sequence (name, seq)
SELECT 'webhook', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'webhook');

UPDATE sqlite_sequence SET seq = max(seq, coalesce((
    SELECT max(a.detail ->> 'id') FROM audit AS a WHERE a.action = 'webhook add' AND json_valid(a.detail)
), 0)) WHERE name = 'webhook';
