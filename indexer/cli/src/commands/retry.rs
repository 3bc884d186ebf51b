//! `provenance retry`: try again what was given up.

use std::sync::Arc;

use queue::IndexReader;
use schema::Clock as _;
use serde_json::json;
use serve::NOTHING_GIVEN_UP;
use store::Store;

use super::subject::Subject;
use crate::clock::SystemClock;
use crate::settings::Settings;
use crate::text::{count, say};
use crate::{Exit, document, opening, progress};

pub(crate) async fn run(subject: Option<&str>, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_write(settings).await?;
    let store = Arc::clone(&opened.store);
    let only = match subject {
        Some(text) => Some(Subject::parse(text)?.releases(store.as_ref()).await?),
        None => None,
    };
    let only: Option<Vec<_>> = only.map(|releases| releases.iter().map(|release| release.id).collect());
    let revived = store.revive(only.as_deref(), SystemClock.now()).await?;
    if revived > 0 {
        let agent = opening::agent(settings)?;
        let (index, address) = opening::index(settings, &agent)?;
        let memory: Arc<dyn Store> = store.clone();
        let (reader, _) = IndexReader::open(index, &address, memory).await?;
        let sources = Some(opening::sources(settings)?);
        let progress = progress::for_stderr(settings.quiet());
        let engine =
            opening::engine(settings, Arc::clone(&store), agent, Some(Arc::new(reader)), progress, sources).await?;
        engine.run_until_idle(&opening::stop_signal()).await?;
    }
    let open: u64 = store.counts().await?.iter().map(|count| count.waiting + count.dead).sum();
    let why_none = (revived == 0).then_some(NOTHING_GIVEN_UP);
    if settings.json {
        document::print(json!({ "revived": revived, "why_none": why_none, "still_open": open }));
    } else if let Some(why) = why_none {
        say(&format!("none tried again: {why}; {open} still open (see `provenance status`)"));
    } else {
        let revived = count(usize::try_from(revived).unwrap_or(usize::MAX), "step");
        say(&format!("{revived} tried again, {open} still open (see `provenance status`)"));
    }
    opened.close().await;
    Ok(Exit::Done)
}
