//! Fetching one archive. Other bytes than promised are looked at twice, and the index line once more, before they are a finding.

use ::download::{Origin, Outcome, Wanted};
use schema::{Release, Sha256, Step};
use store::{ArchiveRow, ArchiveState, Mark};
use tracing::warn;

use crate::{Engine, QueueError};

pub(crate) async fn download(engine: &Engine, mark: Mark) -> Result<(), QueueError> {
    let Some(release) = engine.store.releases_of(&[mark.release]).await?.pop() else { return Ok(()) };
    let outcome = fetch(engine, &release).await?;
    let mut row = archive_row(engine, &outcome)?;
    if row.state == ArchiveState::Mismatch && row.found == checksum_offered_now(engine, &release).await? {
        // The line was edited in between: what came is what the index promises now, for another release that has its own
        // mark. Of this one there is nothing to be had any more, and nobody is to be accused.
        row = ArchiveRow { state: ArchiveState::Gone, found: None, size: None, origin: None, ..row };
    }
    let next: &[Step] = match row.state {
        ArchiveState::Ok => &[Step::Inspect, Step::Publish],
        ArchiveState::Mismatch | ArchiveState::Gone | ArchiveState::NoAddress => &[Step::Publish],
    };
    engine.store.finish_download(mark, &row, next, engine.clock.now()).await?;
    Ok(())
}

async fn fetch(engine: &Engine, release: &Release) -> Result<Outcome, QueueError> {
    let wanted = Wanted { name: release.key.name.clone(), num: release.key.num.clone(), checksum: release.checksum };
    let (options, address) = (&engine.options, engine.address().await?);
    let outcome = ::download::download(
        &engine.agent,
        &engine.blobs,
        &wanted,
        address.as_ref(),
        &options.archives,
        &options.download_limits,
    )
    .await?;
    for ignored in ignored_local(&outcome) {
        engine.progress.note(&format!("{} has another checksum than the index; not used", ignored.path.display()));
    }
    Ok(outcome)
}

/// Reads the crate's lines again. What the index promises under this number by now, when that is another release.
async fn checksum_offered_now(engine: &Engine, release: &Release) -> Result<Option<Sha256>, QueueError> {
    let Some(reader) = &engine.reader else { return Ok(None) };
    if let Err(failure) = reader.read_again(&release.key.name, engine.clock.now()).await {
        // Without a second look at the line the first one stands; the finding says what came.
        warn!(release = %release.key, "the index line could not be read again: {}", failure.in_one_line());
        return Ok(None);
    }
    let now = engine.store.releases(&release.key.name.canonical()).await?.unwrap_or_default();
    let offered = now.iter().rfind(|other| other.key.num == release.key.num && other.deleted_at.is_none());
    let Some(offered) = offered.filter(|offered| offered.id != release.id) else { return Ok(None) };
    engine.store.mark(&[offered.id], Step::Download, schema::Priority::FRESH, engine.clock.now()).await?;
    Ok(Some(offered.checksum))
}

fn ignored_local(outcome: &Outcome) -> &[::download::IgnoredLocal] {
    match outcome {
        Outcome::Stored { ignored_local, .. }
        | Outcome::Mismatch { ignored_local, .. }
        | Outcome::Gone { ignored_local, .. }
        | Outcome::TooLarge { ignored_local, .. }
        | Outcome::NoAddress { ignored_local } => ignored_local,
    }
}

fn archive_row(engine: &Engine, outcome: &Outcome) -> Result<ArchiveRow, QueueError> {
    let empty = ArchiveRow {
        state: ArchiveState::NoAddress,
        found: None,
        size: None,
        origin: None,
        http_status: None,
        at: engine.clock.now(),
    };
    Ok(match outcome {
        Outcome::Stored { size, origin, .. } => {
            ArchiveRow { state: ArchiveState::Ok, size: Some(*size), origin: Some(origin_text(origin)), ..empty }
        }
        Outcome::Mismatch { found, size, origin, .. } => ArchiveRow {
            state: ArchiveState::Mismatch,
            found: Some(*found),
            size: Some(*size),
            origin: Some(origin_text(origin)),
            ..empty
        },
        Outcome::Gone { status, .. } => ArchiveRow { state: ArchiveState::Gone, http_status: Some(*status), ..empty },
        Outcome::NoAddress { .. } => empty,
        Outcome::TooLarge { limit, .. } => {
            return Err(QueueError::Missing(format!(
                "the archive is larger than {limit} bytes; raise the limit with --max-archive-size"
            )));
        }
    })
}

fn origin_text(origin: &Origin) -> String {
    match origin {
        Origin::Local(path) => path.display().to_string(),
        Origin::Url => "download".to_owned(),
        Origin::AlreadyThere => "blob store".to_owned(),
    }
}
