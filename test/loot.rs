//! Draws from one box: every promise of `loot`, over real sockets.

mod bare;
mod bounds;
mod command_line;
mod disk;
mod endings;
mod hosts;
mod ledger;
mod lost;
mod together;
mod tools;
mod verified;
mod wire;
mod wrong;

/// All of 1 … `size`, each once, in whatever order.
#[track_caller]
fn is_whole_box(mut numbers: Vec<u32>, size: u32) {
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=size), "{} numbers aren't 1 … {size}", numbers.len());
}

/// None of them twice.
#[track_caller]
fn are_distinct(numbers: &[u32]) {
    let set: std::collections::HashSet<_> = numbers.iter().collect();
    assert_eq!(set.len(), numbers.len(), "a number was drawn twice");
}
