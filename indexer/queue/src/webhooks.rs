//! Telling subscribers of events: at least once, in order for each, from where each of them is (Standard Webhooks 1.0.0).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use net::{Addresses, Agent, AgentOptions, Exchange, Get, NetError, Url};
use ring::hmac;
use schema::{CanonicalName, Clock, KrateName, Secret, Timestamp};
use serde_json::{Map, Value, json};
use store::{FeedRow, Store, StoreError, WebhookProgress, WebhookRow};
use tokio_util::sync::CancellationToken;

use crate::QueueError;

/// Between two looks at what is due. An event that is new is told so late at most.
const LOOK: Duration = Duration::from_secs(2);
/// How long one process holds a subscription; it sends for half of that and lets go.
const HOLD_SECONDS: i64 = 120;
/// Read of the feed at once.
const PAGE: u32 = 100;
/// Subscribers told at one time.
const AT_ONCE: usize = 8;
/// How long a subscriber may take to answer: the specification says 15 to 30 s.
const ANSWER: Duration = Duration::from_secs(20);
/// The pauses after each failed try, in seconds, as in the specification's example: three days in all. After the last the
/// subscription is given up.
const PAUSES: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// The longest `Retry-After` that is heeded, in seconds.
const LONGEST: i64 = 86_400;
/// Of a subscriber's answer nobody reads more.
const MAX_ANSWER: u64 = 64 << 10;

/// Tells subscribers.
pub struct Deliveries {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    agent: Agent,
    offline: bool,
}

/// What came of one try.
enum Told {
    Taken,
    /// It wants nothing any more.
    Gone,
    Failed {
        why: String,
        retry_after: Option<i64>,
    },
}

