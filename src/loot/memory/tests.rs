//! What the memory promises, and the counter in it.

use super::*;

fn memory(size: u32, ahead: Option<u32>) -> Memory {
    let kept = Kept { seed: Seed([1; 32]), size, drawn: 0, told: 0, closed: false, named: HashMap::new() };
    Memory::new(kept, ahead)
}

fn batch(drawn: u32, closed: bool) -> Batch {
    Batch { drawn, reserved: drawn, closed, ..Batch::default() }
}

// The counter's tests stand here, as its file is compiled with other locks as well.
#[test]
fn draws_follow_each_other_up_to_the_end() {
    let counter = Counter::new(10, 0, false);
    assert_eq!(counter.draw(1), Ok(0..1));
    assert_eq!(counter.draw(6), Ok(1..7));
    assert_eq!(counter.draw(4), Ok(7..10), "three were left");
    assert_eq!(counter.draw(1), Err(Refusal::Exhausted));
    assert_eq!(counter.standing(), (10, false));
    assert_eq!(Counter::new(u32::MAX, u32::MAX - 1, false).draw(u32::MAX), Ok(u32::MAX - 1..u32::MAX));
}

#[test]
fn nothing_is_drawn_of_a_closed_box() {
    let counter = Counter::new(10, 3, false);
    counter.close();
    assert_eq!(counter.draw(1), Err(Refusal::Closed));
    assert_eq!(counter.standing(), (3, true));
    assert_eq!(Counter::new(10, 10, true).draw(1), Err(Refusal::Closed));
}

#[test]
fn nothing_is_told_before_the_ledger_has_it() {
    let memory = memory(10, Some(0));
    let draw = memory.draw(4).unwrap();
    assert!(!memory.may_tell(draw.end, false));
    assert_eq!((memory.drawn(), memory.left()), (0, 10), "a crash would take it back");
    let gathered = memory.gather(false);
    assert_eq!(gathered, batch(4, false));
    memory.draw(1).unwrap();
    memory.publish(&gathered);
    assert!(memory.may_tell(4, false) && !memory.may_tell(5, false));
    assert_eq!((memory.drawn(), memory.left(), memory.unheard()), (4, 6, 4));
    memory.tell(4);
    assert_eq!((memory.unheard(), memory.gather(false).told), (0, 4));
}

#[test]
fn a_ledger_that_is_ahead_is_not_waited_for() {
    let (memory, id) = (memory(100, Some(10)), Id::new("a").unwrap());
    assert!(!memory.may_tell(memory.draw(1).unwrap().end, false), "it isn't yet");
    memory.publish(&memory.gather(false));
    assert!(memory.may_tell(11, false) && !memory.may_tell(12, false));
    assert!(!memory.runs_low(6) && memory.runs_low(7));
    assert_eq!((memory.drawn(), memory.left()), (1, 99), "what it is ahead by isn't drawn");
    let named = memory.draw_named(&id, 2).unwrap();
    assert!(!memory.may_tell(named.end, true), "that has to be written itself");
    memory.publish(&memory.gather(false));
    assert!(memory.may_tell(named.end, true) && memory.may_tell(13, false));
}

#[test]
fn a_ledger_that_is_not_to_be_ahead_any_more_is_waited_for_at_once() {
    let memory = memory(100, Some(10));
    memory.draw(1).unwrap();
    memory.publish(&memory.gather(false));
    memory.draw(2).unwrap();
    let exact = memory.gather(true);
    assert_eq!((exact.drawn, exact.reserved), (3, 3));
    assert!(memory.may_tell(3, false) && !memory.may_tell(4, false), "before it is written");
    assert_eq!(memory.drawn(), 3);
    memory.draw(1).unwrap();
    memory.publish(&exact);
    assert!(!memory.may_tell(4, false));
    assert_eq!((memory.drawn(), memory.gather(false).reserved), (3, 14));
    memory.close();
    assert_eq!(memory.gather(false).reserved, 4, "nothing more is drawn");
}

