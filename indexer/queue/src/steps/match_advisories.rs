//! Matching some hundred releases against the advisories known now.

use std::collections::HashMap;

use schema::{AdvisoryMatch, ReleaseId};
use store::{Mark, MatchWrite};

use crate::matching::match_releases;
use crate::{Engine, QueueError};

pub(crate) async fn match_advisories(engine: &Engine, marks: &[Mark]) -> Result<(), QueueError> {
    let ids: Vec<_> = marks.iter().map(|mark| mark.release).collect();
    let releases = engine.store.releases_of(&ids).await?;
    let mut found: HashMap<ReleaseId, Vec<AdvisoryMatch>> = HashMap::new();
    if let Some(known) = engine.known().await? {
        for matched in match_releases(&known.advisories, &releases) {
            found.entry(matched.release).or_default().push(matched);
        }
    }
    let writes: Vec<_> = marks
        .iter()
        .map(|mark| MatchWrite { mark: *mark, matches: found.remove(&mark.release).unwrap_or_default() })
        .collect();
    engine.store.finish_matches(&writes, engine.clock.now()).await?;
    Ok(())
}