impl Deliveries {
    /// Tells subscribers of what is in the store. Each event is tried once and then later: the pauses are ours, not the
    /// agent's.
    ///
    /// # Errors
    /// When the agent cannot be set up.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: AgentOptions) -> Result<Self, NetError> {
        let offline = options.offline;
        let options = AgentOptions { attempts: 1, max_redirects: 0, total_timeout: ANSWER, ..options };
        Ok(Self { store, clock, agent: Agent::new(options)?, offline })
    }

    /// Tells, and looks again after a little while, until `stop`. What is under way then is told again next time.
    pub async fn run_until_stopped(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                round = self.round() => if let Err(error) = round {
                    tracing::warn!("subscribers could not be told: {}", error.in_one_line());
                },
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Tells every subscriber that is due what it lacks, some at once; each is taken when it can be told. Gives how many events
    /// were taken. Offline nothing is tried, and what is due stays due.
    ///
    /// # Errors
    /// When the store fails; what was told and could not be noted is told again.
    pub async fn round(&self) -> Result<usize, QueueError> {
        if self.offline {
            return Ok(0);
        }
        let (mut under_way, mut after, mut n_taken) = (FuturesUnordered::new(), Some(0), 0);
        let mut failure = None;
        loop {
            if let Some(last) = after.filter(|_| failure.is_none()) {
                let now = self.clock.now();
                let (held, room) = (now.plus_seconds(HOLD_SECONDS), AT_ONCE - under_way.len());
                let limit = u32::try_from(room).unwrap_or(u32::MAX);
                let due = self.store.take_webhooks(now, held, last, limit).await;
                let due = due.unwrap_or_else(|error| {
                    failure = Some(error);
                    Vec::new()
                });
                after = due.last().filter(|_| due.len() == room).map(|row| row.id);
                under_way.extend(due.into_iter().map(|row| self.tell(row, held)));
            }
            // What was told is noted, whatever became of the others.
            match under_way.next().await {
                Some(Ok(taken)) => n_taken += taken,
                Some(Err(error)) => failure = Some(error),
                None => return failure.map_or(Ok(n_taken), |error| Err(error.into())),
            }
        }
    }

    async fn tell(&self, row: WebhookRow, held: Timestamp) -> Result<usize, StoreError> {
        let until = held.plus_seconds(-HOLD_SECONDS / 2);
        let (mut progress, mut n_taken) = (row.progress.clone(), 0);
        progress.next_at = self.clock.now();
        'page: loop {
            let feed = self.store.feed(progress.cursor, PAGE).await?;
            let is_last = feed.len() < PAGE as usize;
            for event in feed {
                if is_wanted(&row, &event) {
                    let now = self.clock.now();
                    let told = self.send(&row, &event, now).await;
                    if !note(&mut progress, told, now) {
                        break 'page;
                    }
                    n_taken += 1;
                }
                progress.cursor = event.seq();
                if self.clock.now() > until {
                    break 'page;
                }
            }
            if is_last {
                break;
            }
        }
        self.store.note_webhook(row.id, held, &progress).await?;
        Ok(n_taken)
    }

    async fn send(&self, row: &WebhookRow, event: &FeedRow, now: Timestamp) -> Told {
        let failed = |why: String| Told::Failed { why, retry_after: None };
        let Ok(url) = row.webhook.url.parse::<Url>() else { return failed("the address is none".to_owned()) };
        let (id, body) = (format!("evt_{}", event.seq()), message(event).to_string());
        let seconds = now.as_micros().div_euclid(1_000_000).to_string();
        let Some(signature) = webhook_signature(&row.webhook.secret, &id, &seconds, &body) else {
            return failed("the secret is none".to_owned());
        };
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id),
            ("webhook-timestamp", seconds),
            ("webhook-signature", signature),
        ];
        let addresses = if row.webhook.private { Addresses::Any } else { Addresses::PublicOnly };
        let get = Get { headers, max_bytes: MAX_ANSWER, addresses, ..Get::new(url) };
        let exchange = Exchange { body: Some(body.into()), ..Exchange::from(get) };
        match self.agent.exchange(exchange).await {
            Ok(answer) if (200..300).contains(&answer.status) => Told::Taken,
            Ok(answer) if answer.status == 410 => Told::Gone,
            Ok(answer) => {
                let retry_after = answer.header("retry-after").and_then(|value| value.trim().parse().ok());
                Told::Failed { why: format!("answered {}", answer.status), retry_after }
            }
            Err(NetError::Status { status, retry_after, .. }) => {
                let retry_after = retry_after.and_then(|pause| i64::try_from(pause.as_secs()).ok());
                Told::Failed { why: format!("answered {status}"), retry_after }
            }
            Err(error) => failed(QueueError::Net(error).in_one_line()),
        }
    }
}

