-- no-transaction
-- What was published on a day is counted without reading every line.

CREATE INDEX CONCURRENTLY release_published ON release (published_at) WHERE published_at IS NOT NULL;
