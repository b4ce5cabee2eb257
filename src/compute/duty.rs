//! What a compute does next: what manage says, what the work has come to, and the end go in; actions come out. Pure.

use crate::common::error::printable;
use crate::common::limits::IDLE_BEATS_MAX;
use crate::common::message::{Alive, Code, Found, Message, Range, Request, Speed, Welcome};
use crate::divisors::Method;

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The connection stands, for the first time or again.
    Up(Welcome),
    /// The connection is gone.
    Down,
    /// Manage has said something.
    Said(Message),
    /// A sign of life is due; so many candidates of the range are tested.
    Heartbeat(u64),
    /// The timing loop has ended.
    Timed(Speed),
    /// The range is tested, or as much of it as was to be handed in.
    Finished(Found),
    /// This process is told to end; what is tested of the range, if anything.
    Ending(Option<Found>),
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Say this to manage.
    Send(Message),
    /// Run the timing loop, for this method, at this candidate.
    Time(Method, u64),
    /// Test this range, by this method.
    Test(Method, Range),
    /// Hand in what is tested of the range and stop; if nothing is, go on.
    HandIn,
    /// Stop working: nobody wants it any more.
    Abandon,
    /// Close the connection and exit.
    Leave,
    /// Tell the log.
    Log(String),
}

/// What is being computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Nothing,
    Timing,
    Range(u64),
}

/// What a compute knows of its own state.
#[derive(Debug)]
pub struct Duty {
    up: bool,
    ending: bool,
    method: Option<Method>,
    speed: Option<Speed>,
    task: Task,
    /// Signs of life since the last request that none has brought a range.
    idle_beats: u32,
    /// A result that manage hasn't answered yet. It outlives any number of connections.
    held: Option<Found>,
    actions: Vec<Action>,
}

impl Default for Duty {
    fn default() -> Self {
        Self {
            up: false,
            ending: false,
            method: None,
            speed: None,
            task: Task::Nothing,
            idle_beats: 0,
            held: None,
            actions: Vec::new(),
        }
    }
}

