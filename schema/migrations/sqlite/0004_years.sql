-- Following for years: the head last seen, since when the cursor is behind it, and how far a full comparison has come.

ALTER TABLE source ADD COLUMN cursor_at INTEGER;     -- time of the commit the cursor stands at
ALTER TABLE source ADD COLUMN head_commit TEXT;      -- the head of the index at the last look; NULL on an index without history
ALTER TABLE source ADD COLUMN looked_at INTEGER;     -- when it was last asked, whatever came of it
ALTER TABLE source ADD COLUMN behind_since INTEGER;  -- since when the cursor is not at the head; NULL while it is
ALTER TABLE source ADD COLUMN comparison TEXT;       -- JSON: a full comparison under way and how far it is; NULL: none
ALTER TABLE source ADD COLUMN compared_at INTEGER;   -- when the last full comparison ended
ALTER TABLE source ADD COLUMN drift INTEGER;         -- changes that comparison found and no commit had told; zero when nothing was missed

CREATE INDEX event_release ON event (release_id) WHERE release_id IS NOT NULL;
