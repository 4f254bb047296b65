//! What the workers of a run do next: files in order, and the pieces that those who read files hand over.

use crate::source::parquet::{Columns, Stretch, Table};
use crate::source::split::Piece;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Chunks that wait for a worker at one time.
const WAITING: usize = 4;

/// A piece of a file for one worker.
#[derive(Default)]
pub struct Job {
    /// File.
    pub file: u32,
    /// Records.
    pub piece: Piece,
    /// Record numbers; empty where they follow the piece's first.
    pub lines: Vec<u32>,
    /// A record is a line.
    pub by_lines: bool,
    /// The file's source.
    pub source: Option<usize>,
    /// Rows still to be read, in place of a piece.
    pub stretch: Option<Stretch>,
    /// Rows that come as columns, in place of a piece.
    pub columns: Option<Box<Columns>>,
    /// The table of which the piece holds some columns only.
    pub partial: Option<Arc<Table>>,
}

/// What a worker is to do.
pub enum Work {
    /// Read a file.
    File(usize),
    /// Read a piece.
    Piece(Job),
}

#[derive(Default)]
struct State {
    next_file: usize,
    jobs: VecDeque<Job>,
    /// Workers whose work may give more jobs.
    producers: usize,
}

/// The work of a run, shared by its workers.
pub struct Queue {
    files: usize,
    workers: usize,
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    /// All files are still to be read.
    pub fn new(files: usize, workers: usize) -> Queue {
        Queue { files, workers, state: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next work, waited for while some may come; none when all is done.
    pub fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        let work = loop {
            if let Some(job) = state.jobs.pop_front() {
                state.producers += usize::from(job.stretch.is_some());
                break Some(Work::Piece(job));
            }
            if state.next_file < self.files {
                state.next_file += 1;
                state.producers += 1;
                break Some(Work::File(state.next_file - 1));
            }
            if state.producers == 0 {
                break None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        if !matches!(work, Some(Work::File(_))) {
            self.changed.notify_all();
        }
        work
    }

    /// What was taken from the queue gives no more jobs.
    pub fn produced(&self) {
        self.lock().producers -= 1;
        self.changed.notify_all();
    }

    /// Leaves a job to another worker; gives it back when enough wait already.
    pub fn offer(&self, job: Job) -> Option<Job> {
        let mut state = self.lock();
        if self.workers < 2 || state.jobs.len() >= WAITING {
            return Some(job);
        }
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_all();
        None
    }
}
