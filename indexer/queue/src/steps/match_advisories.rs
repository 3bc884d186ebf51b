//! Matching some hundred releases against the advisories known now.

use std::collections::HashMap;

use schema::{AdvisoryMatch, ReleaseId, Step};
use store::{Mark, MatchWrite, StoreError};

use crate::matching::match_releases;
use crate::{Engine, QueueError};

pub(crate) async fn match_advisories(engine: &Engine, marks: &[Mark]) -> Result<(), QueueError> {
    let ids: Vec<_> = marks.iter().map(|mark| mark.release).collect();
    let releases = engine.store.releases_of(&ids).await?;
    let mut found: HashMap<ReleaseId, Vec<AdvisoryMatch>> = HashMap::new();
    let known = engine.known().await?;
    if let Some(known) = &known {
        for matched in match_releases(&known.advisories, &releases) {
            found.entry(matched.release).or_default().push(matched);
        }
    }
    let writes: Vec<_> = marks
        .iter()
        .map(|mark| MatchWrite { mark: *mark, matches: found.remove(&mark.release).unwrap_or_default() })
        .collect();
    let (state, now) = (known.as_ref().map(|known| known.state.seq), engine.clock.now());
    match engine.store.finish_matches(&writes, state, now).await {
        // Another state came while these were matched: they are matched with that, at once.
        Err(StoreError::Conflict { .. }) => engine.store.give_back(marks, Step::Match, now).await?,
        outcome => outcome?,
    }
    Ok(())
}
