//! The step itself: look in the store, then in local directories, then on the network.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use net::{Agent, Answer, Get, NetError};
use schema::{KrateName, Sha256, VersionNum};
use tokio::io::AsyncReadExt;

use crate::blobs::Written;
use crate::{Address, Blobs, DownloadError};

/// How often a body that breaks off is asked for in all.
const BODY_TRIES: u32 = 3;

/// What is read from a local archive at once.
const READ_SIZE: usize = 128 << 10;

/// An archive as the index promises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The crate.
    pub name: KrateName,
    /// The version.
    pub num: VersionNum,
    /// The promised checksum.
    pub checksum: Sha256,
}

/// What is refused.
#[derive(Clone, Copy, Debug)]
pub struct DownloadLimits {
    /// The largest archive taken, in bytes as served.
    pub compressed_size: u64,
}

/// Where the bytes came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A local file.
    Local(PathBuf),
    /// The index's download address.
    Url,
    /// They were in the store already.
    AlreadyThere,
}

/// A local archive with the right name and other bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredLocal {
    /// The file.
    pub path: PathBuf,
    /// Its sha256; `None` when it is larger than the limit and was not read to its end.
    pub found: Option<Sha256>,
}

/// What was found out. Every variant says which local archives were looked at in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The promised bytes are in the store.
    Stored {
        /// How many.
        size: u64,
        /// Where they came from.
        origin: Origin,
        /// Local archives with other bytes.
        ignored_local: Vec<IgnoredLocal>,
    },
    /// Other bytes are served, past all caches too; they are in the store under their own sha256.
    Mismatch {
        /// Their sha256.
        found: Sha256,
        /// How many.
        size: u64,
        /// Where they came from.
        origin: Origin,
        /// Local archives with other bytes.
        ignored_local: Vec<IgnoredLocal>,
    },
    /// The server has it no more.
    Gone {
        /// 403, 404, 410 or 451.
        status: u16,
        /// Local archives with other bytes.
        ignored_local: Vec<IgnoredLocal>,
    },
    /// The archive is larger than the limit.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
        /// Local archives with other bytes.
        ignored_local: Vec<IgnoredLocal>,
    },
    /// It is in no local directory, and the index has no download address.
    NoAddress {
        /// Local archives with other bytes.
        ignored_local: Vec<IgnoredLocal>,
    },
}

/// What one request came to.
enum Served {
    Whole(Written),
    Gone(u16),
    TooLarge,
}

/// Gets one archive into the store: from `archives` (local directories, files named `{name}-{version}.crate`), else
/// from `address`. Safe to run twice.
///
/// # Errors
/// When the disk, the store or the network fails. Facts about the archive are outcomes.
pub async fn download(
    agent: &Agent,
    blobs: &Blobs,
    wanted: &Wanted,
    address: Option<&Address>,
    archives: &[PathBuf],
    limits: &DownloadLimits,
) -> Result<Outcome, DownloadError> {
    let mut ignored_local = Vec::new();
    if let Some(size) = blobs.size(&wanted.checksum).await? {
        return Ok(Outcome::Stored { size, origin: Origin::AlreadyThere, ignored_local });
    }
    for directory in archives {
        let path = directory.join(format!("{}-{}.crate", wanted.name, wanted.num));
        let Some(written) = from_local(blobs, &path, limits).await? else { continue };
        match written {
            Served::Whole(written) if written.digest == wanted.checksum => {
                let size = written.size;
                written.keep().await?;
                return Ok(Outcome::Stored { size, origin: Origin::Local(path), ignored_local });
            }
            Served::Whole(written) => {
                ignored_local.push(IgnoredLocal { path, found: Some(written.digest) });
                written.discard().await?;
            }
            Served::Gone(_) | Served::TooLarge => ignored_local.push(IgnoredLocal { path, found: None }),
        }
    }
    match address {
        Some(address) => from_url(agent, blobs, wanted, address, limits, ignored_local).await,
        None => Ok(Outcome::NoAddress { ignored_local }),
    }
}