impl Duty {
    /// Takes in what happened; says what is to be done.
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Up(welcome) => self.up(&welcome),
            Event::Down => self.down(),
            Event::Said(message) => self.said(message),
            Event::Heartbeat(tested) => self.heartbeat(tested),
            Event::Timed(speed) => self.timed(speed),
            Event::Finished(found) => self.finished(found),
            Event::Ending(found) => self.end(found),
        }
        std::mem::take(&mut self.actions)
    }

    /// What is owed comes first: the result that is held, then the claim to the range that is worked on.
    fn up(&mut self, welcome: &Welcome) {
        self.up = true;
        if self.method.replace(welcome.method).is_some_and(|method| method != welcome.method) {
            self.start_over();
        }
        let Some(speed) = self.speed.clone() else {
            if self.task == Task::Nothing && !self.ending {
                self.task = Task::Timing;
                self.actions.push(Action::Time(welcome.method, welcome.at));
            }
            return;
        };
        self.send(speed);
        if let Some(found) = self.held.clone() {
            self.send(found);
        }
        match self.task {
            Task::Range(_) => self.heartbeat(0),
            Task::Nothing if !self.ending => self.send(Request {}),
            _ => {}
        }
    }

    /// Another search: what belongs to the one before has no place in it.
    fn start_over(&mut self) {
        (self.speed, self.held, self.task) = (None, None, Task::Nothing);
        self.actions.push(Action::Abandon);
        self.log("manage searches by another method now: starting over");
    }

    /// Work goes on while manage is away. Only who ends and can't hand in any more leaves.
    fn down(&mut self) {
        self.up = false;
        if self.ending {
            self.actions.push(Action::Leave);
        }
    }

    fn said(&mut self, message: Message) {
        match message {
            Message::Range(range) if !self.ending => self.test(range),
            Message::Recall(recall) if self.task == Task::Range(recall.lease) => self.actions.push(Action::HandIn),
            Message::Accepted(accepted) => self.settle(accepted.lease),
            // A result that is sent again while it is being proved: its answer is still to come.
            Message::Refused(refused) if refused.code == Code::OutOfTurn => {}
            Message::Refused(refused) => {
                self.log(&format!("lease {} refused: {}: {}", refused.lease, refused.code, printable(&refused.text)));
                if self.task == Task::Range(refused.lease) {
                    self.task = Task::Nothing;
                    self.actions.push(Action::Abandon);
                    self.send(Request {});
                }
                self.settle(refused.lease);
            }
            _ => {}
        }
    }

    fn test(&mut self, range: Range) {
        let Some(method) = self.method else { return };
        self.task = Task::Range(range.lease);
        self.actions.push(Action::Test(method, range));
    }

    /// Manage has answered the result of a lease: it is no longer owed.
    fn settle(&mut self, lease: u64) {
        if self.held.as_ref().is_some_and(|found| found.lease == lease) {
            self.held = None;
        }
        if self.ending && self.held.is_none() {
            self.actions.push(Action::Leave);
        }
    }

    fn heartbeat(&mut self, tested: u64) {
        let alive = match self.task {
            Task::Range(lease) => Alive { lease: Some(lease), tested: Some(tested) },
            _ => Alive { lease: None, tested: None },
        };
        self.send(alive);
        self.ask_again();
    }

    /// Asks for work again where none has come for long: a manage that has lost its way with this compute finds it back.
    fn ask_again(&mut self) {
        let idle = self.task == Task::Nothing && self.speed.is_some() && !self.ending;
        self.idle_beats = if idle { self.idle_beats + 1 } else { 0 };
        if self.idle_beats >= IDLE_BEATS_MAX {
            self.idle_beats = 0;
            self.send(Request {});
        }
    }

    fn timed(&mut self, speed: Speed) {
        self.task = Task::Nothing;
        self.speed = Some(speed.clone());
        if self.up {
            self.send(speed);
            self.send(Request {});
        }
    }

    fn finished(&mut self, found: Found) {
        self.task = Task::Nothing;
        self.held = Some(found.clone());
        if self.up {
            self.send(found);
            self.send(Request {});
        }
    }

    /// Hands in what is tested and leaves when manage has taken it; at once if there is nothing, or nobody.
    fn end(&mut self, found: Option<Found>) {
        self.ending = true;
        self.task = Task::Nothing;
        if let Some(found) = found {
            self.held = Some(found.clone());
            if self.up {
                self.send(found);
            }
        }
        if self.held.is_none() || !self.up {
            self.actions.push(Action::Leave);
        }
    }

    fn send(&mut self, message: impl Into<Message>) {
        self.actions.push(Action::Send(message.into()));
    }

    fn log(&mut self, text: &str) {
        self.actions.push(Action::Log(text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::message::{Accepted, Numbers, Recall, Refused, Version};

    const SPEED: Speed = Speed { operations: 5, nanoseconds: 7 };

    fn welcome(method: Method) -> Event {
        Event::Up(Welcome { version: Version, method, at: 9 })
    }

    fn range(lease: u64) -> Range {
        Range { lease, first: 1, last: 10 }
    }

    fn found(lease: u64) -> Found {
        Found { lease, first: 1, last: 10, tested: 10, sum: 66, nanoseconds: 1, perfect: Numbers(vec![6]) }
    }

    fn say(message: impl Into<Message>) -> Action {
        Action::Send(message.into())
    }

    fn accepted(lease: u64) -> Event {
        Event::Said(Accepted { lease }.into())
    }

    /// A compute that works on lease 1.
    fn busy() -> Duty {
        let mut duty = Duty::default();
        assert_eq!(duty.handle(welcome(Method::Trial)), [Action::Time(Method::Trial, 9)]);
        assert_eq!(duty.handle(Event::Timed(SPEED)), [say(SPEED), say(Request {})]);
        let test = duty.handle(Event::Said(range(1).into()));
        assert_eq!(test, [Action::Test(Method::Trial, range(1))]);
        duty
    }

    #[test]
    fn ranges_follow_each_other() {
        let mut duty = busy();
        let alive = Alive { lease: Some(1), tested: Some(4) };
        assert_eq!(duty.handle(Event::Heartbeat(4)), [say(alive)]);
        assert_eq!(duty.handle(Event::Finished(found(1))), [say(found(1)), say(Request {})]);
        assert_eq!(duty.handle(accepted(1)), []);
        assert_eq!(duty.handle(Event::Said(range(2).into())), [Action::Test(Method::Trial, range(2))]);
    }

    #[test]
    fn work_goes_on_while_manage_is_away_and_is_handed_in_when_it_is_back() {
        let mut duty = busy();
        assert_eq!(duty.handle(Event::Down), []);
        assert_eq!(duty.handle(Event::Finished(found(1))), []);
        let owed = [say(SPEED), say(found(1)), say(Request {})];
        assert_eq!(duty.handle(welcome(Method::Trial)), owed);
        // Lost before it was answered: it is still owed.
        duty.handle(Event::Down);
        assert_eq!(duty.handle(welcome(Method::Trial)), owed);
        duty.handle(accepted(1));
        duty.handle(Event::Down);
        assert_eq!(duty.handle(welcome(Method::Trial)), [say(SPEED), say(Request {})]);
    }

    #[test]
    fn a_result_that_is_being_proved_is_still_held() {
        let mut duty = busy();
        duty.handle(Event::Finished(found(1)));
        let refused = Refused { lease: 1, code: Code::OutOfTurn, text: String::new() };
        assert_eq!(duty.handle(Event::Said(refused.into())), []);
        duty.handle(Event::Down);
        assert_eq!(duty.handle(welcome(Method::Trial)), [say(SPEED), say(found(1)), say(Request {})]);
    }

    #[test]
    fn an_unfinished_range_is_claimed_again() {
        let mut duty = busy();
        duty.handle(Event::Down);
        let claim = Alive { lease: Some(1), tested: Some(0) };
        assert_eq!(duty.handle(welcome(Method::Trial)), [say(SPEED), say(claim)]);
        let refused = Refused { lease: 1, code: Code::NotLeased, text: String::new() };
        let actions = duty.handle(Event::Said(refused.into()));
        assert_eq!(actions[1..], [Action::Abandon, say(Request {})]);
    }

    #[test]
    fn what_is_recalled_is_handed_in_if_it_is_worked_on() {
        let mut duty = busy();
        let recall = |lease| Event::Said(Recall { lease }.into());
        assert_eq!(duty.handle(recall(2)), []);
        assert_eq!(duty.handle(recall(1)), [Action::HandIn]);
        assert_eq!(duty.handle(Event::Finished(found(1))), [say(found(1)), say(Request {})]);
        assert_eq!(duty.handle(recall(1)), [], "it is on its way");
    }

    #[test]
    fn who_idles_for_long_asks_again() {
        let mut duty = busy();
        duty.handle(Event::Finished(found(1)));
        let alive = || say(Alive { lease: None, tested: None });
        for _ in 1..IDLE_BEATS_MAX {
            assert_eq!(duty.handle(Event::Heartbeat(0)), [alive()]);
        }
        assert_eq!(duty.handle(Event::Heartbeat(0)), [alive(), say(Request {})]);
        assert_eq!(duty.handle(Event::Heartbeat(0)), [alive()]);
        duty.handle(Event::Said(range(2).into()));
        for _ in 0..2 * IDLE_BEATS_MAX {
            assert!(!duty.handle(Event::Heartbeat(1)).contains(&say(Request {})));
        }
    }

    #[test]
    fn another_method_is_another_search() {
        let mut duty = busy();
        duty.handle(Event::Down);
        let actions = duty.handle(welcome(Method::Sieve));
        assert!(
            matches!(actions[..], [Action::Abandon, Action::Log(_), Action::Time(Method::Sieve, 9)]),
            "{actions:?}"
        );
    }

    #[test]
    fn what_is_tested_is_handed_in_before_leaving() {
        let mut duty = busy();
        assert_eq!(duty.handle(Event::Ending(Some(found(1)))), [say(found(1))]);
        assert_eq!(duty.handle(Event::Said(range(2).into())), [], "no more work");
        assert_eq!(duty.handle(accepted(1)), [Action::Leave]);
    }

    #[test]
    fn who_has_nothing_or_nobody_to_hand_in_leaves_at_once() {
        assert_eq!(busy().handle(Event::Ending(None)), [Action::Leave]);
        assert_eq!(Duty::default().handle(Event::Ending(None)), [Action::Leave]);
        let mut duty = busy();
        duty.handle(Event::Down);
        assert_eq!(duty.handle(Event::Ending(Some(found(1)))), [Action::Leave]);
        let mut duty = busy();
        duty.handle(Event::Ending(Some(found(1))));
        assert_eq!(duty.handle(Event::Down), [Action::Leave]);
    }
}
