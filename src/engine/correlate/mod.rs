//! Correlations: what the bases matched is grouped, sorted by time in Polars, and one sweep over each group judges the windows.
//!
//! A *unit* is what a correlation counts: an event that a detection matched, or a hit of another correlation (a chain).
//! A window holds the units of a group whose times lie within the timespan, both borders inside; all units of one instant
//! enter and leave together, so that the order of files decides nothing (RULES §2, "window").
//! A burst of an ordered sequence begins with the first event that its first rule matched: what the window holds before that,
//! such as the month's work of somebody who was then removed, is no part of a sequence.

mod measure;
mod units;

use super::merge::EventRows;
use crate::rule::correlation::{Correlation, CorrelationKind};
use measure::Measure;
use polars::prelude::*;
use std::sync::Arc;
use units::{Grouped, gather};

pub use units::{Base, Input, LeafFields};

/// One burst: the union of qualifying windows that share a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burst {
    /// Codes of the group-by values.
    pub group: Vec<u32>,
    /// Contributing rows, ascending.
    pub rows: Vec<u32>,
    /// The instant at which the condition first held, UTC microseconds.
    pub crossed: i64,
}

/// A window that qualified, as seen from a correlation over this one: it happened when its last event did.
#[derive(Debug, Clone, Copy)]
struct Hit {
    time: i64,
    /// Row of the event that completed the window.
    row: u32,
    group: u32,
    /// Range of the group's units.
    from: u32,
    to: u32,
}

/// Where a unit comes from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// A row, and the range of the detections that matched it in [`Correlated::leaves`].
    Row { from: u32, to: u32 },
    /// A hit of one of the children.
    Hit { child: u32, hit: u32 },
}

#[derive(Debug, Clone, Copy)]
struct Unit {
    time: i64,
    row: u32,
    origin: Origin,
}

/// What a correlation found, and what a correlation over it needs to know.
#[derive(Debug, Default)]
pub struct Correlated {
    /// Bursts, by their rows.
    pub bursts: Vec<Burst>,
    /// Units left out because every group-by value is null.
    pub without_group: u64,
    units: Vec<Unit>,
    leaves: Vec<u32>,
    groups: Vec<Vec<u32>>,
    hits: Vec<Hit>,
    children: Vec<Arc<Correlated>>,
}

/// One thing that a window can hold: a unit with one of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    group: u32,
    time: i64,
    unit: u32,
    /// Row of the unit: hits of several children that one event completed are one event still.
    row: u32,
    /// What [`Measure`] looks at: a value's number, a base's number, or nothing.
    value: u32,
}

/// Runs a correlation over what its bases matched.
///
/// `for_chain` keeps what a correlation over this one needs. Errors are of the machine or of a chain whose windows hold
/// more groups than can be told apart.
pub fn correlate(correlation: &Correlation, inputs: Vec<Input<'_>>, events: &EventRows, for_chain: bool) -> Result<Correlated, String> {
    let Grouped { entries, keys, values, units, leaves, children, without_group } = gather(correlation, inputs, events)?;
    let sorted = sort(entries, &units).map_err(|e| e.to_string())?;
    let mut out = Correlated { without_group, units, leaves, children, ..Correlated::default() };
    let mut bursts: Vec<(u32, Window)> = Vec::new();
    let mut keys_of: Vec<u32> = Vec::new();
    for group in sorted.chunk_by(|a, b| a.group == b.group) {
        let number = out.groups.len() as u32;
        let members = sweep(
            correlation,
            group,
            &values,
            |window| bursts.push((number, window)),
            |time, units, window| {
                if for_chain {
                    let hit = |&unit: &u32| Hit { time, row: out.units[unit as usize].row, group: number, from: window.0, to: window.1 };
                    out.hits.extend(units.iter().map(hit));
                }
            },
        );
        out.groups.push(members);
        keys_of.push(group[0].group);
    }
    let found = bursts.into_iter().map(|(group, window)| Burst {
        group: keys[keys_of[group as usize] as usize].clone(),
        rows: out.rows(&[(group, window.from, window.to)]),
        crossed: window.crossed,
    });
    let mut found: Vec<Burst> = found.collect();
    found.sort_by(|a, b| a.rows.cmp(&b.rows).then_with(|| a.group.cmp(&b.group)));
    out.bursts = found;
    out.hits.sort_unstable_by_key(|h| (h.time, h.row, h.group));
    Ok(out)
}