/// Reads a local archive into the store; `None` when there is no such file.
async fn from_local(blobs: &Blobs, path: &Path, limits: &DownloadLimits) -> Result<Option<Served>, DownloadError> {
    let unreadable = |error| DownloadError::of_file(path, error);
    match tokio::fs::metadata(path).await {
        Ok(meta) if !meta.is_file() => return Ok(None),
        Ok(meta) if meta.len() > limits.compressed_size => return Ok(Some(Served::TooLarge)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    // It may grow while it is read.
    let mut file = file.take(limits.compressed_size);
    let mut incoming = blobs.begin().await?;
    let mut buffer = vec![0; READ_SIZE];
    let failure = loop {
        match file.read(&mut buffer).await {
            Ok(0) => return incoming.finish().await.map(|written| Some(Served::Whole(written))),
            Ok(n) => {
                if let Err(error) = incoming.write(Bytes::copy_from_slice(&buffer[..n])).await {
                    break error;
                }
            }
            Err(error) => break unreadable(error),
        }
    };
    incoming.abort().await;
    Err(failure)
}

/// Asks the download address, and once more past all caches when the checksum is wrong.
async fn from_url(
    agent: &Agent,
    blobs: &Blobs,
    wanted: &Wanted,
    address: &Address,
    limits: &DownloadLimits,
    ignored_local: Vec<IgnoredLocal>,
) -> Result<Outcome, DownloadError> {
    // The checksum is of the bytes as sent, even where a server takes the archive's own gzip for the transport's.
    let headers = vec![("accept-encoding", "identity".to_owned())];
    let mut get = Get { headers, max_bytes: limits.compressed_size, ..Get::new(address.url(wanted)?) };
    let mut served = request(agent, blobs, &get).await?;
    if let Served::Whole(written) = served {
        if written.digest == wanted.checksum {
            served = Served::Whole(written);
        } else {
            written.discard().await?;
            get.headers.push(("cache-control", "no-cache".to_owned()));
            served = request(agent, blobs, &get).await?;
        }
    }
    match served {
        Served::Gone(status) => Ok(Outcome::Gone { status, ignored_local }),
        Served::TooLarge => Ok(Outcome::TooLarge { limit: limits.compressed_size, ignored_local }),
        Served::Whole(written) => {
            let (found, size, origin) = (written.digest, written.size, Origin::Url);
            written.keep().await?;
            if found == wanted.checksum {
                return Ok(Outcome::Stored { size, origin, ignored_local });
            }
            Ok(Outcome::Mismatch { found, size, origin, ignored_local })
        }
    }
}

/// One request, repeated while its body breaks off.
async fn request(agent: &Agent, blobs: &Blobs, get: &Get) -> Result<Served, DownloadError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match request_once(agent, blobs, get).await {
            Err(DownloadError::Net(NetError::Interrupted { .. })) if tries < BODY_TRIES => {}
            Err(DownloadError::Net(NetError::TooLarge { .. })) => return Ok(Served::TooLarge),
            served => return served,
        }
    }
}

async fn request_once(agent: &Agent, blobs: &Blobs, get: &Get) -> Result<Served, DownloadError> {
    let mut answer = agent.get(get.clone()).await?;
    match answer.status {
        200 => {}
        status @ (403 | 404 | 410 | 451) => return Ok(Served::Gone(status)),
        status => return Err(DownloadError::Status { url: get.url.to_string(), status }),
    }
    let mut incoming = blobs.begin().await?;
    let failure = loop {
        match next(&mut answer).await {
            Ok(None) => return incoming.finish().await.map(Served::Whole),
            Ok(Some(chunk)) => {
                if let Err(error) = incoming.write(chunk).await {
                    break error;
                }
            }
            Err(error) => break error,
        }
    };
    incoming.abort().await;
    Err(failure)
}

async fn next(answer: &mut Answer) -> Result<Option<Bytes>, DownloadError> {
    Ok(answer.chunk().await?)
}
