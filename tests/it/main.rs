//! The whole thing from outside: the rules of the house, and the stories that run the real binary.

// `cfg(test)` says what is true of this whole target, and lets clippy see that helpers are tests, too.
#[cfg(test)]
mod tidy;
