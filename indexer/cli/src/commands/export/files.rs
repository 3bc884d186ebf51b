//! The files of one crate, from what the tables say of it now.

use export::{ExportedFile, badge_svg, krate_document, krate_summary, shields};
use schema::{AsOf, Badge, CanonicalName, ProvenanceRow};
use serde_json::Value;
use store::Store;

use crate::commands::show;

/// A crate as files.
pub(super) struct KrateFiles {
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// Its line in the list; `None` when the crate has no release, and so no files.
    pub(super) summary: Option<Value>,
    /// Whether a release of it waits for its advisories: what is written now is to be looked at again.
    pub(super) is_waiting: bool,
}

pub(super) async fn of_krate(
    store: &dyn Store,
    name: &CanonicalName,
    as_of: &AsOf,
    version_badges: bool,
) -> anyhow::Result<KrateFiles> {
    let (rows, is_waiting) = rows(store, name).await?;
    let (Some(document), Some(newest)) = (krate_document(&rows, as_of), export::default_version(&rows)) else {
        return Ok(KrateFiles { files: Vec::new(), summary: None, is_waiting });
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
    Ok(KrateFiles { files, summary: krate_summary(&rows), is_waiting })
}

fn badges(files: &mut Vec<(String, Vec<u8>)>, [svg, json]: [ExportedFile<'_>; 2], badge: &Badge) {
    files.push((svg.path(), badge_svg(badge).into_bytes()));
    files.push((json.path(), shields(badge).to_string().into_bytes()));
}

/// Whether a release of a crate waits for its advisories.
pub(super) async fn is_waiting(store: &dyn Store, name: &CanonicalName) -> anyhow::Result<bool> {
    let releases = store.releases(name).await?.unwrap_or_default();
    let ids: Vec<_> = releases.iter().map(|release| release.id).collect();
    Ok(!show::waiting(store, &ids).await?.is_empty())
}

/// The rows of a crate, in version order. A release that waits for its advisories is not shown as one without.
async fn rows(store: &dyn Store, name: &CanonicalName) -> anyhow::Result<(Vec<ProvenanceRow>, bool)> {
    let releases = store.releases(name).await?.unwrap_or_default();
    show::rows_and_waiting(store, &releases).await
}
