//! Who is told of events over HTTP, and how far each of them is.

use async_trait::async_trait;
use schema::{CratePattern, Secret, Timestamp};

use crate::StoreError;

/// Subscriptions.
#[async_trait]
pub trait Webhooks {
    /// Keeps a subscription to what happens after number `cursor`, and gives its own.
    async fn add_webhook(&self, webhook: &WebhookWrite, cursor: i64, now: Timestamp) -> Result<i64, StoreError>;

    /// All subscriptions, by number, disabled ones included.
    async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError>;

    /// Forgets a subscription. `false`: there is none.
    async fn remove_webhook(&self, id: i64) -> Result<bool, StoreError>;

    /// Takes subscriptions that are due and that nobody else delivers to, and holds them until `until`: by number, those above
    /// `after`, at most `limit`.
    async fn take_webhooks(
        &self,
        now: Timestamp,
        until: Timestamp,
        after: i64,
        limit: u32,
    ) -> Result<Vec<WebhookRow>, StoreError>;

    /// Notes how far a subscription is that was held until `held`, and when it is due again; nobody holds it any more. Who lost
    /// it meanwhile changes nothing: it is told again.
    async fn note_webhook(&self, id: i64, held: Timestamp, progress: &WebhookProgress) -> Result<(), StoreError>;

    /// Has a disabled subscription go on from where it was. `false`: there is none, or it is not disabled.
    async fn resume_webhook(&self, id: i64, now: Timestamp) -> Result<bool, StoreError>;
}

/// A subscription to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookWrite {
    /// Where to.
    pub url: String,
    /// What deliveries are signed with.
    pub secret: Secret,
    /// Which types of events; empty: all.
    pub types: Vec<String>,
    /// About which crates; empty: all, and what is about none.
    pub crates: Vec<CratePattern>,
    /// Whether the address may be one that is not public.
    pub private: bool,
}

/// A subscription as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRow {
    /// Its number.
    pub id: i64,
    /// What was kept.
    pub webhook: WebhookWrite,
    /// Since when.
    pub created_at: Timestamp,
    /// How far it is.
    pub progress: WebhookProgress,
}

/// How far a subscription is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookProgress {
    /// The number of the last event that was delivered or is not wanted.
    pub cursor: i64,
    /// Failed tries of the next one.
    pub tries: u32,
    /// When it is tried next.
    pub next_at: Timestamp,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When one was last taken.
    pub last_success_at: Option<Timestamp>,
    /// Since when nothing is sent, and why.
    pub disabled: Option<(Timestamp, String)>,
}
