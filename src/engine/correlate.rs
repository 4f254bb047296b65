//! Counting correlations: rows sorted by group and time in Polars, then one two-pointer sweep over each group.

use super::merge::EventRows;
use crate::event::dict::ABSENT;
use crate::rule::correlation::{Correlation, CorrelationKind};
use hashbrown::HashMap;
use polars::prelude::*;

/// Rows that one base rule matched, and where its fields stand among the retained.
#[derive(Debug)]
pub struct Base {
    /// Matched rows, ascending.
    pub rows: Vec<u32>,
    /// Retained index of each group-by field.
    pub group_by: Vec<usize>,
    /// Retained index of each counted field.
    pub fields: Vec<usize>,
}

/// One burst: the union of qualifying windows that share a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burst {
    /// Codes of the group-by values.
    pub group: Vec<u32>,
    /// Contributing rows, ascending.
    pub rows: Vec<u32>,
    /// The instant at which the condition first held.
    pub crossed: i64,
}

/// What a correlation found.
#[derive(Debug, Default)]
pub struct Correlated {
    /// Bursts, by group in the order of its first row, then time.
    pub bursts: Vec<Burst>,
    /// Rows left out because every group-by value is null.
    pub without_group: u64,
}

struct Entry {
    time: i64,
    row: u32,
    value: Option<u32>,
}

/// Runs a correlation over the matches of its bases.
pub fn correlate(correlation: &Correlation, bases: &[Base], events: &EventRows) -> Result<Correlated, String> {
    let mut out = Correlated::default();
    let mut groups: HashMap<Vec<u32>, u32> = HashMap::new();
    let mut keys: Vec<Vec<u32>> = Vec::new();
    let mut tuples: HashMap<Vec<u32>, u32> = HashMap::new();
    let (mut group_col, mut time_col, mut row_col, mut value_col) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for base in bases {
        for &row in &base.rows {
            let combos = combinations(&base.group_by, row, events, true);
            let usable: Vec<&Vec<u32>> = combos.iter().filter(|c| c.is_empty() || c.iter().any(|v| *v != ABSENT)).collect();
            if usable.is_empty() {
                out.without_group += 1;
                continue;
            }
            let values: Vec<Option<u32>> = if correlation.kind == CorrelationKind::ValueCount {
                combinations(&base.fields, row, events, false)
                    .into_iter()
                    .filter(|t| t.iter().all(|v| *v != ABSENT))
                    .map(|t| {
                        let next = tuples.len() as u32;
                        Some(*tuples.entry(t).or_insert(next))
                    })
                    .collect()
            } else {
                vec![None]
            };
            for key in usable {
                let id = *groups.entry(key.clone()).or_insert_with(|| {
                    keys.push(key.clone());
                    keys.len() as u32 - 1
                });
                for value in &values {
                    group_col.push(id);
                    time_col.push(events.time[row as usize]);
                    row_col.push(row);
                    value_col.push(value.unwrap_or(u32::MAX));
                }
            }
        }
    }
    let sorted = sort(group_col, time_col, row_col, value_col).map_err(|e| e.to_string())?;
    let mut bursts: Vec<Burst> = Vec::new();
    for group in sorted.chunk_by(|a, b| a.0 == b.0) {
        let entries: Vec<Entry> = group.iter().map(|&(_, time, row, value)| Entry { time, row, value: (value != u32::MAX).then_some(value) }).collect();
        sweep(correlation, &entries, &keys[group[0].0 as usize], &mut bursts);
    }
    bursts.sort_by(|a, b| a.rows.cmp(&b.rows));
    out.bursts = bursts;
    Ok(out)
}

type SortedRow = (u32, i64, u32, u32);

/// Sorted by group, time and row; equal (row, value) pairs of several bases count once.
fn sort(group: Vec<u32>, time: Vec<i64>, row: Vec<u32>, value: Vec<u32>) -> PolarsResult<Vec<SortedRow>> {
    let height = group.len();
    let columns =
        vec![Column::new("group".into(), group), Column::new("time".into(), time), Column::new("row".into(), row), Column::new("value".into(), value)];
    let frame = DataFrame::new(height, columns)?.sort(["group", "time", "row", "value"], SortMultipleOptions::default())?;
    let u32s = |name: &str| -> PolarsResult<Vec<u32>> { Ok(frame.column(name)?.u32()?.into_no_null_iter().collect()) };
    let (group, row, value) = (u32s("group")?, u32s("row")?, u32s("value")?);
    let time = frame.column("time")?.i64()?;
    let mut out: Vec<SortedRow> =
        group.into_iter().zip(time.into_no_null_iter()).zip(row.into_iter().zip(value)).map(|((g, t), (r, v))| (g, t, r, v)).collect();
    out.dedup();
    Ok(out)
}

