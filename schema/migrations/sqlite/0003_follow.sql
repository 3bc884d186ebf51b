-- Following a git index: how far it was read, and who leads.

ALTER TABLE source ADD COLUMN cursor TEXT;          -- JSON: commit, tree and the place within a commit read in part; NULL before the first batch
ALTER TABLE source ADD COLUMN lease_holder TEXT;    -- who follows it; NULL: nobody
ALTER TABLE source ADD COLUMN lease_until INTEGER;  -- until when, unless renewed
ALTER TABLE source ADD COLUMN fencing INTEGER NOT NULL DEFAULT 0; -- grows with every new leader; a write with an older number is refused
