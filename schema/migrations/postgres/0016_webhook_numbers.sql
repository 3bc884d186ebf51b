-- A subscription's number stands in the record of deeds; an identity never gives one twice, as SQLite's twin now does.

COMMENT ON COLUMN webhook.id IS 'number in this database, never given twice';
