//! Requirement resolution, dependents and closures over the whole registry, in memory. Pure: no IO, no advisories.
#![doc = include_str!("../README.md")]

mod closure;
mod dependents;
mod names;
mod registry;
mod requirements;
mod rows;
mod survey;

pub use closure::{Closure, Hit, ResolvedGraph};
pub use dependents::{Dependent, DependentState};
pub use registry::{Graph, KnownRelease};
pub use rows::{Edge, ReleaseNode};
pub use survey::{Survey, Tally};
