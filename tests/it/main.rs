//! The whole thing from outside: the rules of the house, and the stories that run the real binary.

// `cfg(test)` says what is true of this whole target, and lets clippy see that helpers are tests, too.
#[cfg(test)]
mod actions;
#[cfg(test)]
mod advisory_history;
#[cfg(test)]
mod advisory_states;
#[cfg(test)]
mod arrayref;
#[cfg(test)]
mod attest;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bucket;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod conformance;
mod conformance_edits;
#[cfg(test)]
mod conformance_pages;
#[cfg(test)]
mod conformance_staff;
#[cfg(test)]
mod conformance_surveys;
#[cfg(test)]
mod console;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod export;
#[cfg(test)]
mod exposed;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod followers;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod judging;
#[cfg(test)]
mod live_graph;
#[cfg(test)]
mod many;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod rewritten;
#[cfg(test)]
mod running;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod story;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod webhooks;