#[test]
fn a_ledger_is_not_ahead_of_the_end() {
    let memory = memory(5, Some(10));
    memory.draw(1).unwrap();
    memory.publish(&memory.gather(false));
    assert!(memory.may_tell(5, false) && !memory.runs_low(5) && !memory.is_over());
    memory.draw(4).unwrap();
    assert!(memory.is_over(), "a crash leaves nothing to draw");
}

#[test]
fn without_a_ledger_everything_may_be_told() {
    let memory = memory(10, None);
    assert!(memory.may_tell(memory.draw(4).unwrap().end, false) && memory.may_tell(4, true));
    assert_eq!((memory.drawn(), memory.left()), (4, 6));
    memory.close();
    assert!(memory.is_closed() && memory.reveal().is_some());
}

#[test]
fn an_id_draws_once() {
    let (memory, id, other) = (memory(10, Some(0)), Id::new("a").unwrap(), Id::new("b").unwrap());
    assert_eq!(memory.draw_named(&id, 4), Ok(0..4));
    assert_eq!(memory.draw_named(&id, 4), Ok(0..4));
    assert_eq!(memory.draw_named(&id, 5), Err(Refused::OtherNumber(4)));
    assert_eq!(memory.draw_named(&other, 9), Ok(4..10));
    assert_eq!(memory.draw_named(&Id::new("c").unwrap(), 1), Err(Refused::Over(Refusal::Exhausted)));
    let batch = memory.gather(false);
    assert_eq!(
        batch.named.iter().map(|(id, named)| (id.name(), named.draw.clone())).collect::<Vec<_>>(),
        [("a", 0..4), ("b", 4..10)]
    );
    assert!(memory.gather(false).named.is_empty(), "once");
    memory.tell_named(&id);
    memory.tell_named(&id);
    let batch = memory.gather(false);
    assert_eq!((batch.told, batch.heard), (4, vec![id]), "however often it was told");
}

#[test]
fn the_secret_is_kept_until_the_end_is_in_the_ledger() {
    let exhausted = memory(4, Some(0));
    exhausted.draw(4).unwrap();
    assert!(exhausted.reveal().is_none());
    exhausted.publish(&batch(4, false));
    assert!(exhausted.reveal().is_some());
    let closed = memory(4, Some(0));
    closed.close();
    assert_eq!(closed.draw(1), Err(Refused::Over(Refusal::Closed)));
    assert!(closed.reveal().is_none() && !closed.is_closed());
    closed.publish(&batch(0, true));
    assert!(closed.reveal().is_some() && closed.is_closed());
}

#[test]
fn without_room_nothing_is_drawn() {
    let (memory, id) = (memory(10, Some(0)), Id::new("a").unwrap());
    memory.draw_named(&id, 1).unwrap();
    memory.refuse();
    assert_eq!(memory.draw(1), Err(Refused::NoRoom));
    assert_eq!(memory.draw_named(&Id::new("b").unwrap(), 1), Err(Refused::NoRoom));
    assert_eq!(memory.draw_named(&id, 1), Err(Refused::NoRoom), "that isn't written yet");
    memory.publish(&batch(1, false));
    memory.refuse();
    assert_eq!(memory.draw_named(&id, 1), Ok(0..1), "that is");
    memory.publish(&batch(1, false));
    assert_eq!(memory.draw(1), Ok(1..2));
}

#[test]
fn what_could_not_be_written_is_written_with_what_comes_later() {
    let id = Id::new("a").unwrap();
    let named = Named { draw: 0..1, wanted: 1, told: false };
    let mut batch = Batch { drawn: 1, named: vec![(id.clone(), named)], ..Batch::default() };
    batch.absorb(Batch { drawn: 5, reserved: 7, told: 1, closed: true, named: Vec::new(), heard: vec![id.clone()] });
    assert_eq!((batch.drawn, batch.reserved, batch.told, batch.closed, batch.named.len()), (5, 7, 1, true, 1));
    assert_eq!(batch.heard, [id]);
}
