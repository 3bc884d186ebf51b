//! What is due and who does it: marks become jobs, jobs call the steps, results and next marks are stored together.
#![doc = include_str!("../README.md")]

mod blocking;
mod database;
mod delivery;
mod engine;
mod error;
mod following;
mod job;
mod judging;
mod progress;
mod reading;
mod retries;
mod steps;

pub use database::{DatabaseLoaded, load_database};
pub use engine::{Engine, EngineOptions, Sources};
pub use error::QueueError;
pub use following::{FollowOptions, FollowReport, Follower};
pub use progress::{Progress, Quiet};
pub use reading::{IndexReader, KrateOutcome, ReadReport};
pub use retries::Retries;
