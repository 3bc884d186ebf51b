//! Lines that change while work on their releases is under way, on every database.

use schema::{Change, ChangeKind, Priority, Step};
use store::LineWrite;

use crate::conformance::{NOW, change, dependency, line, on_every_backend, one_release, taken, write};

/// The line is compared with the archive's manifest; a look that began with another line is late.
#[test]
fn a_line_that_is_different_while_its_archive_is_inspected_is_inspected_again() {
    on_every_backend(|store| async move {
        let (source, release) = one_release(store.as_ref()).await;
        store.mark(&[release], Step::Inspect, Priority::FRESH, NOW).await.unwrap();
        let update = |kind, fields: &[&str]| {
            let (line, raw) = line("1.0.0", 1, &dependency("gamma"));
            let fields = fields.iter().map(|field| (*field).to_owned()).collect();
            let changes = vec![Change { fields, ..change(kind, "1.0.0") }];
            LineWrite::Update { release, line, raw, dependencies_differ: false, changes }
        };
        let gone = LineWrite::Delete { release, at: NOW, changes: vec![change(ChangeKind::VersionDeleted, "1.0.0")] };
        let mut held = taken(store.as_ref(), Step::Inspect).await[0];
        for (revision, write_line, is_late) in [
            (1, update(ChangeKind::Yanked, &[]), false),
            (2, update(ChangeKind::MetadataChanged, &["deps"]), true),
            (3, gone, false),
            (4, update(ChangeKind::ReAdded, &["yanked"]), false),
            (5, update(ChangeKind::ReAdded, &["deps"]), true),
        ] {
            store.apply(source, &[write(revision, vec![write_line])], NOW).await.unwrap();
            let started = store.start(held, Step::Inspect).await.unwrap();
            assert_eq!(started.is_none(), is_late, "change {revision}");
            if is_late {
                held = taken(store.as_ref(), Step::Inspect).await[0];
            }
        }
    });
}
