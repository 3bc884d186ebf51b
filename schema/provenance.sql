-- The end state of the migrations, for people; a test keeps it true. Why a table is there: migrations/.

CREATE TABLE advisory_alias (
    alias TEXT NOT NULL,               -- CVE-, GHSA- and other ids
    advisory TEXT NOT NULL,            -- the advisory it stands for
    PRIMARY KEY (alias, advisory)
) STRICT, WITHOUT ROWID;

CREATE TABLE advisory_db (
    db_seq INTEGER PRIMARY KEY,        -- its number; grows
    db_commit TEXT NOT NULL,           -- git commit, or a digest of the files
    at INTEGER NOT NULL,               -- when that state was made
    source TEXT NOT NULL,              -- an address, a folder, or `snapshot`
    loaded_at INTEGER NOT NULL         -- when it was last found to be the present one
) STRICT;

CREATE TABLE advisory_match (
    release_id INTEGER NOT NULL REFERENCES release (id), -- the release
    advisory TEXT NOT NULL,            -- its id
    from_db_seq INTEGER NOT NULL REFERENCES advisory_db (db_seq), -- the state that brought it
    to_db_seq INTEGER,                 -- the state that retracted it; NULL while it stands
    flags TEXT NOT NULL,               -- JSON array (design 05)
    PRIMARY KEY (release_id, advisory, from_db_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE advisory_revision (
    advisory TEXT NOT NULL,            -- its id
    from_db_seq INTEGER NOT NULL REFERENCES advisory_db (db_seq), -- the state that brought it
    to_db_seq INTEGER,                 -- the state that changed or removed it; NULL while it stands
    path TEXT NOT NULL,                -- file in the database
    canonical TEXT,                    -- the crate; NULL for the toolchain's own
    text TEXT NOT NULL,                -- the file, byte for byte
    facts TEXT NOT NULL, changed_in TEXT, changed_at INTEGER,               -- JSON: the advisory without its prose
    PRIMARY KEY (advisory, from_db_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE archive (
    release_id INTEGER PRIMARY KEY REFERENCES release (id), -- the release
    state TEXT NOT NULL,               -- ok, mismatch, gone, no-address
    found BLOB,                        -- sha256 of the bytes that came; equal to the promised one when ok
    size INTEGER,                      -- bytes that came
    origin TEXT,                       -- a folder or an address
    http_status INTEGER,               -- of the refusal, when gone
    at INTEGER NOT NULL                -- when
) STRICT;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,            -- number in this database; grows
    at INTEGER NOT NULL,               -- when it began
    token_id INTEGER,                  -- by which token; NULL: at the command line
    actor TEXT NOT NULL,               -- the token's name, or `command line`
    action TEXT NOT NULL,              -- recheck, retry, review, yank, unyank, token, webhook
    subject TEXT NOT NULL,             -- the crate, release or subscription it was about
    reason TEXT NOT NULL,              -- why, in their words; may be empty where none is asked
    outcome TEXT NOT NULL,             -- begun, done, planned, refused, failed
    detail TEXT NOT NULL               -- JSON
) STRICT;

CREATE TABLE change (
    seq INTEGER PRIMARY KEY,           -- its number; grows, with gaps
    source_id INTEGER NOT NULL REFERENCES source (id), -- the index it comes from
    release_id INTEGER REFERENCES release (id), -- NULL for a change of the whole index
    kind TEXT NOT NULL,                -- added, yanked, version_deleted, … (design 02)
    name TEXT,                         -- published spelling
    num TEXT,                          -- the version
    checksum BLOB,                     -- after the change; before it, for a deletion
    fields TEXT NOT NULL,              -- JSON array: names of the index fields that differ
    index_commit TEXT,                 -- NULL on an index without history
    at INTEGER NOT NULL,               -- commit time, or time of observation
    observed_at INTEGER NOT NULL,      -- when this system stored it
    line_before TEXT,                  -- raw line, byte for byte
    line_after TEXT                    -- raw line, byte for byte
) STRICT;

CREATE TABLE dependency (
    release_id INTEGER NOT NULL REFERENCES release (id), -- the release
    from_seq INTEGER NOT NULL,         -- the change that opened it; 0 for a baseline
    ordinal INTEGER NOT NULL,          -- position in the line
    canonical TEXT NOT NULL,           -- canonical name of the package depended on
    name TEXT NOT NULL,                -- what the dependent calls it
    package TEXT,                      -- its real name, when renamed
    req TEXT NOT NULL,                 -- the requirement, as published
    kind TEXT NOT NULL,                -- normal, build, dev
    optional INTEGER NOT NULL,         -- 1: only with a feature that asks for it
    default_features INTEGER NOT NULL, -- 1: the dependency's default feature is on
    features TEXT NOT NULL,            -- JSON array
    target TEXT,                       -- triple or cfg(…); NULL: every target
    registry TEXT,                     -- another registry's index; NULL: this one
    to_seq INTEGER,                    -- the change that closed it; NULL while it stands
    PRIMARY KEY (release_id, from_seq, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE due (
    release_id INTEGER NOT NULL REFERENCES release (id), -- the release
    step TEXT NOT NULL,                -- download, inspect, verify, match, publish
    token INTEGER NOT NULL,            -- grows with every marking; a handler clears only the token it read
    at INTEGER NOT NULL,               -- not before
    priority INTEGER NOT NULL,         -- lower goes first
    tries INTEGER NOT NULL DEFAULT 0,  -- failed tries since it was marked
    starts INTEGER NOT NULL DEFAULT 0, -- starts without an outcome: a job that kills its process shows here
    last_error TEXT,                   -- why the last try failed
    dead INTEGER NOT NULL DEFAULT 0,   -- 1: given up, waits for `provenance retry`
    delivered_until INTEGER,           -- handed to the queue; not handed out again before this time
    PRIMARY KEY (release_id, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE entry_document (
    checksum BLOB PRIMARY KEY,         -- sha256 of the archive
    document BLOB NOT NULL             -- deflated JSON of its entries, with a version
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY,           -- its number, from the same sequence as changes
    at INTEGER NOT NULL,               -- when
    kind TEXT NOT NULL,                -- provenance_changed
    release_id INTEGER REFERENCES release (id), -- the release
    payload TEXT NOT NULL              -- JSON
) STRICT;

CREATE TABLE inspection (
    release_id INTEGER PRIMARY KEY REFERENCES release (id), -- the release
    checksum BLOB NOT NULL,            -- of the archive inspected
    compressed_size INTEGER NOT NULL,  -- bytes of the archive
    unpacked_size INTEGER NOT NULL,    -- sum of the sizes of its files
    n_files INTEGER NOT NULL,          -- how many entries it has
    manifest TEXT,                     -- JSON; NULL when there is no readable one
    claim TEXT,                        -- JSON of .cargo_vcs_info.json; NULL when there is no readable one
    findings TEXT NOT NULL,            -- JSON: kept findings and totals by code
    at INTEGER NOT NULL                -- when
) STRICT;

CREATE TABLE judging (
    rule TEXT PRIMARY KEY,             -- which rule: verify
    version TEXT NOT NULL,             -- the version of it that judges
    release_id INTEGER NOT NULL,       -- facts of releases up to this one were judged by it
    finished_at INTEGER                -- when there were none left; NULL: some are
) STRICT, WITHOUT ROWID;

CREATE TABLE krate (
    id INTEGER PRIMARY KEY,            -- number in this database
    canonical TEXT NOT NULL UNIQUE,    -- lower case, `-` folded to `_`
    name TEXT NOT NULL,                -- the published spelling
    revision INTEGER NOT NULL DEFAULT 0 -- grows with every stored reading that changed something: the fence against two writers
) STRICT;

CREATE TABLE provenance (
    release_id INTEGER PRIMARY KEY REFERENCES release (id), -- the release
    checksum_state TEXT NOT NULL,      -- ok, mismatch, gone, no-address, unchecked, pending, error
    verdict TEXT NOT NULL,             -- outcome of the source check (design 04)
    advisory_state TEXT NOT NULL,      -- pending, unknown, none-known, affected
    worst_kind TEXT,                   -- of the advisories that cover it; NULL: none
    worst_severity TEXT,               -- the same; unscored is a value of its own
    badge_label TEXT NOT NULL,         -- left side of the badge
    badge_message TEXT NOT NULL,       -- right side of the badge
    badge_tone TEXT NOT NULL,          -- good, neutral, caution, bad
    document TEXT NOT NULL,            -- JSON: the whole row, as the contract's schema says
    rules TEXT NOT NULL,               -- version of the rule that wrote it
    checked_at INTEGER NOT NULL,       -- when the facts were last looked at
    changed_at INTEGER NOT NULL        -- when the row last said something new
) STRICT;

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,            -- number in this database
    origin TEXT NOT NULL,              -- `index` or `advisories`
    path TEXT NOT NULL,                -- file in the index or in the database
    line INTEGER NOT NULL,             -- from 1; 0 for a whole file
    raw TEXT NOT NULL,                 -- the text, as read
    reason TEXT NOT NULL,              -- why it cannot be read
    first_seen_at INTEGER NOT NULL,    -- since when
    UNIQUE (origin, path, line)
) STRICT;

CREATE TABLE reading (
    source_id INTEGER NOT NULL REFERENCES source (id), -- the index it comes from
    krate_id INTEGER NOT NULL REFERENCES krate (id), -- the crate
    etag TEXT,                         -- as the index gave it
    last_modified TEXT,                -- as the index gave it
    doubtful_since INTEGER,            -- since when it lacks what is held; a deletion is believed when it says so again later
    read_at INTEGER NOT NULL,          -- when it was last asked
    PRIMARY KEY (source_id, krate_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE ref_observation (
    repository TEXT NOT NULL,          -- key: clone address in lower case
    name TEXT NOT NULL,                -- refs/heads/…, refs/tags/…
    commit_id TEXT NOT NULL,           -- the commit it led to, annotated tags peeled
    first_seen_at INTEGER NOT NULL,    -- when it was first seen so
    last_seen_at INTEGER NOT NULL,     -- when it was last seen so
    PRIMARY KEY (repository, name, commit_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE release (
    id INTEGER PRIMARY KEY,            -- number in this database
    krate_id INTEGER NOT NULL REFERENCES krate (id), -- the crate
    num TEXT NOT NULL,                 -- the version, build metadata included
    num_no_build TEXT NOT NULL,        -- the version without it
    semver_ord BLOB,                   -- sorts as SemVer precedence does; NULL when the version is no SemVer
    generation INTEGER NOT NULL,       -- which archive of that number, from 1
    checksum BLOB NOT NULL,            -- sha256 the index promises, 32 bytes
    published_at INTEGER,              -- pubtime; NULL when the index does not say
    first_seen_at INTEGER NOT NULL,    -- when this system first saw the line
    yanked INTEGER NOT NULL,           -- 1: withdrawn from resolution
    deleted_at INTEGER,                -- when the line was seen to be gone
    line TEXT NOT NULL,                -- the index line, byte for byte, as last seen
    index_commit TEXT,                 -- the index commit that last changed the line; NULL on an index without history
    UNIQUE (krate_id, num, generation)
) STRICT;

CREATE TABLE review (
    id INTEGER PRIMARY KEY,            -- number in this database
    release_id INTEGER NOT NULL REFERENCES release (id), -- the release
    finding TEXT NOT NULL,             -- code of the finding or reason
    state TEXT NOT NULL,               -- open, accepted, rejected, watching
    reason TEXT NOT NULL,              -- why, in the reviewer's words
    token_id INTEGER NOT NULL REFERENCES token (id), -- who
    at INTEGER NOT NULL                -- when
) STRICT;

CREATE TABLE sequence (
    id INTEGER PRIMARY KEY CHECK (id = 1), -- always 1
    last INTEGER NOT NULL              -- the last number given out
) STRICT;

CREATE TABLE source (
    id INTEGER PRIMARY KEY,            -- number in this database
    address TEXT NOT NULL UNIQUE,      -- as the operator named it
    download TEXT,                     -- the `dl` template of its config.json; NULL: it names no address
    cursor_commit TEXT,                -- last index commit stored; NULL on an index without history
    complete_since INTEGER,            -- since when every change was seen; a question about an earlier time is incomplete
    last_success_at INTEGER,           -- when it was last read to its end
    last_error TEXT                    -- why the last reading failed, NULL after a success
, cursor TEXT, lease_holder TEXT, lease_until INTEGER, fencing INTEGER NOT NULL DEFAULT 0, cursor_at INTEGER, head_commit TEXT, looked_at INTEGER, behind_since INTEGER, comparison TEXT, compared_at INTEGER, drift INTEGER) STRICT;

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

CREATE TABLE token (
    id INTEGER PRIMARY KEY,            -- number in this database, part of the token's text
    name TEXT NOT NULL,                -- what it is for, in its maker's words
    digest BLOB NOT NULL,              -- sha256 of the secret
    scopes TEXT NOT NULL,              -- JSON array of read, recheck, advisory, yank, admin
    crates TEXT NOT NULL,              -- JSON array of patterns: a canonical name, or the beginning of one and `*`
    created_at INTEGER NOT NULL,       -- when
    expires_at INTEGER,                -- from then on it allows nothing; NULL: it does not expire
    revoked_at INTEGER,                -- since then it allows nothing; NULL: it was not revoked
    last_used_at INTEGER               -- when it last allowed something; NULL: never
) STRICT;

CREATE TABLE webhook (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- number in this database, never given twice
    url TEXT NOT NULL,                 -- where to
    secret TEXT NOT NULL,              -- what deliveries are signed with, whsec_…
    types TEXT NOT NULL,               -- JSON array of the types of events; empty: all
    crates TEXT NOT NULL,              -- JSON array of patterns; empty: all, and what is about no crate
    private INTEGER NOT NULL,          -- 1: may be at an address that is not public
    created_at INTEGER NOT NULL,       -- when
    cursor INTEGER NOT NULL,           -- the number of the last event that was delivered or is not wanted
    tries INTEGER NOT NULL DEFAULT 0,  -- failed tries of the next one
    next_at INTEGER NOT NULL,          -- not before
    held_until INTEGER NOT NULL DEFAULT 0, -- a process delivers, until then
    last_error TEXT,                   -- why the last try failed; NULL after a success
    last_success_at INTEGER,           -- when one was last taken
    disabled_at INTEGER,               -- since when nothing is sent; NULL: it is
    disabled_reason TEXT               -- why: gone, or too many tries
) STRICT;

CREATE INDEX advisory_match_advisory ON advisory_match (advisory) WHERE to_db_seq IS NULL;

CREATE INDEX advisory_revision_canonical ON advisory_revision (canonical) WHERE to_db_seq IS NULL;

CREATE INDEX change_at ON change (at, seq);

CREATE INDEX change_duplicate ON change (kind) WHERE kind = 'duplicate_line';

CREATE INDEX change_release ON change (release_id);

CREATE INDEX dependency_canonical ON dependency (canonical, release_id);

CREATE INDEX due_next ON due (step, priority, at) WHERE dead = 0;

CREATE INDEX event_at ON event (at, seq);

CREATE INDEX event_release ON event (release_id) WHERE release_id IS NOT NULL;

CREATE INDEX provenance_states ON provenance (verdict, advisory_state, worst_kind, checksum_state);

CREATE INDEX release_checksum ON release (checksum);

CREATE INDEX release_deleted ON release (id) WHERE deleted_at IS NOT NULL;

CREATE INDEX release_published ON release (published_at) WHERE published_at IS NOT NULL;

CREATE INDEX review_release ON review (release_id);

CREATE INDEX source_check_release ON source_check (release_id);

CREATE VIEW provenance_v1 AS
SELECT
    k.name,
    k.canonical,
    r.num,
    r.generation,
    lower(hex(r.checksum)) AS checksum,
    r.published_at,
    r.first_seen_at,
    r.yanked,
    r.deleted_at,
    p.checksum_state,
    p.verdict,
    CASE WHEN w.is_waiting THEN 'pending' ELSE p.advisory_state END AS advisory_state,
    p.worst_kind,
    p.worst_severity,
    p.badge_label,
    CASE WHEN w.is_waiting THEN replace(p.badge_message, 'no advisories known', 'advisories not checked yet')
        ELSE p.badge_message END AS badge_message,
    CASE WHEN w.is_waiting AND p.badge_tone = 'good' THEN 'neutral' ELSE p.badge_tone END AS badge_tone,
    CASE WHEN w.is_waiting THEN replace(replace(replace(p.document, '"state":"none-known"', '"state":"pending"'),
        'no advisories known', 'advisories not checked yet'), '"tone":"good"', '"tone":"neutral"')
        ELSE p.document END AS document,
    p.rules,
    p.checked_at,
    p.changed_at
FROM provenance AS p
JOIN release AS r ON r.id = p.release_id
JOIN krate AS k ON k.id = r.krate_id
JOIN (
    SELECT p.release_id, p.advisory_state = 'none-known' AND EXISTS (
        SELECT 1 FROM due AS d WHERE d.release_id = p.release_id AND d.step IN ('match', 'publish')
    ) AS is_waiting FROM provenance AS p
) AS w ON w.release_id = p.release_id;
