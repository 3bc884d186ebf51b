//! The room from outside, on registries of a few lines.
#![cfg(test)]

mod closure;
mod dependents;
mod naive;
mod resolve;
mod support;
mod survey;
mod update;
