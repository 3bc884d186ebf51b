//! Who is to be named where facts of an advisory are shown: some are under a licence that asks for it.

use schema::{AdvisoryFacts, Licence};

use crate::text::shown;

/// `RUSTSEC-…: facts under CC-BY-4.0, from …`; nothing where the licence asks for nothing.
pub(super) fn attribution(facts: &AdvisoryFacts) -> Option<String> {
    let asks = facts.licence != Licence::Cc0;
    let source = facts.url.as_deref().unwrap_or("the database");
    asks.then(|| format!("{}: facts under {}, from {}", shown(&facts.id.0), facts.licence, shown(source)))
}
