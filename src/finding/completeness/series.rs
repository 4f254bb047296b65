//! Events over time, by quarters of an hour: which hours and days hold none, and how long it was silent.

use crate::event::time::{HOUR, SECOND, local_date};
use crate::finding::scan::{Bin, QUARTER};
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

/// Cells of a strip of events over time.
const MAX_CELLS: i64 = 120;

/// Events of a quarter of an hour: how many, the first and the last, cut to seconds.
type Quarter = (u64, i64, i64);

/// Events of some groups.
#[derive(Debug, Default)]
pub struct Series {
    quarters: BTreeMap<i64, Quarter>,
}

/// A stretch of time without an event: after the one, before the other. UTC microseconds.
pub type Gap = (i64, i64);

/// The stretch of time in which hours and days are looked at: from the start on, up to and without the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// First instant inside.
    pub from: i64,
    /// First instant after.
    pub to: i64,
    /// Until when it may be silent: the end, or the last event where there is none.
    pub end: i64,
}

impl Series {
    /// The events of these bins.
    pub fn of<'b>(bins: impl Iterator<Item = &'b Bin>) -> Series {
        let mut quarters: BTreeMap<i64, Quarter> = BTreeMap::new();
        for b in bins {
            let (n, first, last) = quarters.entry(b.quarter).or_insert((0, b.first, b.last));
            (*n, *first, *last) = (*n + b.events, b.first.min(*first), b.last.max(*last));
        }
        Series { quarters }
    }

    /// Number of events.
    pub fn events(&self) -> u64 {
        self.quarters.values().map(|q| q.0).sum()
    }

    /// First and last event, cut to seconds.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((self.quarters.values().next()?.1, self.quarters.values().next_back()?.2))
    }

    /// Hours of the frame, and those without an event. Hours are counted from the quarter of an hour in which the frame begins.
    pub fn hours(&self, frame: Frame) -> (u64, u64) {
        let base = frame.from - frame.from.rem_euclid(QUARTER);
        let all = (frame.to - base + HOUR - 1).div_euclid(HOUR).max(0) as u64;
        let mut filled: Vec<i64> = self.quarters.keys().map(|q| (q - base).div_euclid(HOUR)).collect();
        filled.dedup();
        (all, all.saturating_sub(filled.len() as u64))
    }

    /// Days of the frame in a zone, and stretches of days without an event.
    pub fn days(&self, frame: Frame, zone: chrono_tz::Tz) -> (u64, Vec<(NaiveDate, NaiveDate)>) {
        let (Some(first), Some(last)) = (local_date(frame.from, zone), local_date(frame.to - 1, zone)) else { return (0, Vec::new()) };
        let filled: BTreeSet<NaiveDate> = self.quarters.keys().filter_map(|q| local_date(*q, zone)).filter(|d| (first..=last).contains(d)).collect();
        let mut empty = Vec::new();
        let mut next = Some(first);
        for day in filled {
            if let (Some(a), Some(b)) = (next, day.pred_opt())
                && a <= b
            {
                empty.push((a, b));
            }
            next = day.succ_opt();
        }
        if let Some(a) = next.filter(|a| *a <= last) {
            empty.push((a, last));
        }
        ((last - first).num_days() as u64 + 1, empty)
    }

    /// Stretches of at least a quarter of an hour without an event, those to the frame's ends among them.
    ///
    /// A shorter one may stand inside a quarter and is not seen.
    pub fn gaps(&self, frame: Frame) -> Vec<Gap> {
        let mut out = Vec::new();
        let mut at = frame.from;
        for (_, first, last) in self.quarters.values() {
            if first - at >= QUARTER {
                out.push((at, *first));
            }
            at = *last;
        }
        if frame.end - at >= QUARTER {
            out.push((at, frame.end));
        }
        out
    }

    /// A silence that stands out of the log's own rhythm, and the length that nearly all other silences stay below.
    pub fn odd_gap(&self) -> Option<(Gap, i64)> {
        const FEW: usize = 20;
        let between: Vec<Gap> = self.span().map(|(from, end)| self.gaps(Frame { from, to: end, end })).unwrap_or_default();
        let mut lengths: Vec<i64> = between.iter().map(|g| g.1 - g.0).collect();
        lengths.sort_unstable();
        let usual = *lengths.get(lengths.len() * 95 / 100)?;
        let longest = *between.iter().max_by_key(|g| (g.1 - g.0, std::cmp::Reverse(g.0)))?;
        (lengths.len() >= FEW && longest.1 - longest.0 > 3 * usual.max(HOUR)).then_some((longest, usual))
    }

    /// Events over time in at most [`MAX_CELLS`] cells of whole days: days a cell, and for each its first day and its events.
    pub fn cells(&self, frame: Frame, zone: chrono_tz::Tz) -> (i64, Vec<(NaiveDate, u64)>) {
        let (Some(first), Some(last)) = (local_date(frame.from, zone), local_date(frame.to - 1, zone)) else { return (1, Vec::new()) };
        let wide = ((last - first).num_days() + MAX_CELLS) / MAX_CELLS;
        let mut out: Vec<(NaiveDate, u64)> = Vec::new();
        let mut day = first;
        while day <= last {
            out.push((day, 0));
            let Some(next) = day.checked_add_days(chrono::Days::new(wide as u64)) else { break };
            day = next;
        }
        for (quarter, (n, ..)) in &self.quarters {
            let at = local_date(*quarter, zone).map(|d| (d - first).num_days().div_euclid(wide));
            if let Some(cell) = at.and_then(|i| usize::try_from(i).ok()).and_then(|i| out.get_mut(i)) {
                cell.1 += n;
            }
        }
        (wide, out)
    }
}

/// The frame of a log: the period where it has limits, else the log's own first and last event.
pub fn frame(period: crate::finding::scan::Period, span: Option<(i64, i64)>) -> Option<Frame> {
    let from = period.from.or(span.map(|s| s.0))?;
    let to = period.to.or(span.map(|s| s.1 + SECOND))?;
    let end = period.to.or(span.map(|s| s.1))?;
    (from < to).then_some(Frame { from, to, end })
}
