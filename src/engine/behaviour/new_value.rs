//! `new_value`: a value that the entity never had before.
//!
//! Of several fields an event is unusual when each of them holds a value that is new. A value is learnt when it was seen, be
//! it judged or not: it fires once.

use super::{Entry, Fact, Subject};

pub fn judge(subject: &mut Subject<'_>, fields: &[String]) {
    let entries = subject.entries;
    for instant in entries.chunk_by(|a, b| a.time == b.time) {
        let time = instant[0].time;
        let judged: Vec<(&Entry, Vec<Vec<u32>>)> =
            instant.iter().filter(|e| !e.known_by).map(|e| (e, (0..fields.len()).map(|f| subject.values(e, f)).collect())).collect();
        // An event without one of the values is none for this rule.
        let (whole, without): (Vec<_>, Vec<_>) = judged.into_iter().partition(|(_, values)| values.iter().all(|v| !v.is_empty()));
        if subject.is_judged(time) {
            subject.out.without_value += without.len() as u64;
        }
        if !whole.is_empty() && subject.is_judged(time) && subject.is_ready(time, whole.len() as u64) {
            fire(subject, time, fields, &whole);
        }
        let known = instant.iter().filter(|e| e.known_by).count();
        (0..known + whole.len()).for_each(|_| subject.state.learn(time));
        for (field, values) in whole.iter().flat_map(|(_, of)| (0..).zip(of)) {
            values.iter().for_each(|v| subject.state.learn_value([field, *v], time));
        }
    }
}

/// One hit for each combination of new values at the instant, with every event that has it.
fn fire(subject: &mut Subject<'_>, time: i64, fields: &[String], whole: &[(&Entry, Vec<Vec<u32>>)]) {
    let mut found: std::collections::BTreeMap<Vec<u32>, Vec<u32>> = Default::default();
    for (entry, values) in whole {
        let mut combined: Vec<Vec<u32>> = vec![Vec::new()];
        for (field, of) in (0..).zip(values) {
            let new: Vec<u32> = of.iter().copied().filter(|v| !subject.state.values.contains_key(&[field, *v])).collect();
            combined = combined.iter().flat_map(|prefix| new.iter().map(|v| prefix.iter().copied().chain([*v]).collect())).collect();
            combined.truncate(MAX_COMBINATIONS);
        }
        combined.into_iter().for_each(|c| found.entry(c).or_default().push(entry.row));
    }
    for (values, rows) in found {
        let mut facts = Vec::new();
        for (i, (field, value)) in fields.iter().zip(&values).enumerate() {
            let known = subject.state.values.keys().filter(|k| k[0] == i as u32).count() as u64;
            facts.push(Fact::text("field", field));
            facts.push(Fact::text("value", subject.text(*value)));
            facts.push(Fact::count("values_before", known));
        }
        subject.hit(time, rows, facts);
    }
}

/// Combinations of the arrays of one event that are looked at.
const MAX_COMBINATIONS: usize = 1000;
