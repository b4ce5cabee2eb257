//! What clients have asked and heard, and whether one counter can have said that: the check of linearizability.
//!
//! The object is a counter from which runs are taken. A history of it is linearizable if the runs don't overlap, and a run that
//! was heard before another was asked for lies before it: then the order of the runs is an order of points, each between its
//! request and its answer (Herlihy and Wing, ACM TOPLAS 12(3), 1990).

use std::ops::Range;
use std::time::Instant;

/// One draw as its client has seen it.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// When it was first asked for.
    pub asked: Instant,
    /// When its answer was heard.
    pub heard: Instant,
    /// The indices of its numbers in the list.
    pub run: Range<u32>,
}

/// The indices as a run, which a draw's are.
///
/// # Errors
/// Where they aren't.
pub fn run_of(indices: &[u32]) -> Result<Range<u32>, String> {
    let Some(first) = indices.first() else { return Err("a draw of nothing".to_owned()) };
    let run = *first..first + u32::try_from(indices.len()).expect("a box has fewer");
    if run.clone().eq(indices.iter().copied()) { Ok(run) } else { Err(format!("no run: {indices:?}")) }
}

/// Checks a history.
///
/// # Errors
/// What no counter can have said.
pub fn check(mut history: Vec<Drawn>) -> Result<(), String> {
    history.sort_by_key(|drawn| (drawn.run.start, drawn.run.end));
    if let Some(pair) = history.windows(2).find(|pair| pair[0].run.end > pair[1].run.start) {
        return Err(format!("drawn twice: {:?} and {:?}", pair[0], pair[1]));
    }
    // From the last run back: the earliest answer of all that lie behind.
    let mut earliest: Option<&Drawn> = None;
    for drawn in history.iter().rev() {
        if let Some(later) = earliest.filter(|later| later.heard < drawn.asked) {
            return Err(format!("{later:?} was heard before {drawn:?} was asked for, and lies behind it"));
        }
        earliest = earliest.filter(|later| later.heard <= drawn.heard).or(Some(drawn));
    }
    Ok(())
}

/// How many indices of the first `drawn` are in no answer.
pub fn missing(history: &[Drawn], drawn: u32) -> u32 {
    drawn - history.iter().map(|drawn| drawn.run.end - drawn.run.start).sum::<u32>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Draws given by when they were asked for and heard, and their run.
    fn checked(draws: &[(u64, u64, Range<u32>)]) -> Result<(), String> {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let drawn = |(asked, heard, run): &(u64, u64, Range<u32>)| Drawn {
            asked: at(*asked),
            heard: at(*heard),
            run: run.clone(),
        };
        check(draws.iter().map(drawn).collect())
    }

    #[test]
    fn draws_at_the_same_time_may_come_in_either_order() {
        assert_eq!(checked(&[(0, 10, 0..4), (5, 15, 4..6)]), Ok(()));
        assert_eq!(checked(&[(0, 10, 2..6), (5, 15, 0..2)]), Ok(()));
        assert_eq!(checked(&[(0, 10, 0..4), (11, 15, 4..6), (12, 20, 6..7)]), Ok(()));
        assert_eq!(checked(&[(0, 10, 0..1), (11, 15, 5..6)]), Ok(()), "what lies between was never heard");
    }

    #[test]
    fn what_no_counter_says_is_found() {
        assert!(checked(&[(0, 10, 0..4), (5, 15, 3..6)]).unwrap_err().contains("twice"));
        assert!(checked(&[(0, 10, 0..4), (5, 15, 0..4)]).unwrap_err().contains("twice"));
        assert!(checked(&[(0, 10, 4..6), (11, 15, 0..4)]).unwrap_err().contains("behind"));
        assert!(checked(&[(0, 10, 9..10), (0, 30, 5..6), (11, 15, 0..1)]).unwrap_err().contains("behind"));
    }

    #[test]
    fn a_draw_is_one_run() {
        assert_eq!(run_of(&[3, 4, 5]), Ok(3..6));
        assert!(run_of(&[3, 5, 4]).is_err() && run_of(&[3, 5]).is_err() && run_of(&[]).is_err());
    }
}
