//! How a person watching hears of the work; the terminal is `cli`'s.

/// Told what happens, as it happens. Called from many threads.
pub trait Progress: Send + Sync {
    /// A phase begins: `total` pieces of work, when that is known.
    fn begin(&self, phase: &str, total: Option<u64>);
    /// Some pieces of the phase are done; `what` is the last of them.
    fn advance(&self, n: u64, what: &str);
    /// The total is known better now.
    fn grow(&self, total: u64);
    /// The phase is over.
    fn end(&self);
    /// Something a person should know at once.
    fn note(&self, message: &str);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _phase: &str, _total: Option<u64>) {}
    fn advance(&self, _n: u64, _what: &str) {}
    fn grow(&self, _total: u64) {}
    fn end(&self) {}
    fn note(&self, _message: &str) {}
}
