-- A newer rule judges stored facts again, in batches, without looking at anything anew.

CREATE TABLE judging (
    rule TEXT COLLATE "C" PRIMARY KEY,
    version TEXT COLLATE "C" NOT NULL,
    release_id BIGINT NOT NULL,
    finished_at BIGINT
);
COMMENT ON TABLE judging IS 'How far each rule has come through what is held; an interrupted round goes on from here.';
COMMENT ON COLUMN judging.rule IS 'which rule: verify';
COMMENT ON COLUMN judging.version IS 'the version of it that judges';
COMMENT ON COLUMN judging.release_id IS 'facts of releases up to this one were judged by it';
COMMENT ON COLUMN judging.finished_at IS 'when there were none left; NULL: some are';
