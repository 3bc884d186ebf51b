//! `provenance work`: do what is due, for as long as it is wanted. It follows nothing; `run` does both.

use std::sync::Arc;

use queue::QueueError;

use crate::settings::Settings;
use crate::{Exit, opening, progress};

pub(crate) async fn run(until_idle: bool, no_source: bool, settings: &Settings) -> anyhow::Result<Exit> {
    let progress = progress::for_stderr(settings.quiet());
    let opened = opening::to_write(settings).await?;
    let store = Arc::clone(&opened.store);
    let stop = opening::stop_signal();
    let sources = if no_source { None } else { Some(opening::sources(settings)?) };
    let agent = opening::agent(settings)?;
    let engine = opening::engine(settings, Arc::clone(&store), agent, None, progress, sources).await?;
    engine.fetch_as_stored(None);
    let deliveries = opening::deliveries(settings, Arc::clone(&store))?;
    let outcome = if until_idle {
        let outcome = engine.run_until_idle(&stop).await;
        // What came of the work is told as well; a subscriber that fails is told later, by whoever runs then. How the work
        // ended is not lost over it.
        let told = deliveries.round().await;
        outcome.and(told.map(drop))
    } else {
        let ended = stop.child_token();
        let work = async {
            let outcome = engine.run_until_stopped(&ended).await;
            ended.cancel();
            outcome
        };
        tokio::join!(work, deliveries.run_until_stopped(&ended)).0
    };
    opened.close().await;
    match outcome {
        Err(QueueError::Interrupted) => anyhow::bail!("{}", QueueError::Interrupted),
        other => other?,
    }
    Ok(Exit::Done)
}
