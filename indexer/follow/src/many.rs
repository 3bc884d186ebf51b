//! Work on many things at once, on as many threads as there are cores, the answers in the order of the questions.

use std::num::NonZero;
use std::thread;

/// Below this many a second thread costs more than it brings.
const WORTH_IT: usize = 64;

/// Answers every question. `begin` makes what one thread needs for its share, a handle of its own, say.
///
/// # Errors
/// The first that `begin` or `answer` gives, in the order of the questions; a panic in one of them goes on in the caller.
pub(crate) fn on_every_core<Q: Sync, H, A: Send, E: Send>(
    questions: &[Q],
    begin: impl Fn() -> Result<H, E> + Sync,
    answer: impl Fn(&mut H, &Q) -> Result<A, E> + Sync,
) -> Result<Vec<A>, E> {
    let share = |questions: &[Q]| {
        let mut handle = begin()?;
        questions.iter().map(|question| answer(&mut handle, question)).collect::<Result<Vec<_>, E>>()
    };
    let n_threads = thread::available_parallelism().map_or(1, NonZero::get).min(questions.len() / WORTH_IT);
    if n_threads < 2 {
        return share(questions);
    }
    thread::scope(|scope| {
        let shares = questions.chunks(questions.len().div_ceil(n_threads));
        let threads: Vec<_> = shares.map(|some| scope.spawn(|| share(some))).collect();
        let mut answers = Vec::with_capacity(questions.len());
        for thread in threads {
            match thread.join() {
                Ok(of_share) => answers.extend(of_share?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(answers)
    })
}

#[cfg(test)]
mod tests {
    use super::on_every_core;

    #[test]
    fn the_answers_come_in_order_and_the_first_failure_counts() {
        let questions: Vec<usize> = (0..1000).collect();
        let doubled = on_every_core(&questions, || Ok::<_, usize>(2), |factor, question| Ok(*factor * question));
        assert_eq!(doubled.unwrap(), questions.iter().map(|question| 2 * question).collect::<Vec<_>>());
        let failed =
            on_every_core(&questions, || Ok(()), |(), question| if *question < 300 { Ok(()) } else { Err(*question) });
        assert_eq!(failed, Err(300));
    }
}
