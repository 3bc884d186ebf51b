-- Following for years: the head last seen, since when the cursor is behind it, and how far a full comparison has come.

ALTER TABLE source ADD COLUMN cursor_at BIGINT;
COMMENT ON COLUMN source.cursor_at IS 'time of the commit the cursor stands at';
ALTER TABLE source ADD COLUMN head_commit TEXT COLLATE "C";
COMMENT ON COLUMN source.head_commit IS 'the head of the index at the last look; NULL on an index without history';
ALTER TABLE source ADD COLUMN looked_at BIGINT;
COMMENT ON COLUMN source.looked_at IS 'when it was last asked, whatever came of it';
ALTER TABLE source ADD COLUMN behind_since BIGINT;
COMMENT ON COLUMN source.behind_since IS 'since when the cursor is not at the head; NULL while it is';
ALTER TABLE source ADD COLUMN comparison TEXT COLLATE "C";
COMMENT ON COLUMN source.comparison IS 'JSON: a full comparison under way and how far it is; NULL: none';
ALTER TABLE source ADD COLUMN compared_at BIGINT;
COMMENT ON COLUMN source.compared_at IS 'when the last full comparison ended';
ALTER TABLE source ADD COLUMN drift BIGINT;
COMMENT ON COLUMN source.drift IS 'changes that comparison found and no commit had told; zero when nothing was missed';

CREATE INDEX event_release ON event (release_id) WHERE release_id IS NOT NULL;
