//! Looking inside one archive.

use ::inspect::{Expected, pack_entries};
use bytes::Bytes;
use schema::{IndexLine, Inspection, Step};
use store::{InspectionRow, Mark};

use crate::blocking::blocking;
use crate::{Engine, QueueError};

pub(crate) async fn inspect(engine: &Engine, mark: Mark) -> Result<(), QueueError> {
    let Some(release) = engine.store.releases_of(&[mark.release]).await?.pop() else { return Ok(()) };
    let Some(archive) = engine.blobs.get(&release.checksum).await? else {
        // Thrown away or never here: fetching it marks this step again.
        engine.store.mark(&[release.id], Step::Download, schema::Priority::FRESH, engine.clock.now()).await?;
        return Err(QueueError::Missing(format!("the archive of {} is not in the blob store", release.key)));
    };
    let expected = Expected { name: release.key.name.clone(), num: release.key.num.clone() };
    let limits = engine.options.inspect_limits.clone();
    let line = IndexLine::parse(&release.line).ok();
    let (inspection, entries) =
        blocking("inspecting an archive", move || look_inside(&archive, &expected, line.as_ref(), &limits)).await??;
    let row = InspectionRow {
        checksum: inspection.archive.sha256,
        compressed_size: inspection.archive.compressed_size,
        unpacked_size: inspection.archive.unpacked_size,
        n_files: inspection.files.len() as u64,
        manifest: inspection.manifest,
        claim: inspection.claim,
        findings: inspection.findings,
        at: engine.clock.now(),
    };
    let next: &[Step] =
        if engine.options.sources.is_some() { &[Step::Verify, Step::Publish] } else { &[Step::Publish] };
    engine.store.finish_inspection(mark, &row, &entries, next, engine.clock.now()).await?;
    Ok(())
}

fn look_inside(
    archive: &Bytes,
    expected: &Expected,
    line: Option<&IndexLine>,
    limits: &::inspect::Limits,
) -> Result<(Inspection, Vec<u8>), QueueError> {
    let inspection = ::inspect::inspect(archive.as_ref(), expected, line, limits)?;
    let entries = pack_entries(&inspection.files).map_err(|error| QueueError::Missing(error.to_string()))?;
    Ok((inspection, entries))
}
