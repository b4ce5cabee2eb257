//! A brood: programs, each in its place, started, kept alive and ended by one parent.
//!
//! Each child's standard input is a pipe whose other end the parent alone holds: when the parent is gone, for whatever
//! reason, the child reads end of file and leaves (`compute --until-eof`).

use std::process::{Child, Command, Stdio};

use super::clock::Millis;
use super::exit::Status;
use super::limits::RESTART_PAUSE_MS;
use super::process::{self, Pid};
use super::signal::Ending;
use super::trouble::Trouble;

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
    /// The same trouble as before, which the log knows: what happened.
    Again(String),
    /// All children have run for a while, after trouble that came again so often.
    Steady(u64),
}

/// One place in the brood.
enum Place {
    Vacant { retry: Millis },
    Taken(Child, Millis),
    Closed,
}

/// The children of one process.
pub struct Brood {
    /// What is started in each place.
    programs: Vec<Command>,
    places: Vec<Place>,
    /// None is started before: the last one couldn't be.
    start_from: Millis,
    trouble: Trouble,
    ending: bool,
}

impl Brood {
    /// A place for each of these, all still vacant: `tend` fills them.
    #[must_use]
    pub fn new(mut programs: Vec<Command>) -> Self {
        programs.iter_mut().for_each(|program| _ = program.stdin(Stdio::piped()));
        let places = programs.iter().map(|_| Place::Vacant { retry: Millis(0) }).collect();
        Self { programs, places, start_from: Millis(0), trouble: Trouble::default(), ending: false }
    }

    /// Reaps the dead and starts the missing. Call it at every SIGCHLD and now and then.
    pub fn tend(&mut self, now: Millis) -> Vec<News> {
        let mut news: Vec<News> = self.places.iter_mut().filter_map(|place| look_at(place, now, self.ending)).collect();
        self.reap_adopted();
        if self.start_from <= now {
            self.fill(now, &mut news);
        }
        let mut news: Vec<News> = news.into_iter().map(|news| self.known(news, now)).collect();
        news.extend(self.trouble.over(now).map(News::Steady));
        news
    }

    /// Starts a child for each vacant place that has waited long enough, until one can't be started: where there is no
    /// room for one, there is none for a thousand.
    fn fill(&mut self, now: Millis, news: &mut Vec<News>) {
        let due = |place: &Place| matches!(place, Place::Vacant { retry } if *retry <= now);
        let places = self.places.iter_mut().zip(&mut self.programs);
        for (place, program) in places.filter(|(place, _)| due(place)) {
            match program.spawn() {
                Ok(child) => {
                    news.push(News::Started(child.id()));
                    *place = Place::Taken(child, now);
                }
                Err(error) => {
                    let name = program.get_program().to_string_lossy();
                    news.push(News::NotStarted(format!("{name}: {error}")));
                    self.start_from = now.after(RESTART_PAUSE_MS);
                    return;
                }
            }
        }
    }

    /// The first process of a container becomes the parent of all who lose theirs, and must take their ends.
    fn reap_adopted(&self) {
        let own: Vec<Pid> = self.children().collect();
        process::reap_all_but(&own);
    }

    /// What happened, or that it happened again.
    fn known(&mut self, news: News, now: Millis) -> News {
        let what = match &news {
            News::Died(pid, how) => format!("pid {pid} died ({how})"),
            News::NotStarted(why) => why.clone(),
            _ => return news,
        };
        if self.trouble.strikes(now) { news } else { News::Again(what) }
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
fn look_at(place: &mut Place, now: Millis, ending: bool) -> Option<News> {
    let Place::Taken(child, started) = place else { return None };
    let status = child.try_wait().ok()??;
    let pid = child.id();
    let final_statuses = [Status::Done, Status::Usage, Status::Protocol, Status::Refused].map(|s| Some(s as i32));
    if ending || final_statuses.contains(&status.code()) {
        *place = Place::Closed;
        Some(News::Left(pid, status.code()))
    } else {
        *place = Place::Vacant { retry: started.after(RESTART_PAUSE_MS).max(now) };
        Some(News::Died(pid, status.to_string()))
    }
}
