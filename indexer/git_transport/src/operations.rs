//! Listing and fetching: what callers do with a remote repository.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use git2::{AutotagOption, Direction, FetchOptions, Oid, Remote, RemoteCallbacks, RemoteHead, Repository};

use net::Url;

use crate::session::Session;
use crate::{GitError, GitOptions, register};

/// A ref as a repository offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRef {
    /// Its full name, e.g. `refs/tags/v1.0.0`, or `HEAD`.
    pub name: String,
    /// The object it names.
    pub oid: Oid,
    /// What an annotated tag finally names; `None` for everything else.
    pub peeled: Option<Oid>,
}

/// What a repository offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its refs, by name.
    pub refs: Vec<RemoteRef>,
    /// The address that redirects led to, when it is another than the one asked.
    pub redirected_to: Option<String>,
}

/// What a fetch brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchStats {
    /// Bytes received, the list of refs included.
    pub bytes: u64,
    /// Objects received.
    pub objects: usize,
}

/// Where a repository is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Network,
    Local,
}

/// The refs a repository offers, and where it was found. Names that are no UTF-8 are left out.
///
/// # Errors
/// When the URL is not allowed, the server is no git server, or the network or a limit ends it.
pub fn list_refs(url: &str, options: &GitOptions) -> Result<Listing, GitError> {
    register::ensure()?;
    place(url, options)?;
    let session = Session::new(options)?;
    let refs = session.run(|| {
        let mut remote = Remote::create_detached(url)?;
        let connection = remote.connect_auth(Direction::Fetch, None, None)?;
        let mut refs = BTreeMap::new();
        let mut peeled = Vec::new();
        for head in connection.list()? {
            let Some(name) = name_of(head) else { continue };
            match name.strip_suffix("^{}") {
                Some(tag) => peeled.push((tag.to_owned(), head.oid())),
                None => {
                    refs.insert(name.to_owned(), RemoteRef { name: name.to_owned(), oid: head.oid(), peeled: None });
                }
            }
        }
        for (tag, oid) in peeled {
            if let Some(tag) = refs.get_mut(&tag) {
                tag.peeled = Some(oid);
            }
        }
        Ok(refs.into_values().collect())
    })?;
    let plain = |url: Url| String::from(url).trim_end_matches('/').to_owned();
    let asked = Url::parse(url).ok().map(plain);
    let found = session.base().map(plain);
    Ok(Listing { refs, redirected_to: if found == asked { None } else { found } })
}

/// Brings the refs that `refspecs` name, and what they reach, `depth` commits deep when given. No tags on the side.
///
/// # Errors
/// As [`list_refs`]; also when a pack is broken or the disk is full.
pub fn fetch(
    repo: &Repository,
    url: &str,
    refspecs: &[&str],
    depth: Option<u32>,
    options: &GitOptions,
) -> Result<FetchStats, GitError> {
    register::ensure()?;
    let place = place(url, options)?;
    if place == Place::Local && depth.is_some() {
        let reason = "libgit2 cannot fetch shallowly from a local repository";
        return Err(GitError::Refused { url: url.to_owned(), reason });
    }
    let session = Session::new(options)?;
    session.run(|| {
        let mut remote = repo.remote_anonymous(url)?;
        let mut fetch = FetchOptions::new();
        fetch.remote_callbacks(callbacks(&session));
        fetch.download_tags(AutotagOption::None).update_fetchhead(false);
        fetch.depth(depth.map_or(0, |depth| i32::try_from(depth).unwrap_or(i32::MAX)));
        remote.fetch(refspecs, Some(&mut fetch), None)?;
        let stats = remote.stats();
        let bytes = match place {
            // libgit2 does not see what passes through a transport of ours.
            Place::Network => session.received(),
            Place::Local => stats.received_bytes() as u64,
        };
        Ok(FetchStats { bytes, objects: stats.received_objects() })
    })
}

/// Callbacks that stop a pack of too many objects, and one that takes too long to index.
fn callbacks(session: &Arc<Session>) -> RemoteCallbacks<'static> {
    let session = Arc::clone(session);
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(move |progress| {
        let options = &session.options;
        if progress.total_objects() > options.max_objects {
            session.fail(GitError::TooLarge { limit: options.max_objects as u64, unit: "objects" });
            return false;
        }
        if session.left().is_zero() {
            session.fail(GitError::TimedOut { limit: options.total_timeout });
            return false;
        }
        true
    });
    callbacks
}

/// A ref's name; `None` when it is no UTF-8. git2 panics on such a name. From the network none comes (`stream`), but a
/// local repository may have one.
fn name_of<'head>(head: &'head RemoteHead<'_>) -> Option<&'head str> {
    std::panic::catch_unwind(AssertUnwindSafe(|| head.name())).ok()
}

/// Sorts a URL, and refuses the ones that are not allowed.
fn place(url: &str, options: &GitOptions) -> Result<Place, GitError> {
    let refused = |reason| Err(GitError::Refused { url: url.to_owned(), reason });
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some("http" | "https") => Ok(Place::Network),
        Some("file") if options.allow_file => Ok(Place::Local),
        // A path may hold a colon, but not before its first slash: that would be ssh's `host:path`.
        None if options.allow_file && !url.split('/').next().unwrap_or_default().contains(':') => Ok(Place::Local),
        Some("file") | None => refused("local repositories are not allowed here"),
        Some(_) => refused("only http, https and local repositories are spoken to"),
    }
}
