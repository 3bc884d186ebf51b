//! The files of crates, from what the tables say of them now.

use std::collections::{BTreeMap, BTreeSet};

use export::{ExportedFile, badge_svg, krate_document, krate_summary, shields};
use schema::{AsOf, Badge, CanonicalName, ProvenanceRow};
use serde_json::Value;
use store::Store;

use crate::commands::show;

/// Crates read at once: few enough that their rows fit into some megabytes, and so many that a database elsewhere is not asked
/// for each of them.
pub(super) const AT_ONCE: usize = 100;

/// A crate as files.
#[derive(Default)]
pub(super) struct KrateFiles {
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// Its line in the list; `None` when the crate has no release, and so no files.
    pub(super) summary: Option<Value>,
    /// Whether a release of it waits for its advisories: what is written now is to be looked at again.
    pub(super) is_waiting: bool,
}

/// The rows of a crate, in version order.
#[derive(Default)]
struct KrateRows {
    rows: Vec<ProvenanceRow>,
    is_waiting: bool,
}

/// Every one of the crates, in their order.
pub(super) async fn of_krates(
    store: &dyn Store,
    names: &[CanonicalName],
    as_of: &AsOf,
    version_badges: bool,
) -> anyhow::Result<Vec<KrateFiles>> {
    let mut rows = rows(store, names).await?;
    let of_krate = |name| of_krate(name, rows.remove(name).unwrap_or_default(), as_of, version_badges);
    Ok(names.iter().map(of_krate).collect())
}

fn of_krate(name: &CanonicalName, krate: KrateRows, as_of: &AsOf, version_badges: bool) -> KrateFiles {
    let KrateRows { rows, is_waiting } = krate;
    let (Some(document), Some(newest)) = (krate_document(&rows, as_of), export::default_version(&rows)) else {
        return KrateFiles { is_waiting, ..KrateFiles::default() };
    };
    let mut files = vec![(ExportedFile::Krate(name).path(), document.to_string().into_bytes())];
    badges(&mut files, [ExportedFile::BadgeSvg(name), ExportedFile::BadgeJson(name)], &newest.badge);
    if version_badges {
        // Of two generations of a number the live one, or else the last, is the one a reader means.
        let mut rows: Vec<_> = rows.iter().collect();
        rows.sort_by_key(|row| (row.deleted_at.is_none(), row.generation));
        for row in rows {
            let places =
                [ExportedFile::VersionBadgeSvg(name, &row.num), ExportedFile::VersionBadgeJson(name, &row.num)];
            files.retain(|(path, _)| !places.iter().any(|place| place.path() == *path));
            badges(&mut files, places, &row.badge);
        }
    }
    KrateFiles { files, summary: krate_summary(&rows), is_waiting }
}

fn badges(files: &mut Vec<(String, Vec<u8>)>, [svg, json]: [ExportedFile<'_>; 2], badge: &Badge) {
    files.push((svg.path(), badge_svg(badge).into_bytes()));
    files.push((json.path(), shields(badge).to_string().into_bytes()));
}

/// Takes from crates those with a release that waits for its advisories.
pub(super) async fn settled(
    store: &dyn Store,
    names: &BTreeSet<CanonicalName>,
) -> anyhow::Result<BTreeSet<CanonicalName>> {
    let mut settled = names.clone();
    let names: Vec<_> = names.iter().cloned().collect();
    for some in names.chunks(AT_ONCE) {
        let releases = store.releases_of_krates(some).await?;
        let ids: Vec<_> = releases.iter().map(|release| release.id).collect();
        let waiting = show::waiting(store, &ids).await?;
        for release in releases.iter().filter(|release| waiting.contains(&release.id)) {
            settled.remove(&release.key.name.canonical());
        }
    }
    Ok(settled)
}

/// The rows of crates. A release that waits for its advisories is not shown as one without.
async fn rows(store: &dyn Store, names: &[CanonicalName]) -> anyhow::Result<BTreeMap<CanonicalName, KrateRows>> {
    let releases = store.releases_of_krates(names).await?;
    let (rows, waiting) = show::rows_and_waiting(store, &releases).await?;
    let mut of_krate: BTreeMap<CanonicalName, KrateRows> = BTreeMap::new();
    for (release, row) in releases.iter().zip(rows) {
        let krate = of_krate.entry(release.key.name.canonical()).or_default();
        krate.is_waiting |= waiting.contains(&release.id);
        krate.rows.push(row);
    }
    Ok(of_krate)
}
