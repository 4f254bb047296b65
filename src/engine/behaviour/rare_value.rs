//! `rare_value`: a value that few have.
//!
//! Two measures. `fewer-than`: so many distinct values of the field `across` have the value within the group, those of the
//! instant included; a pair of both that was seen before is nothing new and does not fire. `percent`: the value's share of
//! the group's earlier events; a value fires once.

use super::{Entry, Fact, Subject};
use crate::event::dict::ABSENT;
use crate::rule::behaviour::Rarity;
use std::collections::{BTreeMap, HashMap, HashSet};

pub fn judge(subject: &mut Subject<'_>, field: &str, rarity: &Rarity) {
    // For each value how many have it.
    let mut holders: HashMap<u32, u64> = HashMap::new();
    subject.state.values.keys().for_each(|k| *holders.entry(k[0]).or_default() += 1);
    let mut fired: HashSet<u32> = HashSet::new();
    let entries = subject.entries;
    for instant in entries.chunk_by(|a, b| a.time == b.time) {
        let time = instant[0].time;
        let mut found: BTreeMap<[u32; 2], Vec<u32>> = BTreeMap::new();
        let (mut whole, mut without) = (0u64, 0u64);
        for entry in instant.iter().filter(|e| !e.known_by) {
            let pairs = pairs(subject, entry, rarity);
            match pairs.is_empty() {
                true => without += 1,
                false => whole += 1,
            }
            pairs.into_iter().for_each(|p| found.entry(p).or_default().push(entry.row));
        }
        if subject.is_judged(time) {
            subject.out.without_value += without;
        }
        if whole > 0 && subject.is_judged(time) && subject.is_ready(time, whole) {
            fire(subject, time, field, rarity, &found, &holders, &mut fired);
        }
        let known = instant.iter().filter(|e| e.known_by).count() as u64;
        (0..known + whole).for_each(|_| subject.state.learn(time));
        for (pair, rows) in found {
            if !subject.state.values.contains_key(&pair) {
                *holders.entry(pair[0]).or_default() += 1;
            }
            rows.iter().for_each(|_| subject.state.learn_value(pair, time));
        }
    }
}

/// Value and who has it; by share nobody is asked.
fn pairs(subject: &Subject<'_>, entry: &Entry, rarity: &Rarity) -> Vec<[u32; 2]> {
    let values = subject.values(entry, 0);
    match rarity {
        Rarity::Percent { .. } => values.into_iter().map(|v| [v, ABSENT]).collect(),
        Rarity::FewerThan { .. } => {
            let across = subject.values(entry, 1);
            values.into_iter().flat_map(|v| across.iter().map(move |a| [v, *a])).collect()
        }
    }
}

fn fire(
    subject: &mut Subject<'_>,
    time: i64,
    field: &str,
    rarity: &Rarity,
    found: &BTreeMap<[u32; 2], Vec<u32>>,
    holders: &HashMap<u32, u64>,
    fired: &mut HashSet<u32>,
) {
    for (pair, rows) in found {
        let known = subject.state.values.get(pair);
        let mut facts = vec![Fact::text("field", field), Fact::text("value", subject.text(pair[0]))];
        match rarity {
            Rarity::FewerThan { across, limit } => {
                let new = found.keys().filter(|p| p[0] == pair[0] && !subject.state.values.contains_key(*p)).count() as u64;
                let have = holders.get(&pair[0]).copied().unwrap_or_default() + new;
                if known.is_some() || have >= *limit {
                    continue;
                }
                facts.extend([Fact::text("across", across), Fact::text("by", subject.text(pair[1])), Fact::count("held_by", have)]);
            }
            Rarity::Percent { share, out_of } => {
                let (count, of) = (known.map_or(0, |s| s.count), subject.state.events);
                let percent = count as f64 * 100.0 / of.max(1) as f64;
                if of < *out_of || percent >= *share || !fired.insert(pair[0]) {
                    continue;
                }
                facts.extend([Fact::count("count_before", count), Fact::number("percent", percent)]);
            }
        }
        subject.hit(time, rows.clone(), facts);
    }
}
