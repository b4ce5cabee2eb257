//! What the threads of collect share: the book that agents fill, and what manage has reported.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::common::clock::Millis;
use crate::common::inquiry::Report;

use super::book::Book;
use super::history::History;

/// What is known of the search.
#[derive(Debug)]
pub struct Search {
    /// Where its manage is, if one was given.
    pub manage: Option<String>,
    /// What it has said last, and when.
    pub report: Option<(Report, Millis)>,
    /// Why it doesn't answer, if it doesn't.
    pub fault: Option<String>,
    /// Its rate over time.
    pub rate: History,
}

/// All of it. No thread holds both locks.
#[derive(Debug)]
pub struct Shared {
    book: Mutex<Book>,
    search: Mutex<Search>,
    /// When collect was started, in seconds since 1970.
    pub started_wall: i64,
}

impl Shared {
    /// With this book, and a search whose manage is there, if it is anywhere.
    #[must_use]
    pub fn new(book: Book, manage: Option<String>, now: Millis, wall: i64) -> Self {
        let search = Search { manage, report: None, fault: None, rate: History::new(false, now) };
        Self { book: Mutex::new(book), search: Mutex::new(search), started_wall: wall }
    }

    /// The book.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The search.
    pub fn search(&self) -> MutexGuard<'_, Search> {
        self.search.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
