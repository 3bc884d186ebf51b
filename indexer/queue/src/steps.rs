//! The handlers, one per step: load, call the step, store the result with the next mark.

mod download;
mod inspect;
mod match_advisories;
mod publish;
mod verify;

pub(crate) use download::download;
pub(crate) use inspect::inspect;
pub(crate) use match_advisories::match_advisories;
pub(crate) use publish::publish;
pub(crate) use verify::{Turns, by_repository, summary, verify};
