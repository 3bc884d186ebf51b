//! verify from outside, on repositories and archives built in the test: what is honest is verified, what lies is not.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod adversarial;
mod cached;
mod formats;
mod history;
mod lab;
mod network;
mod unseen;
