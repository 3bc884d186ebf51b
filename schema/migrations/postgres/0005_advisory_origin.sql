-- Each advisory keeps the commit that last changed it, which may be older than the state that brought it here.

ALTER TABLE advisory_revision ADD COLUMN changed_in TEXT COLLATE "C";
COMMENT ON COLUMN advisory_revision.changed_in IS 'the commit that last changed the file; NULL: not known, the state that brought it stands for it';
ALTER TABLE advisory_revision ADD COLUMN changed_at BIGINT;
COMMENT ON COLUMN advisory_revision.changed_at IS 'when that commit was made';
