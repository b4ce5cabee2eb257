//! What manage does with what it has decided, simulated after the model of `manage/server`: first the ledger, then the
//! rest. Where in between it crashes is for the plan to say.

use std::collections::BTreeMap;

use aliquot::common::limits::{LEDGER_RETRY_MS, LINGER_MAX_MS, ROUNDS_TURN_MAX, SILENCE_MAX_MS};
use aliquot::common::message::{Accepted, Code, Found, Instance, Message};
use aliquot::manage::coverage::Span;
use aliquot::manage::state::{Action, Event, Holder, Record};

use super::Broken;
use super::events::{ConnId, End};
use super::manage::{Desk, Manage};
use super::network::Owner;
use super::plan::Moment;
use super::simulation::World;

/// How manage crashes: where in a turn, with its host if so, and how long it is away.
pub type Doom = (Moment, bool, u64);

/// It is gone.
pub struct Gone;

impl World {
    /// First the ledger, then the rest; true if something was written.
    pub fn carry_out(&mut self, manage: &mut Manage) -> Result<bool, Gone> {
        self.disk.begin_turn();
        let commits = self.counts.commits;
        for _ in 0..ROUNDS_TURN_MAX {
            self.decide(manage);
            if manage.outbox.is_empty() {
                break;
            }
            let doom = manage.doom.take_if(|_| manage.outbox.records().next().is_some());
            let actions = self.write(manage, doom)?;
            let half = actions.len() / 2;
            for (nth, action) in actions.iter().enumerate() {
                if nth == half {
                    self.meet(manage, doom, Moment::InSend)?;
                }
                self.perform(manage, action);
            }
            if actions.is_empty() {
                break;
            }
        }
        Ok(self.counts.commits > commits)
    }

    /// Puts what the state decides where it waits for the ledger.
    fn decide(&mut self, manage: &mut Manage) {
        let mut actions = manage.state.settle();
        self.takes_for_a_reason(manage, &actions);
        match self.broken {
            Some(Broken::CountsLate) => count_late(&mut actions, &manage.results),
            Some(Broken::SendsFirst) => {
                actions.iter().for_each(|action| self.perform(manage, action));
                actions.retain(|action| matches!(action, Action::Record(_)));
            }
            _ => {}
        }
        manage.outbox.push(actions);
    }

    /// Writes what waits; gives what may be done then.
    fn write(&mut self, manage: &mut Manage, doom: Option<Doom>) -> Result<Vec<Action>, Gone> {
        let now = self.now();
        if manage.retries_at.is_some_and(|at| now.0 < at) {
            return Ok(manage.outbox.release_harmless());
        }
        let records: Vec<Record> = manage.outbox.records().cloned().collect();
        if now.0 < self.disk.full_until && !records.is_empty() {
            self.note(|| format!("no room for {records:?}"));
            if manage.retries_at.replace(now.after(LEDGER_RETRY_MS).0).is_none() {
                manage.state.handle(Event::Stalled(Some("no room".to_owned())), now);
            }
            let all = self.broken == Some(Broken::SaysWhatWaits);
            return Ok(if all { manage.outbox.release() } else { manage.outbox.release_harmless() });
        }
        self.commit(manage, &records, doom)?;
        if manage.retries_at.take().is_some() {
            manage.state.handle(Event::Stalled(None), now);
        }
        manage.state.written();
        while let Some(host) = manage.state.disowning() {
            let deeds = self.disk.image.deeds_of(&host);
            self.note(|| format!("{host} is disowned: {deeds:?}"));
            manage.state.handle(Event::Disowned(host, deeds), now);
        }
        self.meet(manage, doom, Moment::BeforeSend)?;
        Ok(manage.outbox.release())
    }

    fn commit(&mut self, manage: &mut Manage, records: &[Record], doom: Option<Doom>) -> Result<(), Gone> {
        if records.is_empty() {
            return Ok(());
        }
        self.counts.commits += 1;
        self.note(|| format!("commits {records:?}"));
        self.meet(manage, doom, Moment::BeforeCommit)?;
        let fails = self.disk.fails.take();
        let in_commit = fails.is_some() || doom.is_some_and(|(moment, ..)| moment == Moment::InCommit);
        if in_commit && self.random.bool() {
            self.note(|| "none of it is on the disk".to_owned());
        } else {
            if self.broken == Some(Broken::NeverSyncs) {
                self.disk.before = Some(self.disk.image.clone());
            }
            if let Err(contradiction) = self.disk.write(records) {
                self.violate(contradiction);
            }
        }
        self.meet(manage, fails.map(|away| (Moment::InCommit, false, away)), Moment::InCommit)?;
        self.meet(manage, doom, Moment::InCommit)?;
        self.accepted_is_there();
        Ok(())
    }

    /// Writes what still waits at the end, if there is room.
    pub fn write_last(&mut self, manage: &mut Manage) {
        let records: Vec<Record> = manage.outbox.records().cloned().collect();
        if self.events.now >= self.disk.full_until && self.commit(manage, &records, None).is_ok() {
            manage.state.written();
        }
    }