impl Correlated {
    /// Rows that the units of these ranges of groups rest on, ascending.
    fn rows(&self, ranges: &[(u32, u32, u32)]) -> Vec<u32> {
        let mut rows = Vec::new();
        self.collect_rows(ranges, &mut rows);
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    fn collect_rows(&self, ranges: &[(u32, u32, u32)], rows: &mut Vec<u32>) {
        let mut below: Vec<Vec<(u32, u32, u32)>> = vec![Vec::new(); self.children.len()];
        for &(group, from, to) in ranges {
            for &unit in &self.groups[group as usize][from as usize..to as usize] {
                let unit = &self.units[unit as usize];
                match unit.origin {
                    Origin::Row { .. } => rows.push(unit.row),
                    Origin::Hit { child, hit } => {
                        let h = &self.children[child as usize].hits[hit as usize];
                        below[child as usize].push((h.group, h.from, h.to));
                    }
                }
            }
        }
        for (child, mut ranges) in self.children.iter().zip(below) {
            // Windows of one burst overlap: each unit is visited once.
            ranges.sort_unstable();
            let mut merged: Vec<(u32, u32, u32)> = Vec::new();
            for (group, from, to) in ranges {
                match merged.last_mut() {
                    Some(last) if last.0 == group && from <= last.2 => last.2 = last.2.max(to),
                    _ => merged.push((group, from, to)),
                }
            }
            child.collect_rows(&merged, rows);
        }
    }
}

/// Sorted by group, time, unit and value; equal entries of several bases count once.
fn sort(entries: Vec<Entry>, units: &[Unit]) -> PolarsResult<Vec<Entry>> {
    let column = |name: &str, f: &dyn Fn(&Entry) -> u32| Column::new(name.into(), entries.iter().map(f).collect::<Vec<u32>>());
    let times = Column::new("time".into(), entries.iter().map(|e| e.time).collect::<Vec<i64>>());
    let columns = vec![column("group", &|e| e.group), times, column("unit", &|e| e.unit), column("value", &|e| e.value)];
    let frame = DataFrame::new(entries.len(), columns)?.sort(["group", "time", "unit", "value"], SortMultipleOptions::default())?;
    let u32s = |name: &str| -> PolarsResult<Vec<u32>> { Ok(frame.column(name)?.u32()?.into_no_null_iter().collect()) };
    let (group, unit, value) = (u32s("group")?, u32s("unit")?, u32s("value")?);
    let time = frame.column("time")?.i64()?;
    let mut out: Vec<Entry> = group
        .into_iter()
        .zip(time.into_no_null_iter())
        .zip(unit.into_iter().zip(value))
        .map(|((group, time), (unit, value))| Entry { group, time, unit, row: units[unit as usize].row, value })
        .collect();
    out.dedup();
    Ok(out)
}

/// A burst as a range of the group's units.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: u32,
    to: u32,
    crossed: i64,
}

/// Judges the windows of one group and gives its units in time order.
///
/// Every instant ends one window, which reaches back over the timespan. Where a condition can only come to hold as a window
/// grows, each is judged; else only those that no other window of the group contains, since any burst passes through
/// `lt: 3` on its way up. `hit` gets the units of the instant that ends a qualifying window.
fn sweep(
    correlation: &Correlation,
    entries: &[Entry],
    values: &units::Values,
    mut burst: impl FnMut(Window),
    mut hit: impl FnMut(i64, &[u32], (u32, u32)),
) -> Vec<u32> {
    let span = correlation.timespan;
    let mut measure = Measure::new(correlation, entries, values);
    let growing = measure.only_grows_into_holding();
    let mut units: Vec<u32> = entries.iter().map(|e| e.unit).collect();
    units.dedup();
    // Position among the units that an entry belongs to.
    let mut position = Vec::with_capacity(entries.len());
    let mut at = 0u32;
    for (i, e) in entries.iter().enumerate() {
        at += u32::from(i > 0 && entries[i - 1].unit != e.unit);
        position.push(at);
    }
    let mut open: Option<Window> = None;
    let (mut start, mut end) = (0, 0);
    while end < entries.len() {
        let time = entries[end].time;
        let first_of_instant = end;
        while end < entries.len() && entries[end].time == time {
            measure.enter(&entries[end]);
            end += 1;
        }
        while time - entries[start].time > span {
            measure.leave(&entries[start]);
            start += 1;
        }
        let contained = entries.get(end).is_some_and(|next| next.time - entries[start].time <= span);
        if (contained && !growing) || !measure.holds(&entries[start..end], time) {
            continue;
        }
        let (from, to) = (position[start], position[end - 1] + 1);
        hit(time, &units[position[first_of_instant] as usize..to as usize], (from, to));
        open = match open.take() {
            Some(w) if from < w.to => Some(Window { to, ..w }),
            earlier => {
                earlier.into_iter().for_each(&mut burst);
                let first = start + before_the_sequence(correlation, &entries[start..end]);
                Some(Window { from: position[first], to, crossed: time })
            }
        };
    }
    open.into_iter().for_each(burst);
    units
}

/// How many entries at the start of a window that holds cannot belong to a sequence: those before the first rule's.
fn before_the_sequence(correlation: &Correlation, window: &[Entry]) -> usize {
    match correlation.kind {
        CorrelationKind::TemporalOrdered => window.iter().find(|e| e.value == 0).map_or(0, |first| window.partition_point(|e| e.time < first.time)),
        _ => 0,
    }
}
