//! An index over HTTP, one file per crate, with conditional requests. Retries, time-outs and the breaker are net's.

use net::{Agent, Answer, Get};
use schema::KrateName;
use url::Url;

use super::{Fetched, Validators, index_text};
use crate::{FollowError, IndexConfig};

/// Limits of a sparse index.
#[derive(Clone, Copy, Debug)]
pub struct SparseOptions {
    /// The largest file that is read; the largest of the public registry is 1.4 MB.
    pub max_bytes: u64,
}

impl Default for SparseOptions {
    fn default() -> Self {
        Self { max_bytes: 64 << 20 }
    }
}

/// A sparse index.
pub struct SparseIndex {
    base: Url,
    agent: Agent,
    options: SparseOptions,
}

impl std::fmt::Debug for SparseIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SparseIndex").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl SparseIndex {
    /// An index below this address, which ends with a slash as [`crate::IndexAddress::Sparse`] does.
    #[must_use]
    pub fn new(base: Url, agent: Agent, options: SparseOptions) -> Self {
        Self { base, agent, options }
    }

    /// Its `config.json`, if it has one.
    ///
    /// # Errors
    /// When the index cannot be reached, or the file is no such file.
    pub async fn config(&self) -> Result<Option<IndexConfig>, FollowError> {
        let answer = self.get(IndexConfig::FILE, None).await?;
        match answer.status {
            200 => {
                let url = answer.url.to_string();
                let bytes = answer.bytes().await?;
                IndexConfig::parse(&bytes, &url).map(Some)
            }
            404 | 410 => Ok(None),
            status => Err(FollowError::Status { url: answer.url, status }),
        }
    }

    /// The file of one crate, under exactly this spelling.
    ///
    /// # Errors
    /// When the index cannot be reached, or answers with something that is no index file.
    pub async fn fetch(&self, name: &KrateName, validators: Option<&Validators>) -> Result<Fetched, FollowError> {
        let answer = self.get(&name.index_path(), validators).await?;
        match answer.status {
            200 => {
                let url = answer.url.to_string();
                let header = |name| answer.header(name).map(str::to_owned);
                let validators = Validators { etag: header("etag"), last_modified: header("last-modified") };
                let text = index_text(answer.bytes().await?.to_vec(), &url)?;
                Ok(Fetched::File { text, validators })
            }
            // Without validators nothing was asked that this could answer.
            304 if validators.is_some() => Ok(Fetched::NotModified),
            status @ (404 | 410 | 451) => Ok(Fetched::Missing { status: Some(status) }),
            status => Err(FollowError::Status { url: answer.url, status }),
        }
    }

    async fn get(&self, path: &str, validators: Option<&Validators>) -> Result<Answer, FollowError> {
        let url = self
            .base
            .join(path)
            .map_err(|error| FollowError::BadAddress { text: self.base.to_string(), reason: error.to_string() })?;
        let mut get = Get::new(url);
        get.max_bytes = self.options.max_bytes;
        // What cargo sends, so that a server that tells protocols apart takes us for one of its own.
        get.headers.push(("cargo-protocol", "version=1".to_owned()));
        if let Some(etag) = validators.and_then(|validators| validators.etag.as_ref()) {
            get.headers.push(("if-none-match", etag.clone()));
        } else if let Some(date) = validators.and_then(|validators| validators.last_modified.as_ref()) {
            get.headers.push(("if-modified-since", date.clone()));
        }
        Ok(self.agent.get(get).await?)
    }
}
