//! What staff may do, said and did: tokens, reviews, and the record of everything anybody did.

use async_trait::async_trait;
use schema::{CratePattern, ReleaseId, Scope, Sha256, Timestamp};

use crate::StoreError;

/// Who may act.
#[async_trait]
pub trait Tokens {
    /// Keeps a new token and gives its number.
    async fn add_token(&self, token: &TokenWrite, now: Timestamp) -> Result<i64, StoreError>;

    /// All tokens, the oldest first, revoked and expired ones included.
    async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError>;

    /// One token, by its number.
    async fn token(&self, id: i64) -> Result<Option<TokenRow>, StoreError>;

    /// Takes a token back. `false`: there is none, or it was taken back before.
    async fn revoke_token(&self, id: i64, now: Timestamp) -> Result<bool, StoreError>;

    /// Notes that a token allowed something just now.
    async fn note_token_used(&self, id: i64, now: Timestamp) -> Result<(), StoreError>;
}

/// What came of looking at findings.
#[async_trait]
pub trait Reviews {
    /// Keeps what somebody said of a finding; what was said before stays readable.
    async fn add_review(&self, review: &ReviewWrite, now: Timestamp) -> Result<i64, StoreError>;

    /// What was said of the findings of a release, oldest first: the last of each finding stands.
    async fn reviews(&self, release: ReleaseId) -> Result<Vec<ReviewRow>, StoreError>;
}

/// The record of what was done.
#[async_trait]
pub trait Audit {
    /// Notes that something begins, and gives its number. Whoever cannot note it must not do it.
    async fn begin_deed(&self, deed: &DeedWrite, now: Timestamp) -> Result<i64, StoreError>;

    /// Notes how it ended; what ended once is not noted again.
    async fn end_deed(&self, id: i64, outcome: Outcome, detail: &str) -> Result<(), StoreError>;

    /// What was done with a number above `after`, oldest first, at most `limit`.
    async fn deeds(&self, after: i64, limit: u32) -> Result<Vec<DeedRow>, StoreError>;
}

/// A token to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenWrite {
    /// What it is for.
    pub name: String,
    /// sha256 of its secret.
    pub digest: Sha256,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// With which crates.
    pub crates: Vec<CratePattern>,
    /// Until when; `None`: it does not expire.
    pub expires_at: Option<Timestamp>,
}

/// A token as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Its number.
    pub id: i64,
    /// What was kept.
    pub token: TokenWrite,
    /// Since when.
    pub created_at: Timestamp,
    /// Since when it is taken back.
    pub revoked_at: Option<Timestamp>,
    /// When it last allowed something.
    pub last_used_at: Option<Timestamp>,
}

impl TokenRow {
    /// Whether it allows anything at an instant.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.token.expires_at.is_none_or(|until| now < until)
    }
}

/// What somebody says of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewWrite {
    /// The release.
    pub release: ReleaseId,
    /// The finding's code.
    pub finding: String,
    /// `open`, `accepted`, `rejected` or `watching`.
    pub state: String,
    /// Why.
    pub reason: String,
    /// By which token.
    pub token: i64,
}

/// The same, as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewRow {
    /// Its number.
    pub id: i64,
    /// What was said.
    pub review: ReviewWrite,
    /// When.
    pub at: Timestamp,
}

/// How a deed ended, or that it did not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It began, and nobody said how it ended.
    Begun,
    /// It was done.
    Done,
    /// It was only looked at what it would do.
    Planned,
    /// Somebody else said no.
    Refused,
    /// It could not be done.
    Failed,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Begun, Self::Done, Self::Planned, Self::Refused, Self::Failed];

    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Planned => "planned",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// The outcome behind a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// Something somebody is about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeedWrite {
    /// By which token; `None`: at the command line.
    pub token: Option<i64>,
    /// The token's name.
    pub actor: String,
    /// What.
    pub action: String,
    /// With what.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// The same, as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeedRow {
    /// Its number; grows.
    pub id: i64,
    /// What was begun.
    pub deed: DeedWrite,
    /// When it began.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// More about it: a JSON document.
    pub detail: String,
}
