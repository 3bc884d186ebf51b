//! The room from outside: hand-made cases for every trap, real git histories, and an evaluator of its own as a second opinion.
#![cfg(test)]

mod boundaries;
mod follow;
mod interval;
mod loading;
mod real;
mod snapshot;
mod support;
mod traps;
mod way_out;
