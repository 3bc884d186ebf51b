-- What is gone from the index is little, and found without reading what is there.

CREATE INDEX release_deleted ON release (id) WHERE deleted_at IS NOT NULL;
