//! Name resolution that drops what the policy refuses, so that no connection is ever made to it; no cache of its own.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::Addresses;

/// The system's resolver, filtered.
pub(crate) struct CheckedResolver(pub(crate) Addresses);

/// A name all of whose addresses are refused; found again in the client's error by its type.
#[derive(Debug, thiserror::Error)]
#[error("{host} resolves to {address}, which is not a public address")]
pub(crate) struct RefusedName {
    pub(crate) host: String,
    pub(crate) address: IpAddr,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let host = name.as_str();
            let (allowed, refused): (Vec<SocketAddr>, Vec<SocketAddr>) =
                tokio::net::lookup_host((host, 0)).await?.partition(|address| policy.allows(address.ip()));
            if let (true, Some(address)) = (allowed.is_empty(), refused.first()) {
                return Err(RefusedName { host: host.to_owned(), address: address.ip() }.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
