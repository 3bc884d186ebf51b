//! Work on many things at once, on as many threads as there are cores, the answers in the order of the questions.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Below this many a second thread costs more than it brings.
const WORTH_IT: usize = 64;

/// So many questions a thread takes at once: few, because a crate has one line or a thousand and nobody should wait for the
/// thread that has the large ones.
const TAKEN_AT_ONCE: usize = 32;

/// How many threads are worth having.
pub(crate) fn n_cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Answers every question, on one thread for each handle; there must be one. A handle is what a thread needs for its share.
///
/// # Errors
/// The first that `answer` gives, in the order of the questions; a panic goes on in the caller.
pub(crate) fn on_every_core<Q: Sync, H: Send, A: Send, E: Send>(
    questions: &[Q],
    handles: &mut [H],
    answer: impl Fn(&mut H, &Q) -> Result<A, E> + Sync,
) -> Result<Vec<A>, E> {
    let answer_some = |handle: &mut H, some: &[Q]| {
        some.iter().map(|question| answer(handle, question)).collect::<Result<Vec<_>, E>>()
    };
    let n_threads = handles.len().min(questions.len() / WORTH_IT).max(1);
    let shares: Vec<&[Q]> = questions.chunks(TAKEN_AT_ONCE).collect();
    let next = AtomicUsize::new(0);
    let work = |handle: &mut H| {
        let taken = std::iter::from_fn(|| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            shares.get(at).map(|share| (at, *share))
        });
        taken.map(|(at, share)| (at, answer_some(handle, share))).collect::<Vec<_>>()
    };
    let work = &work;
    let mut answered: Vec<(usize, Result<Vec<A>, E>)> = match handles.get_mut(..n_threads) {
        Some([one]) => work(one),
        some => thread::scope(|scope| {
            let handles = some.into_iter().flatten();
            let threads: Vec<_> = handles.map(|handle| scope.spawn(move || work(handle))).collect();
            let of_threads = threads.into_iter().map(|thread| match thread.join() {
                Ok(answers) => answers,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            of_threads.flatten().collect()
        }),
    };
    answered.sort_unstable_by_key(|(at, _)| *at);
    let mut answers = Vec::with_capacity(questions.len());
    for (_, some) in answered {
        answers.append(&mut some?);
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::on_every_core;

    #[test]
    fn the_answers_come_in_order_and_the_first_failure_counts() {
        let questions: Vec<usize> = (0..1000).collect();
        let doubled = on_every_core(&questions, &mut [2, 2], |factor, question| Ok::<_, usize>(*factor * question));
        assert_eq!(doubled.unwrap(), questions.iter().map(|question| 2 * question).collect::<Vec<_>>());
        let failed = on_every_core(
            &questions,
            &mut [(); 3],
            |(), question| if *question < 300 { Ok(()) } else { Err(*question) },
        );
        assert_eq!(failed, Err(300));
    }
}
