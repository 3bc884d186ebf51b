//! What an edit of an advisory changed, field by field. It compares what is said, not how the file is laid out.

use crate::Advisory;

/// The names of what differs between two texts of one advisory, in the order of the database's own layout.
///
/// `prose` is whatever stands below the title; a change of layout alone is no difference.
#[must_use]
pub fn changed_fields(before: &Advisory, after: &Advisory) -> Vec<&'static str> {
    let (old, new) = (&before.facts, &after.facts);
    let differences = [
        ("package", old.package != new.package),
        ("kind", old.kind != new.kind),
        ("date", old.date != new.date),
        ("withdrawn", old.withdrawn != new.withdrawn),
        ("url", old.url != new.url),
        ("references", before.references != after.references),
        ("aliases", old.aliases != new.aliases),
        ("related", before.related != after.related),
        ("severity", old.score != new.score),
        ("categories", before.categories != after.categories),
        ("license", old.licence != new.licence),
        ("platforms", (&before.arch, &before.os) != (&after.arch, &after.os)),
        ("functions", old.functions != new.functions),
        ("ranges", (&old.patched, &old.unaffected) != (&new.patched, &new.unaffected)),
        ("title", old.title != new.title),
        ("prose", prose(before) != prose(after)),
    ];
    differences.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn prose(advisory: &Advisory) -> Option<&str> {
    rustsec::advisory::Parts::parse(&advisory.text).ok().map(|parts| parts.description)
}