/// Every combination of the fields' values in a row: arrays are taken apart, nulls are [`ABSENT`].
fn combinations(fields: &[usize], row: u32, events: &EventRows, keep_null: bool) -> Vec<Vec<u32>> {
    let mut out: Vec<Vec<u32>> = vec![Vec::new()];
    for &f in fields {
        let mut codes = vec![events.columns[f][row as usize]];
        if let Some(more) = events.extras.get(&(row, f as u16)) {
            codes.extend(more);
            codes.sort_unstable();
            codes.dedup();
        }
        if !keep_null {
            codes.retain(|c| *c != ABSENT);
        }
        out = out.iter().flat_map(|prefix| codes.iter().map(move |c| prefix.iter().copied().chain([*c]).collect())).collect();
    }
    out
}

/// Finds the bursts of one group. A window holds the rows whose times lie within the timespan, both borders inside.
fn sweep(correlation: &Correlation, entries: &[Entry], key: &[u32], bursts: &mut Vec<Burst>) {
    let span = correlation.timespan;
    // An upper bound alone judges only windows that no other window of the group contains.
    let growing = correlation.limits.iter().all(|l| l.is_lower_bound());
    let mut counts: HashMap<u32, u32> = HashMap::new();
    let (mut start, mut end) = (0, 0);
    let mut open: Option<(usize, usize, i64)> = None;
    let mut last_end = 0;
    let mut flush = |open: &mut Option<(usize, usize, i64)>| {
        if let Some((from, to, crossed)) = open.take() {
            let mut rows: Vec<u32> = entries[from..to].iter().map(|e| e.row).collect();
            rows.dedup();
            bursts.push(Burst { group: key.to_vec(), rows, crossed });
        }
    };
    while start < entries.len() {
        // All rows of one instant enter and leave together.
        while end < entries.len() && entries[end].time - entries[start].time <= span {
            if let Some(v) = entries[end].value {
                *counts.entry(v).or_default() += 1;
            }
            end += 1;
        }
        let maximal = end > last_end;
        last_end = last_end.max(end);
        if maximal || growing {
            let count = match correlation.kind {
                // Sorting left each row once.
                CorrelationKind::EventCount => end - start,
                CorrelationKind::ValueCount => counts.len(),
            };
            if correlation.limits.iter().all(|l| l.holds(count as f64)) && count > 0 {
                open = match open.take() {
                    Some((from, to, first)) if start < to => Some((from, to.max(end), first)),
                    mut earlier => {
                        flush(&mut earlier);
                        Some((start, end, crossing(correlation, &entries[start..end])))
                    }
                };
            }
        }
        let leaving = entries[start].time;
        while start < entries.len() && entries[start].time == leaving {
            if let Some(v) = entries[start].value
                && let Some(n) = counts.get_mut(&v)
            {
                *n -= 1;
                if *n == 0 {
                    counts.remove(&v);
                }
            }
            start += 1;
        }
    }
    flush(&mut open);
}

/// The instant within a qualifying window at which its condition first held.
fn crossing(correlation: &Correlation, window: &[Entry]) -> i64 {
    let mut seen: hashbrown::HashSet<u32> = hashbrown::HashSet::new();
    let mut rows = 0;
    let mut last = None;
    for (i, e) in window.iter().enumerate() {
        if last != Some(e.row) {
            rows += 1;
            last = Some(e.row);
        }
        seen.extend(e.value);
        let count = if correlation.kind == CorrelationKind::EventCount { rows } else { seen.len() };
        let instant_ends = window.get(i + 1).is_none_or(|n| n.time != e.time);
        if instant_ends && correlation.limits.iter().all(|l| l.holds(count as f64)) {
            return e.time;
        }
    }
    window.last().map_or(0, |e| e.time)
}
