//! What the workers of a run gather: counts and reasons by file, one small entry an event, and the rows that are kept.

use super::tally::{Page, Tally};
use crate::event::Outcome;
use crate::event::dict::Dict;
use crate::source::chunk::Shape;
use std::collections::{BTreeMap, BTreeSet};

/// Reasons kept for each file; the rest is counted.
pub const MAX_REASONS: usize = 20;

/// One event in 32 bytes: enough to find exact duplicates and to count events over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// Hash of source and event id; 0 when the event has no id.
    pub id: u64,
    /// Hash of source and content.
    pub content: u64,
    /// File.
    pub file: u32,
    /// Record.
    pub record: u32,
    /// Which event of the record.
    pub part: u16,
    /// Seconds since 1970, within a `u32`.
    pub seconds: u32,
    /// Outcome in the two lowest bits, the group above them: an entry with both must not grow.
    tag: u16,
}

impl IndexEntry {
    /// The entry of an event.
    #[inline]
    pub fn new(id: u64, content: u64, (file, record, part): (u32, u32, u16), seconds: u32, outcome: Outcome, group: u16) -> IndexEntry {
        let outcome = match outcome {
            Outcome::Success => 0,
            Outcome::Failed => 1,
            Outcome::Unknown => 2,
        };
        IndexEntry { id, content, file, record, part, seconds, tag: group << 2 | outcome }
    }

    /// How the event ended.
    pub fn outcome(&self) -> Outcome {
        match self.tag & 3 {
            0 => Outcome::Success,
            1 => Outcome::Failed,
            _ => Outcome::Unknown,
        }
    }

    /// Group, as an index into the groups of the worker or, once merged, of the run.
    pub fn group(&self) -> u16 {
        self.tag >> 2
    }

    /// Puts the event into another group.
    pub fn regroup(&mut self, group: u16) {
        self.tag = group << 2 | self.tag & 3;
    }
}

/// What is known of one file.
#[derive(Debug, Clone, Default)]
pub struct FileStat {
    /// Records read.
    pub read: u64,
    /// Records rejected.
    pub rejected: u64,
    /// Source, by index, that most records belong to.
    pub source: Option<u8>,
    /// First and last event, UTC microseconds.
    pub span: Option<(i64, i64)>,
    /// Reasons: record and text, smallest records first.
    pub reasons: Vec<(Option<u32>, String)>,
    /// Reasons beyond those kept.
    pub more_reasons: u64,
    /// The file holds no log at all, and is no fault.
    pub not_a_log: bool,
    /// Some of it could not be read.
    pub faulty: bool,
    /// The file is empty.
    pub empty: bool,
    /// How the records stand in it, and what was opened to get at them.
    pub containers: BTreeSet<String>,
    /// Records that were read, of which one may give several events; rejected ones are left out.
    pub rows: u64,
    /// How its records stand in it.
    pub shape: Option<Shape>,
    /// What it says of itself as a page of an API.
    pub page: Option<Page>,
}

impl FileStat {
    /// Notes why a record, or the file as a whole, could not be used.
    pub fn reject(&mut self, record: Option<u32>, reason: String) {
        self.faulty = true;
        if record.is_some() {
            self.read += 1;
            self.rejected += 1;
        }
        self.reasons.push((record, reason));
        self.trim();
    }

    fn trim(&mut self) {
        if self.reasons.len() > MAX_REASONS * 2 {
            self.reasons.sort();
            self.more_reasons += (self.reasons.len() - MAX_REASONS) as u64;
            self.reasons.truncate(MAX_REASONS);
        }
    }

    /// Takes an event's time into the span.
    pub fn cover(&mut self, time: i64) {
        self.span = Some(self.span.map_or((time, time), |(a, b)| (a.min(time), b.max(time))));
    }

    /// Adds what another worker found of the same file.
    pub fn absorb(&mut self, other: FileStat) {
        self.read += other.read;
        self.rejected += other.rejected;
        self.source = self.source.or(other.source);
        if let Some((a, b)) = other.span {
            self.cover(a);
            self.cover(b);
        }
        self.reasons.extend(other.reasons);
        self.more_reasons += other.more_reasons;
        self.not_a_log |= other.not_a_log;
        self.faulty |= other.faulty;
        self.empty |= other.empty;
        self.containers.extend(other.containers);
        self.rows += other.rows;
        self.shape = self.shape.or(other.shape);
        self.page = self.page.or(other.page);
        self.trim();
    }
}

/// Further values of arrays, by row and retained field.
pub type Extras = hashbrown::HashMap<(u32, u16), Vec<u32>>;

/// Rows kept beyond their chunk, by columns.
#[derive(Debug, Default)]
pub struct Kept {
    /// UTC microseconds.
    pub time: Vec<i64>,
    /// File.
    pub file: Vec<u32>,
    /// Record.
    pub record: Vec<u32>,
    /// Which event of the record.
    pub part: Vec<u16>,
    /// Source.
    pub source: Vec<u8>,
    /// Codes of the retained fields, one column a field.
    pub columns: Vec<Vec<u32>>,
    /// Further values of arrays.
    pub extras: Extras,
    /// Event ids, end offsets into `ids`.
    pub id_ends: Vec<u32>,
    /// Text of the event ids.
    pub ids: String,
    /// The values.
    pub dict: Dict,
}

/// A rendered row in the spool.
#[derive(Debug, Clone, Copy)]
pub struct Spooled {
    /// UTC microseconds.
    pub time: i64,
    /// File.
    pub file: u32,
    /// Record; 0 where the file as a whole is meant.
    pub record: u32,
    /// Which event of the record.
    pub part: u16,
    /// Worker whose spool holds it.
    pub worker: u32,
    /// Offset in the spool.
    pub offset: u64,
    /// Length.
    pub len: u32,
}

/// What one worker gathered.
#[derive(Default)]
pub struct Gathered {
    /// By file.
    pub files: BTreeMap<u32, FileStat>,
    /// One entry an accepted event.
    pub index: Vec<IndexEntry>,
    /// Kept rows.
    pub kept: Kept,
    /// (rule, kept row).
    pub matches: Vec<(u32, u32)>,
    /// Plan fields seen, by source.
    pub seen: Vec<Vec<u16>>,
    /// Ids of the sources that events which were mapped before came from.
    pub origins: BTreeSet<String>,
    /// Accepted events by source.
    pub by_source: Vec<u64>,
    /// Rendered rows.
    pub spooled: Vec<Spooled>,
    /// Their bytes.
    pub spool: Option<std::fs::File>,
    /// Rejected records, where they are asked for.
    pub rejects: Vec<Spooled>,
    /// Their bytes.
    pub reject_spool: Option<std::fs::File>,
    /// Events by source, account, region and class.
    pub tally: Tally,
    /// A fault of the machine, not of the input.
    pub broken: Option<String>,
}
