//! Where bytes are kept: a folder, or a bucket of an S3-compatible service. Named by a person, opened here and nowhere else.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::prefix::PrefixStore;
use schema::Secret;

use crate::DownloadError;

/// A folder or a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// `s3://bucket/prefix`.
    Bucket {
        /// The bucket.
        bucket: String,
        /// What every key begins with, without a slash at either end; may be empty.
        prefix: String,
    },
}

/// How an S3-compatible service is reached. Handed in; what is missing is left out of the requests.
#[derive(Clone, Debug, Default)]
pub struct S3Options {
    /// Address of the service; `None`: Amazon's, by region.
    pub endpoint: Option<String>,
    /// Region; services other than Amazon's mostly take any.
    pub region: Option<String>,
    /// Who asks. Without it requests are not signed.
    pub access_key_id: Option<String>,
    /// The key to sign with.
    pub secret_access_key: Option<Secret>,
    /// Goes with keys that are lent for a while.
    pub session_token: Option<Secret>,
}

impl Place {
    /// Reads a place as a person writes it: `s3://bucket/prefix`, `file:///folder`, or a folder.
    ///
    /// # Errors
    /// When the bucket is missing, or the kind of address is none of these.
    pub fn parse(text: &str) -> Result<Self, DownloadError> {
        let bad = |reason: &'static str| DownloadError::BadPlace { place: text.to_owned(), reason };
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
            if bucket.is_empty() || !bucket.bytes().all(allowed) {
                return Err(bad("after s3:// comes the name of a bucket"));
            }
            let prefix = prefix.trim_matches('/').to_owned();
            return Ok(Self::Bucket { bucket: bucket.to_owned(), prefix });
        }
        if let Some(path) = text.strip_prefix("file://") {
            if !path.starts_with('/') {
                return Err(bad("after file:// comes a path from the root"));
            }
            return Ok(Self::Folder(PathBuf::from(path)));
        }
        if text.contains("://") {
            return Err(bad("only folders and s3:// are known"));
        }
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        Ok(Self::Folder(PathBuf::from(text)))
    }

    /// The store behind it, every key below the prefix.
    pub(crate) fn bucket_store(
        bucket: &str,
        prefix: &str,
        options: &S3Options,
    ) -> Result<Arc<dyn ObjectStore>, DownloadError> {
        let root = object_store::path::Path::from(prefix);
        let store = bucket_of(bucket, options).map_err(|error| DownloadError::of_store(&root, error))?;
        Ok(Arc::new(PrefixStore::new(store, root)))
    }
}

fn bucket_of(bucket: &str, options: &S3Options) -> object_store::Result<AmazonS3> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(options.region.as_deref().unwrap_or("us-east-1"))
        // Whoever names an address without TLS means it; Amazon's own always has it.
        .with_allow_http(options.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")));
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    match (&options.access_key_id, &options.secret_access_key) {
        (Some(id), Some(key)) => {
            builder = builder.with_access_key_id(id).with_secret_access_key(key.reveal());
            if let Some(token) = &options.session_token {
                builder = builder.with_token(token.reveal());
            }
        }
        // Never the address that machines of a cloud ask for keys: nothing is fetched that nobody named.
        _ => builder = builder.with_skip_signature(true),
    }
    builder.build()
}

impl FromStr for Place {
    type Err = DownloadError;
    fn from_str(text: &str) -> Result<Self, DownloadError> {
        Self::parse(text)
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::Folder(path.to_owned())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_bucket() {
        let bucket =
            |bucket: &str, prefix: &str| Place::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
        for (text, place) in [
            ("out", Place::Folder("out".into())),
            ("/srv/out", Place::Folder("/srv/out".into())),
            ("file:///srv/out", Place::Folder("/srv/out".into())),
            ("s3://b.1-x", bucket("b.1-x", "")),
            ("s3://b/a/b/", bucket("b", "a/b")),
        ] {
            assert_eq!(Place::parse(text).unwrap(), place);
        }
        for text in ["", "s3://", "s3:///a", "s3://B/a", "s3://u:p@b/a", "file://host/a", "gs://b", "https://a/b"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let options = S3Options { secret_access_key: Some(Secret::new("hunter2")), ..S3Options::default() };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
