//! What a correlation counts: rows that detections matched and hits of other correlations, with their groups and values.

use super::{Correlated, Entry, Hit, Origin, Unit};
use crate::engine::merge::EventRows;
use crate::engine::tuples::{Nulls, Tuples, codes, tuples};
use crate::event::value::Number;
use crate::rule::correlation::{Correlation, CorrelationKind};
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Entries of one correlation beyond which it gives up: hostile chains could ask for more than the machine holds.
const MAX_ENTRIES: usize = 100_000_000;

/// For each detection that a base rests on, the retained index of each field.
pub type LeafFields = BTreeMap<u32, Vec<usize>>;

/// What a base matched.
pub enum Base<'a> {
    /// A detection: its number and its rows, ascending.
    Detection(u32, &'a [u32]),
    /// A correlation.
    Correlation(Arc<Correlated>),
}

/// A base, and where the fields that the correlation asks for stand in what it matched.
pub struct Input<'a> {
    /// What it matched.
    pub base: Base<'a>,
    /// Group-by fields.
    pub group_by: LeafFields,
    /// Counted fields.
    pub fields: LeafFields,
}

/// Distinct values that entries name by number.
#[derive(Default)]
pub struct Values {
    /// For aggregates of numbers: the number of each cell.
    pub numbers: Vec<Number>,
}

/// All that a correlation counts.
pub struct Grouped {
    pub entries: Vec<Entry>,
    /// Codes of each group's values.
    pub keys: Vec<Vec<u32>>,
    pub values: Values,
    pub units: Vec<Unit>,
    pub leaves: Vec<u32>,
    pub children: Vec<Arc<Correlated>>,
    pub without_group: u64,
}

/// Groups and values of every unit.
pub fn gather(correlation: &Correlation, inputs: Vec<Input<'_>>, events: &EventRows) -> Result<Grouped, String> {
    let (mut units, leaves, unit_of_row) = units_of_rows(&inputs, events);
    let mut children: Vec<Arc<Correlated>> = Vec::new();
    let (mut groups, mut counted, mut cells) = (Tuples::default(), Tuples::default(), Tuples::default());
    let mut values = Values::default();
    let mut entries: Vec<Entry> = Vec::new();
    let mut grouped: HashMap<u32, bool> = HashMap::new();
    let counts_values = matches!(correlation.kind, CorrelationKind::ValueCount);
    let counts_rules = matches!(correlation.kind, CorrelationKind::Temporal(_) | CorrelationKind::TemporalOrdered);
    let add = |entries: &mut Vec<Entry>, unit: u32, time: i64, keys: &[u32], of_unit: &[u32]| -> Result<(), String> {
        if entries.len() + keys.len() * of_unit.len() > MAX_ENTRIES {
            return Err("its windows hold too many groups".into());
        }
        entries.extend(keys.iter().flat_map(|&group| of_unit.iter().map(move |&value| Entry { group, time, unit, row: 0, value })));
        Ok(())
    };
    for (number, input) in inputs.into_iter().enumerate() {
        let number = number as u32;
        match input.base {
            Base::Detection(leaf, rows) => {
                let (group_by, fields) = (of_leaf(&input.group_by, leaf), of_leaf(&input.fields, leaf));
                for &row in rows {
                    let unit = unit_of_row[&row];
                    let keys = tuples(group_by, row, events, Nulls::OfGroup, &mut groups);
                    *grouped.entry(row).or_default() |= !keys.is_empty();
                    let of_unit = if counts_rules {
                        vec![number]
                    } else if counts_values {
                        tuples(fields, row, events, Nulls::Drop, &mut counted)
                    } else if correlation.kind.takes_numbers() {
                        numbers(fields, row, events, &mut cells, &mut values.numbers)
                    } else {
                        vec![0]
                    };
                    add(&mut entries, unit, units[unit as usize].time, &keys, &of_unit)?;
                }
            }
            Base::Correlation(child) => {
                let keys = hit_tuples(&child, &input.group_by, events, Nulls::OfGroup, &mut groups)?;
                let found = if counts_values { hit_tuples(&child, &input.fields, events, Nulls::Drop, &mut counted)? } else { Vec::new() };
                for (i, hit) in child.hits.iter().enumerate() {
                    let unit = units.len() as u32;
                    units.push(Unit { time: hit.time, row: hit.row, origin: Origin::Hit { child: children.len() as u32, hit: i as u32 } });
                    *grouped.entry(hit.row).or_default() |= !keys[i].is_empty();
                    let one = [if counts_rules { number } else { 0 }];
                    add(&mut entries, unit, hit.time, &keys[i], if counts_values { &found[i] } else { &one })?;
                }
                children.push(child);
            }
        }
    }
    let without_group = grouped.values().filter(|g| !**g).count() as u64;
    Ok(Grouped { entries, keys: groups.tuples, values, units, leaves, children, without_group })
}

