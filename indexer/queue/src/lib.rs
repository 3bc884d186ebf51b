//! What is due and who does it: marks become jobs, jobs call the steps, results and next marks are stored together.
#![doc = include_str!("../README.md")]

mod blocking;
mod database;
mod delivery;
mod engine;
mod error;
mod exposed;
mod following;
mod job;
mod judging;
mod matching;
#[cfg(feature = "measure")]
pub mod measure;
mod progress;
mod reading;
mod retries;
mod running;
mod signals;
mod steps;
mod under_way;
mod webhooks;

pub use database::{DatabaseLoaded, FirstState, Restart, follow_database, load_database};
pub use delivery::{JobsAt, prepare_jobs};
pub use engine::{Engine, EngineOptions, Sources};
pub use error::QueueError;
pub use exposed::{LiveGraph, read_graph};
pub use following::{FollowOptions, FollowReport, Follower};
pub use matching::{match_releases, parsed};
pub use progress::{Progress, Quiet};
pub use reading::{IndexReader, KrateOutcome, ReadReport};
pub use retries::Retries;
pub use running::{Backfill, Chore, Names, Rereads, RunOptions, Running, WatchList, Watched};
pub use webhooks::{Deliveries, webhook_signature};