/// The header `webhook-signature`: `v1,` and the HMAC-SHA256 of id, time and body, with stops between them. `None`: the secret
/// is none of the specification's.
#[must_use]
pub fn webhook_signature(secret: &Secret, id: &str, timestamp: &str, body: &str) -> Option<String> {
    let key = BASE64_STANDARD.decode(secret.reveal().strip_prefix("whsec_")?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    Some(format!("v1,{}", BASE64_STANDARD.encode(tag)))
}

/// Takes over what came of a try. `false`: nothing more is sent for now.
fn note(progress: &mut WebhookProgress, told: Told, now: Timestamp) -> bool {
    match told {
        Told::Taken => {
            progress.tries = 0;
            progress.last_error = None;
            progress.last_success_at = Some(now);
            true
        }
        Told::Gone => {
            progress.last_error = Some("answered 410".to_owned());
            progress.disabled = Some((now, "it answered 410, so it wants nothing any more".to_owned()));
            false
        }
        Told::Failed { why, retry_after } => {
            let pause = PAUSES.get(progress.tries as usize).copied();
            progress.tries += 1;
            match pause {
                Some(pause) => {
                    let asked = retry_after.unwrap_or(0).clamp(0, LONGEST);
                    progress.next_at = now.plus_seconds(jittered(pause).max(asked));
                }
                None => progress.disabled = Some((now, format!("given up after {} tries: {why}", progress.tries))),
            }
            progress.last_error = Some(why);
            false
        }
    }
}

/// A tenth more or less, so that subscribers are not all tried again at one moment. Never less than a second.
fn jittered(seconds: i64) -> i64 {
    let pause = Duration::from_secs(seconds.unsigned_abs()).mul_f64(0.9 + 0.2 * net::jitter());
    i64::try_from(pause.as_secs()).unwrap_or(seconds).max(1)
}

/// A message as the specification recommends it: type, time, data.
fn message(event: &FeedRow) -> Value {
    match event {
        FeedRow::Change(row) => {
            let change = &row.change;
            json!({
                "type": change.kind, "timestamp": change.at,
                "data": {
                    "id": row.seq, "name": change.name, "vers": change.num, "checksum": change.checksum,
                    "fields": change.fields, "commit": change.commit,
                },
            })
        }
        FeedRow::Event(row) => {
            // A payload is written by us; one that cannot be read is told as what it is.
            let mut data: Map<String, Value> = serde_json::from_str(&row.payload).unwrap_or_default();
            data.insert("id".to_owned(), json!(row.seq));
            json!({ "type": row.kind, "timestamp": row.at, "data": data })
        }
    }
}

fn is_wanted(row: &WebhookRow, event: &FeedRow) -> bool {
    let (kind, krate): (&str, Option<CanonicalName>) = match event {
        FeedRow::Change(row) => (row.change.kind.as_str(), row.change.name.as_ref().map(KrateName::canonical)),
        FeedRow::Event(row) => (&row.kind, named(&row.payload)),
    };
    let (types, crates) = (&row.webhook.types, &row.webhook.crates);
    let of_type = types.is_empty() || types.iter().any(|wanted| wanted == kind);
    let about = crates.is_empty() || krate.is_some_and(|krate| crates.iter().any(|pattern| pattern.covers(&krate)));
    of_type && about
}

fn named(payload: &str) -> Option<CanonicalName> {
    let payload: Value = serde_json::from_str(payload).ok()?;
    Some(KrateName::parse(payload["name"].as_str()?).ok()?.canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_the_specifications() {
        // The example that the project's own libraries are tested with (standard-webhooks, libraries/*/test).
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature =
            webhook_signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}");
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(webhook_signature(&Secret::new("whsec_?"), "a", "1", "{}"), None);
    }

    #[test]
    fn pauses_grow_heed_the_subscriber_and_end() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let failed = |retry_after| Told::Failed { why: "answered 500".to_owned(), retry_after };
        let mut progress = WebhookProgress {
            cursor: 0,
            tries: 0,
            next_at: now,
            last_error: None,
            last_success_at: None,
            disabled: None,
        };
        let pause = |progress: &WebhookProgress| (progress.next_at.as_micros() - now.as_micros()) / 1_000_000;
        for seconds in PAUSES {
            assert!(!note(&mut progress, failed(None), now));
            assert!(
                (seconds * 9 / 10 - 1..=seconds * 11 / 10 + 1).contains(&pause(&progress)),
                "{seconds}: {}",
                pause(&progress)
            );
            assert_eq!(progress.disabled, None);
        }
        note(&mut progress, failed(None), now);
        assert_eq!(progress.disabled.unwrap().1, "given up after 10 tries: answered 500");

        let mut progress = WebhookProgress { tries: 0, disabled: None, ..progress };
        note(&mut progress, failed(Some(4_000)), now);
        assert_eq!(pause(&progress), 4_000);
        note(&mut progress, failed(Some(i64::MAX)), now);
        assert_eq!(pause(&progress), LONGEST);
        assert!(note(&mut progress, Told::Taken, now));
        assert_eq!((progress.tries, &progress.last_error), (0, &None));
        note(&mut progress, Told::Gone, now);
        assert!(progress.disabled.is_some());
    }
}