fn of_leaf(fields: &LeafFields, leaf: u32) -> &[usize] {
    fields.get(&leaf).map_or(&[], Vec::as_slice)
}

/// One unit a row, however many detections matched it; ascending by row, so by time.
fn units_of_rows(inputs: &[Input<'_>], events: &EventRows) -> (Vec<Unit>, Vec<u32>, HashMap<u32, u32>) {
    let mut matched: Vec<(u32, u32)> = Vec::new();
    for input in inputs {
        if let Base::Detection(leaf, rows) = &input.base {
            matched.extend(rows.iter().map(|row| (*row, *leaf)));
        }
    }
    matched.sort_unstable();
    let (mut units, mut leaves, mut unit_of_row) = (Vec::new(), Vec::new(), HashMap::new());
    for of_row in matched.chunk_by(|a, b| a.0 == b.0) {
        let row = of_row[0].0;
        unit_of_row.insert(row, units.len() as u32);
        let from = leaves.len() as u32;
        leaves.extend(of_row.iter().map(|m| m.1));
        units.push(Unit { time: events.time[row as usize], row, origin: Origin::Row { from, to: leaves.len() as u32 } });
    }
    (units, leaves, unit_of_row)
}

/// The numbers among a field's values in a row; each element of an array is a cell of its own, so that equal ones add up.
fn numbers(fields: &[usize], row: u32, events: &EventRows, cells: &mut Tuples, out: &mut Vec<Number>) -> Vec<u32> {
    let mut found = Vec::new();
    for &field in fields {
        for (nth, code) in codes(field, row, events).into_iter().enumerate() {
            let Some(number) = events.dict.text(code).and_then(Number::parse) else { continue };
            let cell = cells.number(vec![code, nth as u32]);
            if cell as usize == out.len() {
                out.push(number);
            }
            found.push(cell);
        }
    }
    found
}

/// For each hit of a correlation the distinct tuples among the events that its window rests on.
fn hit_tuples(run: &Correlated, fields: &LeafFields, events: &EventRows, nulls: Nulls, out: &mut Tuples) -> Result<Vec<Vec<u32>>, String> {
    let of_children = run.children.iter().map(|c| hit_tuples(c, fields, events, nulls, out)).collect::<Result<Vec<_>, _>>()?;
    let of_units: Vec<Vec<u32>> = run
        .units
        .iter()
        .map(|unit| match unit.origin {
            Origin::Hit { child, hit } => of_children[child as usize][hit as usize].clone(),
            Origin::Row { from, to } => {
                let mut found: Vec<u32> =
                    run.leaves[from as usize..to as usize].iter().flat_map(|leaf| tuples(of_leaf(fields, *leaf), unit.row, events, nulls, out)).collect();
                found.sort_unstable();
                found.dedup();
                found
            }
        })
        .collect();
    let mut order: Vec<usize> = (0..run.hits.len()).collect();
    order.sort_by_key(|&i| (run.hits[i].group, run.hits[i].to, run.hits[i].from));
    let mut result: Vec<Vec<u32>> = vec![Vec::new(); run.hits.len()];
    let mut total = 0;
    for of_group in order.chunk_by(|a, b| run.hits[*a].group == run.hits[*b].group) {
        // Windows of a group slide: each unit enters and leaves once.
        let members = &run.groups[run.hits[of_group[0]].group as usize];
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        let (mut from, mut to) = (0, 0);
        for &i in of_group {
            let Hit { from: first, to: last, .. } = run.hits[i];
            while to < last {
                of_units[members[to as usize] as usize].iter().for_each(|t| *counts.entry(*t).or_default() += 1);
                to += 1;
            }
            while from < first {
                for t in &of_units[members[from as usize] as usize] {
                    if let Some(n) = counts.get_mut(t) {
                        *n -= 1;
                        if *n == 0 {
                            counts.remove(t);
                        }
                    }
                }
                from += 1;
            }
            total += counts.len();
            if total > MAX_ENTRIES {
                return Err("its windows hold too many groups".into());
            }
            result[i] = counts.keys().copied().collect();
        }
    }
    Ok(result)
}
