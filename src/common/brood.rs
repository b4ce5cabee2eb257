//! A brood: N copies of a program, started, kept alive and ended by one parent.
//!
//! Each child's standard input is a pipe whose other end the parent alone holds: when the parent is gone, for whatever
//! reason, the child reads end of file and leaves (`compute --until-eof`).

use std::process::{Child, Command, Stdio};

use super::clock::Millis;
use super::exit::Status;
use super::limits::RESTART_PAUSE_MS;
use super::process::{self, Pid};
use super::signal::Ending;

/// What happened to a child, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A child runs.
    Started(u32),
    /// A child left with this status and isn't started again: it was told to, or would only fail again.
    Left(u32, Option<i32>),
    /// A child died or failed, how, and is started again in a while.
    Died(u32, String),
    /// A child couldn't be started, why; it is tried again in a while.
    NotStarted(String),
}

/// One place in the brood.
enum Place {
    Vacant { retry: Millis },
    Taken(Child, Millis),
    Closed,
}

/// The children of one program.
pub struct Brood {
    program: Command,
    places: Vec<Place>,
    ending: bool,
}

impl Brood {
    /// `count` places, all still vacant: `tend` fills them.
    #[must_use]
    pub fn new(mut program: Command, count: usize) -> Self {
        program.stdin(Stdio::piped());
        let places = (0..count).map(|_| Place::Vacant { retry: Millis(0) }).collect();
        Self { program, places, ending: false }
    }

    /// Reaps the dead and starts the missing. Call it at every SIGCHLD and now and then.
    pub fn tend(&mut self, now: Millis) -> Vec<News> {
        let mut news = Vec::new();
        for place in &mut self.places {
            look_at(place, now, self.ending, &mut news);
            if let Place::Vacant { retry } = place
                && *retry <= now
            {
                *place = start(&mut self.program, now, &mut news);
            }
        }
        news
    }

    /// Nobody is started any more.
    pub fn close(&mut self) {
        self.ending = true;
        self.places.retain(|place| matches!(place, Place::Taken(..)));
    }

    /// Passes a signal on to every child.
    pub fn signal(&self, ending: Ending) {
        for child in self.children() {
            process::signal(child, ending);
        }
    }

    /// Ends what is left with SIGKILL and reaps it.
    pub fn destroy(&mut self) {
        for place in &mut self.places {
            if let Place::Taken(child, _) = place {
                let _ = child.kill();
                let _ = child.wait();
            }
            *place = Place::Closed;
        }
    }

    /// True if no child lives and none will be started.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.iter().all(|place| matches!(place, Place::Closed))
    }

    /// The pids of the living.
    pub fn children(&self) -> impl Iterator<Item = Pid> {
        self.places.iter().filter_map(|place| match place {
            Place::Taken(child, _) => i32::try_from(child.id()).ok().map(Pid::from_raw),
            _ => None,
        })
    }
}

/// Takes the end of the child in `place`, if it has ended.
fn look_at(place: &mut Place, now: Millis, ending: bool, news: &mut Vec<News>) {
    let Place::Taken(child, started) = place else { return };
    let Ok(Some(status)) = child.try_wait() else { return };
    let pid = child.id();
    let final_statuses = [Status::Done, Status::Usage, Status::Protocol, Status::Refused].map(|s| Some(s as i32));
    if ending || final_statuses.contains(&status.code()) {
        news.push(News::Left(pid, status.code()));
        *place = Place::Closed;
    } else {
        news.push(News::Died(pid, status.to_string()));
        *place = Place::Vacant { retry: started.after(RESTART_PAUSE_MS).max(now) };
    }
}

/// Starts a child for a vacant place.
fn start(program: &mut Command, now: Millis, news: &mut Vec<News>) -> Place {
    match program.spawn() {
        Ok(child) => {
            news.push(News::Started(child.id()));
            Place::Taken(child, now)
        }
        Err(error) => {
            let name = program.get_program().to_string_lossy();
            news.push(News::NotStarted(format!("{name}: {error}")));
            Place::Vacant { retry: now.after(RESTART_PAUSE_MS) }
        }
    }
}
