-- Readers of the view must not be told that nothing is known while the release waits to be matched or published anew: a new state of
-- the advisory database marks first and matches then.

DROP VIEW provenance_v1;

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
