-- Each advisory keeps the commit that last changed it, which may be older than the state that brought it here.

ALTER TABLE advisory_revision ADD COLUMN changed_in TEXT; -- the commit that last changed the file; NULL: not known, the state that brought it stands for it
ALTER TABLE advisory_revision ADD COLUMN changed_at INTEGER; -- when that commit was made
