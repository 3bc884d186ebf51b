-- What staff do, and who is told: tokens, reviews, the record of both, and subscriptions. Nothing of it changes a fact.

-- Who may act. The secret itself is shown once, when it is made.
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

-- What somebody said after looking at a finding. Nothing is overwritten: the last one of a finding stands.
CREATE TABLE review (
    id INTEGER PRIMARY KEY,            -- number in this database
    release_id INTEGER NOT NULL REFERENCES release (id), -- the release
    finding TEXT NOT NULL,             -- code of the finding or reason
    state TEXT NOT NULL,               -- open, accepted, rejected, watching
    reason TEXT NOT NULL,              -- why, in the reviewer's words
    token_id INTEGER NOT NULL REFERENCES token (id), -- who
    at INTEGER NOT NULL                -- when
) STRICT;

CREATE INDEX review_release ON review (release_id);

-- Everything anybody did or tried to do, written before it is done.
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

-- Who is told of events, and how far. Delivered at least once, in order.
CREATE TABLE webhook (
    id INTEGER PRIMARY KEY,            -- number in this database
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
