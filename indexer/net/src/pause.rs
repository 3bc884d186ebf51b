//! How long to wait between tries: our own growing pause, or the one the server asks for; the waiting is the agent's.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::AgentOptions;

/// The pause after the `tried`-th try (from 1): doubled each time, and somewhere in the upper half of that.
pub(crate) fn backoff(options: &AgentOptions, tried: u32) -> Duration {
    let full = options.backoff.saturating_mul(1 << tried.saturating_sub(1).min(16)).min(options.max_backoff);
    full.mul_f64(0.5 + 0.5 * jitter())
}

/// The pause that `Retry-After` asks for, in seconds or as a date.
///
/// A date is measured against the answer's own `Date`, so that no clock has to agree with another.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(value)?;
    let now = http_date(headers.get(DATE)?.to_str().ok()?.trim())?;
    let seconds = until.as_second().saturating_sub(now.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|date| date.timestamp())
}

/// Between 0 and 1, from the standard library's own random keys: good enough to keep workers out of step.
#[must_use]
pub fn jitter() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(reqwest::header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        assert_eq!(retry_after(&headers(&[(RETRY_AFTER, "120")])), Some(Duration::from_mins(2)));
        let date = |until| headers(&[(DATE, "Sun, 06 Nov 1994 08:49:37 GMT"), (RETRY_AFTER, until)]);
        assert_eq!(retry_after(&date("Sun, 06 Nov 1994 08:50:07 GMT")), Some(Duration::from_secs(30)));
        assert_eq!(retry_after(&date("Sun, 06 Nov 1994 08:00:00 GMT")), Some(Duration::ZERO));
    }

    #[test]
    fn an_unreadable_one_is_none() {
        for value in ["", "-1", "soon", "Sun, 06 Nov 1994 08:50:07 GMT"] {
            assert_eq!(retry_after(&headers(&[(RETRY_AFTER, value)])), None, "{value}");
        }
    }

    #[test]
    fn the_pause_grows_to_its_limit() {
        let options = AgentOptions::default();
        for (tried, seconds) in [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (u32::MAX, 30.0)] {
            let pause = backoff(&options, tried).as_secs_f64();
            assert!((seconds / 2.0..=seconds).contains(&pause), "{tried}: {pause}");
        }
    }
}
