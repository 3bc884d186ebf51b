//! How long releases took from their publication to our sight, and to their first row (design 02, requirement 14).

use schema::Timestamp;
use serde_json::{Value, json};
use store::{Following, Latency};

/// What is measured: the releases seen within a day, that many at most.
const A_DAY: i64 = 86_400;
const MOST: u32 = 10_000;

/// Two series in seconds, each sorted.
pub(super) struct Measured {
    to_sight: Vec<i64>,
    to_row: Vec<i64>,
}

pub(super) async fn measured(store: &dyn Following, now: Timestamp) -> anyhow::Result<Measured> {
    let latencies = store.latencies(now.plus_seconds(-A_DAY), MOST).await?;
    let since_publication =
        |latency: &Latency, at: Timestamp| (at.as_micros() - latency.published_at.as_micros()).max(0) / 1_000_000;
    let mut to_sight: Vec<_> =
        latencies.iter().map(|latency| since_publication(latency, latency.first_seen_at)).collect();
    let mut to_row: Vec<_> =
        latencies.iter().filter_map(|latency| Some(since_publication(latency, latency.row_at?))).collect();
    to_sight.sort_unstable();
    to_row.sort_unstable();
    Ok(Measured { to_sight, to_row })
}

impl Measured {
    pub(super) fn as_json(&self) -> Value {
        let series = |sorted: &[i64]| json!({ "p50": percentile(sorted, 50), "p99": percentile(sorted, 99) });
        json!({
            "releases": self.to_sight.len(), "seconds_to_sight": series(&self.to_sight),
            "seconds_to_row": series(&self.to_row),
        })
    }

    /// `None` when nothing was published lately.
    pub(super) fn words(&self) -> Option<String> {
        let [p50, p99] = [percentile(&self.to_sight, 50)?, percentile(&self.to_sight, 99)?];
        let row = match (percentile(&self.to_row, 50), percentile(&self.to_row, 99)) {
            (Some(p50), Some(p99)) => format!(", with a row after {p50} s (p99 {p99} s)"),
            _ => String::new(),
        };
        let n = crate::text::count(self.to_sight.len(), "release");
        Some(format!("{n} in the last day, seen {p50} s after publication (p99 {p99} s){row}"))
    }
}

/// The value that so many of a hundred do not exceed (nearest rank).
fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn nearest_rank_as_the_textbook_has_it() {
        let sorted = [15, 20, 35, 40, 50];
        assert_eq!([5, 30, 40, 50, 100].map(|percent| percentile(&sorted, percent)), [15, 20, 20, 35, 50].map(Some));
        assert_eq!(percentile(&[], 50), None);
    }
}
