//! The one place where blocking work (tar, hashes, git) leaves the asynchronous threads.

use crate::QueueError;

/// Runs blocking work on tokio's threads for it; a panic in it is an error with the panic's words.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, QueueError> {
    #[expect(clippy::disallowed_methods, reason = "this is the named helper that everything else uses")]
    let task = tokio::task::spawn_blocking(work);
    task.await.map_err(|failure| {
        let reason = match failure.try_into_panic() {
            Ok(panic) => panic_words(panic.as_ref()),
            Err(_) => "it was cancelled".to_owned(),
        };
        QueueError::Panicked { what, reason }
    })
}

/// The words a panic was raised with, when it was raised with words.
pub(crate) fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned())
}
