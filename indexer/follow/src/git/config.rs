//! When two texts of `config.json` say different things.

use serde_json::Value;

/// Compares what the texts say, or the texts where they are no JSON: spacing is no change.
pub(super) fn differs(before: Option<&str>, after: Option<&str>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            match (serde_json::from_str::<Value>(before), serde_json::from_str::<Value>(after)) {
                (Ok(before), Ok(after)) => before != after,
                _ => before != after,
            }
        }
        (before, after) => before != after,
    }
}
