-- Following a git index: how far it was read, and who leads.

ALTER TABLE source ADD COLUMN cursor TEXT COLLATE "C";
COMMENT ON COLUMN source.cursor IS 'JSON: commit, tree and the place within a commit read in part; NULL before the first batch';
ALTER TABLE source ADD COLUMN lease_holder TEXT COLLATE "C";
COMMENT ON COLUMN source.lease_holder IS 'who follows it; NULL: nobody';
ALTER TABLE source ADD COLUMN lease_number INTEGER;
COMMENT ON COLUMN source.lease_number IS 'number of that process; its lead is over when it dies';
ALTER TABLE source ADD COLUMN lease_until BIGINT;
COMMENT ON COLUMN source.lease_until IS 'until when, unless renewed';
ALTER TABLE source ADD COLUMN fencing BIGINT NOT NULL DEFAULT 0;
COMMENT ON COLUMN source.fencing IS 'grows with every new leader; a write with an older number is refused';
