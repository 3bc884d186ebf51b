-- Source checks: does the archive agree with the repository it names? Every check is kept; none is overwritten.

-- One row per comparison. The last one by id is the present answer; the verdict follows from the facts by a versioned rule.
CREATE TABLE source_check (
    id INTEGER PRIMARY KEY,            -- number in this database
    release_id INTEGER NOT NULL REFERENCES release (id), -- the release
    at INTEGER NOT NULL,               -- when
    cause TEXT NOT NULL,               -- first, recheck, rules, asked
    repository TEXT,                   -- key of the repository looked at; NULL when there was none
    verdict TEXT NOT NULL,             -- outcome (design 04)
    rules TEXT NOT NULL,               -- version of the rule that judged
    summary TEXT NOT NULL,             -- JSON: what the published row says of it
    document TEXT NOT NULL             -- JSON: facts, reasons, evidence; `provenance verify --json`
) STRICT;
CREATE INDEX source_check_release ON source_check (release_id);

-- Branches and tags as they were seen: the evidence for reachability, and for a tag that moved.
CREATE TABLE ref_observation (
    repository TEXT NOT NULL,          -- key: clone address in lower case
    name TEXT NOT NULL,                -- refs/heads/…, refs/tags/…
    commit_id TEXT NOT NULL,           -- the commit it led to, annotated tags peeled
    first_seen_at INTEGER NOT NULL,    -- when it was first seen so
    last_seen_at INTEGER NOT NULL,     -- when it was last seen so
    PRIMARY KEY (repository, name, commit_id)
) STRICT, WITHOUT ROWID;
