-- A newer rule judges stored facts again, in batches, without looking at anything anew.

-- How far each rule has come through what is held; an interrupted round goes on from here.
CREATE TABLE judging (
    rule TEXT PRIMARY KEY,             -- which rule: verify
    version TEXT NOT NULL,             -- the version of it that judges
    release_id INTEGER NOT NULL,       -- facts of releases up to this one were judged by it
    finished_at INTEGER                -- when there were none left; NULL: some are
) STRICT, WITHOUT ROWID;