    /// A lease is taken from its holder: not from one that says it works on it, unless it gets it again at once, or an
    /// older connection of its own was heard only now, and seems to be the newer one. Over TCP, that is: a network that
    /// loses single lines can make anything look so.
    fn takes_for_a_reason(&mut self, manage: &Manage, actions: &[Action]) {
        let records = || actions.iter().filter_map(record_of);
        let again = |number: u64| records().any(|it| matches!(it, Record::Leased(leased) if leased.lease == number));
        let taken = records().find_map(|record| match record {
            Record::Returned(number) if !again(*number) => self.disk.image.leased(*number),
            _ => None,
        });
        let taken = taken.filter(|leased| !leased.recheck && self.plan.is_honest(&leased.holder.host));
        let Some(leased) = taken.filter(|_| !self.plan.weather.harsh) else { return };
        let (number, instance) = (leased.lease, leased.holder.instance);
        let replaced = |conn: ConnId| actions.contains(&Action::Close(conn as u64));
        let recently = self.events.now.saturating_sub(SILENCE_MAX_MS);
        let claims = |(conn, desk): (&ConnId, &Desk)| {
            let holds =
                matches!(self.network.connections[*conn].owner, Owner::Data(_, life) if Instance(life) == instance);
            let heard = desk.claim.is_some_and(|(claimed, at)| claimed == number && at > recently);
            holds && heard && !desk.ended && desk.lingers.is_none() && !replaced(*conn)
        };
        let wronged = manage.desks.iter().any(claims);
        self.demand(!wronged, || format!("lease {number} is taken from who works on it"));
    }

    /// A claim or a result is refused: only if somebody else has got some of its range since, or has done it; or was to
    /// get it, when this was decided, and didn't because the disk had no room; or if its own result of another range is just
    /// being proved, as when a request that was repeated has crossed the range that it asked for.
    fn refuses_for_a_reason(&mut self, manage: &Manage, to: Option<Instance>, message: &Message) {
        let Message::Refused(refused) = message else { return };
        let checked = refused.code == Code::NotLeased && !self.plan.weather.harsh;
        if checked && manage.known.contains_key(&refused.lease) {
            let mut later = manage.known.range(refused.lease..).skip(1).map(|(_, span)| *span);
            let waited = manage.known.get(&refused.lease).is_some_and(|span| later.any(|other| meets(other, *span)));
            let proving = to.is_some_and(|instance| self.disk.image.has_other(instance, refused.lease));
            let needed = waited || proving || to.is_none_or(|instance| self.has_lost(instance, refused.lease));
            self.demand(needed, || format!("{refused:?}, but nobody else has had any of it"));
        }
    }

    /// Crashes, if that is the moment.
    fn meet(&mut self, manage: &mut Manage, doom: Option<Doom>, here: Moment) -> Result<(), Gone> {
        let Some((_, silently, away)) = doom.filter(|(moment, ..)| *moment == here) else { return Ok(()) };
        self.note(|| format!("manage crashes at {here:?}"));
        self.dies(manage, silently, away);
        Err(Gone)
    }

    fn perform(&mut self, manage: &mut Manage, action: &Action) {
        match action {
            Action::Record(Record::Leased(leased)) => _ = manage.known.insert(leased.lease, leased.span),
            Action::Record(_) => {}
            Action::Send(peer, message) => {
                let conn = *peer as ConnId;
                if manage.desks.contains_key(&conn) && self.network.is_open(conn, End::Server) {
                    let to = match self.network.connections[conn].owner {
                        Owner::Data(_, life) => Some(Instance(life)),
                        _ => None,
                    };
                    self.holds_when_said(to, message);
                    self.refuses_for_a_reason(manage, to, message);
                    self.say(conn, End::Server, message.clone());
                }
            }
            Action::Close(peer) => {
                let until = self.now().after(LINGER_MAX_MS).0;
                if let Some(desk) = manage.desks.get_mut(&(*peer as ConnId)).filter(|desk| !desk.ended) {
                    desk.lingers.get_or_insert(until);
                }
            }
            Action::SignalSelf(_) => manage.told_to_end = true,
            Action::Log(_, text) => self.note(|| format!("manage: {text}")),
        }
    }
}

fn record_of(action: &Action) -> Option<&Record> {
    if let Action::Record(record) = action { Some(record) } else { None }
}

/// What a manage would do that counted a result although its lease is lost.
fn count_late(actions: &mut Vec<Action>, results: &BTreeMap<u64, Found>) {
    let late = |action: &mut Action| match action {
        Action::Send(peer, Message::Refused(refused)) if refused.code == Code::NotLeased => {
            let found = results.get(&refused.lease)?.clone();
            *action = Action::Send(*peer, Accepted { lease: refused.lease }.into());
            Some(found)
        }
        _ => None,
    };
    for found in actions.iter_mut().filter_map(late).collect::<Vec<_>>() {
        let joined = Span { first: found.first, last: found.last };
        let holder = Holder { instance: Instance(0), host: "late".to_owned(), pid: 0 };
        actions.insert(0, Action::Record(Record::Accepted { found, holder, proved: true, recheck: false, joined }));
    }
}

/// True if the two have a number in common.
fn meets(one: Span, other: Span) -> bool {
    one.first <= other.last && other.first <= one.last
}
