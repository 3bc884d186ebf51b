//! Progress on stderr: a bar on a terminal, a plain line now and then elsewhere, nothing when asked to be quiet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use queue::Progress;

use crate::text::{complain, shown, stderr_is_terminal};

/// A bar for a person at a terminal.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: Mutex<Option<ProgressBar>>,
}

/// Plain lines for logs: one at the beginning and one at every tenth.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    phase: Mutex<String>,
    total: AtomicU64,
    done: AtomicU64,
}

/// The right one for where stderr goes.
pub(crate) fn for_stderr(quiet: bool) -> std::sync::Arc<dyn Progress> {
    if quiet {
        std::sync::Arc::new(queue::Quiet)
    } else if stderr_is_terminal() {
        std::sync::Arc::new(Bar { bar: Mutex::default() })
    } else {
        std::sync::Arc::new(Lines::default())
    }
}

impl Progress for Bar {
    fn begin(&self, phase: &str, total: Option<u64>) {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        // Both templates are constants that a test renders.
        let style = ProgressStyle::with_template("{prefix:>20.cyan.bold} [{bar:27}] {pos}/{len} {msg:.dim}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(phase.to_owned());
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    fn advance(&self, n: u64, what: &str) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            if bar.position() + n > bar.length().unwrap_or_default() {
                bar.set_length(bar.position() + n);
            }
            bar.inc(n);
            bar.set_message(shown(what));
        }
    }

    fn grow(&self, total: u64) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            bar.set_length(total);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    fn note(&self, message: &str) {
        match self.bar.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(bar) => bar.println(shown(message)),
            None => complain(&shown(message)),
        }
    }
}

impl Progress for Lines {
    fn begin(&self, phase: &str, total: Option<u64>) {
        phase.clone_into(&mut self.phase.lock().unwrap_or_else(PoisonError::into_inner));
        self.total.store(total.unwrap_or_default(), Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        match total {
            Some(0) => {}
            Some(total) => complain(&format!("{phase}: {total} to do")),
            None => complain(phase),
        }
    }

    fn advance(&self, n: u64, _what: &str) {
        let before = self.done.fetch_add(n, Ordering::Relaxed);
        let (total, done) = (self.total.load(Ordering::Relaxed), before + n);
        let tenth = (total / 10).max(1);
        if total >= 100 && done / tenth > before / tenth && done <= total {
            let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
            complain(&format!("{phase}: {done} of {total}"));
        }
    }

    fn grow(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    fn end(&self) {}

    fn note(&self, message: &str) {
        complain(&shown(message));
    }
}
