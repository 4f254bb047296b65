//! What a window is measured by: a number of events or values, an aggregate of numbers, or which rules occur in it.

use super::Entry;
use super::units::Values;
use crate::event::value::Number;
use crate::rule::correlation::{Correlation, CorrelationKind, Limit, Presence};
use hashbrown::HashMap;

/// The state of a sliding window.
pub enum Measure<'a> {
    /// Events.
    Events { limits: &'a [Limit], rows: HashMap<u32, u32> },
    /// Distinct values.
    Distinct { limits: &'a [Limit], counts: HashMap<u32, u32> },
    /// An aggregate of numbers.
    Numbers { limits: &'a [Limit], numbers: Numbers<'a> },
    /// Which rules matched.
    Rules { presence: &'a Presence, counts: Vec<u32> },
    /// Whether the rules matched one after the other.
    Sequence {
        /// For each instant, the latest start of a sequence that is complete by then.
        starts: Vec<(i64, i64)>,
        span: i64,
    },
}

impl<'a> Measure<'a> {
    /// For the entries of one group, in time order.
    pub fn new(correlation: &'a Correlation, entries: &[Entry], values: &'a Values) -> Measure<'a> {
        let limits = correlation.limits.as_slice();
        match &correlation.kind {
            CorrelationKind::EventCount => Measure::Events { limits, rows: HashMap::new() },
            CorrelationKind::ValueCount => Measure::Distinct { limits, counts: HashMap::new() },
            CorrelationKind::ValueSum => Measure::Numbers { limits, numbers: Numbers::new(Aggregate::Sum, entries, &values.numbers) },
            CorrelationKind::ValueAvg => Measure::Numbers { limits, numbers: Numbers::new(Aggregate::Average, entries, &values.numbers) },
            CorrelationKind::ValuePercentile(p) => Measure::Numbers { limits, numbers: Numbers::new(Aggregate::Percentile(*p), entries, &values.numbers) },
            CorrelationKind::ValueMedian => Measure::Numbers { limits, numbers: Numbers::new(Aggregate::Percentile(50.0), entries, &values.numbers) },
            CorrelationKind::Temporal(presence) => Measure::Rules { presence, counts: vec![0; correlation.rules.len()] },
            CorrelationKind::TemporalOrdered => Measure::Sequence { starts: sequence_starts(entries, correlation.rules.len()), span: correlation.timespan },
        }
    }

    /// A window that satisfies the condition still does when more events enter it.
    pub fn only_grows_into_holding(&self) -> bool {
        match self {
            Measure::Events { limits, .. } | Measure::Distinct { limits, .. } => limits.iter().all(Limit::is_lower_bound),
            // A sum falls with a negative number, an average with a small one.
            Measure::Numbers { .. } => false,
            Measure::Rules { presence, .. } => presence.only_grows_into_holding(),
            Measure::Sequence { .. } => true,
        }
    }

    /// An entry comes in at the end.
    pub fn enter(&mut self, entry: &Entry) {
        match self {
            Measure::Events { rows, .. } => *rows.entry(entry.row).or_default() += 1,
            Measure::Distinct { counts, .. } => *counts.entry(entry.value).or_default() += 1,
            Measure::Numbers { numbers, .. } => numbers.change(entry.value, true),
            Measure::Rules { counts, .. } => counts[entry.value as usize] += 1,
            Measure::Sequence { .. } => {}
        }
    }

    /// An entry goes out at the start.
    pub fn leave(&mut self, entry: &Entry) {
        match self {
            Measure::Events { rows, .. } => take_one(rows, entry.row),
            Measure::Distinct { counts, .. } => take_one(counts, entry.value),
            Measure::Numbers { numbers, .. } => numbers.change(entry.value, false),
            Measure::Rules { counts, .. } => counts[entry.value as usize] -= 1,
            Measure::Sequence { .. } => {}
        }
    }

    /// Whether the window, which ends at `time`, satisfies the condition.
    pub fn holds(&mut self, window: &[Entry], time: i64) -> bool {
        let all = |limits: &[Limit], n: f64| limits.iter().all(|l| l.holds(n));
        match self {
            Measure::Events { limits, rows } => all(limits, rows.len() as f64),
            Measure::Distinct { limits, counts } => all(limits, counts.len() as f64),
            Measure::Numbers { limits, numbers } => numbers.result(window).is_some_and(|n| all(limits, n)),
            Measure::Rules { presence, counts } => presence.holds(&|rule| counts[rule] > 0, counts.len()),
            Measure::Sequence { starts, span } => {
                let at = starts.partition_point(|s| s.0 <= time);
                at.checked_sub(1).is_some_and(|i| time - starts[i].1 <= *span)
            }
        }
    }
}

/// One fewer; what is down to none is gone.
fn take_one(counts: &mut HashMap<u32, u32>, key: u32) {
    if let Some(n) = counts.get_mut(&key) {
        *n -= 1;
        if *n == 0 {
            counts.remove(&key);
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Aggregate {
    Sum,
    Average,
    Percentile(f64),
}

/// Numbers of a window, ready for an aggregate at any time.
pub struct Numbers<'a> {
    aggregate: Aggregate,
    numbers: &'a [Number],
    count: usize,
    /// Sum of the whole numbers, exact.
    whole: i128,
    /// How many are no whole numbers.
    fractions: usize,
    /// For percentiles: the numbers of the group in ascending order, and a tree of how many of each are in the window.
    ranks: HashMap<u32, usize>,
    ascending: Vec<f64>,
    tree: Vec<usize>,
}

fn as_f64(n: Number) -> f64 {
    match n {
        Number::Int(i) => i as f64,
        Number::Float(f) => f,
    }
}

impl<'a> Numbers<'a> {
    fn new(aggregate: Aggregate, entries: &[Entry], numbers: &'a [Number]) -> Numbers<'a> {
        let mut out = Numbers { aggregate, numbers, count: 0, whole: 0, fractions: 0, ranks: HashMap::new(), ascending: Vec::new(), tree: Vec::new() };
        if matches!(aggregate, Aggregate::Percentile(_)) {
            let mut sorted: Vec<u32> = entries.iter().map(|e| e.value).collect();
            sorted.sort_by(|a, b| numbers[*a as usize].compare(numbers[*b as usize]).then(a.cmp(b)));
            sorted.dedup();
            out.ascending = sorted.iter().map(|v| as_f64(numbers[*v as usize])).collect();
            out.tree = vec![0; sorted.len() + 1];
            out.ranks = sorted.into_iter().enumerate().map(|(rank, v)| (v, rank)).collect();
        }
        out
    }

    fn change(&mut self, value: u32, enters: bool) {
        let add = |n: &mut usize| if enters { *n += 1 } else { *n -= 1 };
        add(&mut self.count);
        match self.numbers[value as usize] {
            Number::Int(i) if enters => self.whole = self.whole.saturating_add(i),
            Number::Int(i) => self.whole = self.whole.saturating_sub(i),
            Number::Float(_) => add(&mut self.fractions),
        }
        if let Some(&rank) = self.ranks.get(&value) {
            let mut at = rank + 1;
            while at < self.tree.len() {
                add(&mut self.tree[at]);
                at += at & at.wrapping_neg();
            }
        }
    }

    /// The aggregate; without a number there is none.
    fn result(&self, window: &[Entry]) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let sum = || {
            if self.fractions == 0 {
                return self.whole as f64;
            }
            // Added anew in time order: what slid in and out would leave rounding behind.
            window.iter().map(|e| as_f64(self.numbers[e.value as usize])).sum()
        };
        Some(match self.aggregate {
            Aggregate::Sum => sum(),
            Aggregate::Average => sum() / self.count as f64,
            Aggregate::Percentile(p) => {
                // Linear interpolation between the two nearest ranks.
                let rank = p * (self.count - 1) as f64 / 100.0;
                let (low, high) = (self.nth(rank.floor() as usize), self.nth(rank.ceil() as usize));
                low + (high - low) * (rank - rank.floor())
            }
        })
    }

    /// The n-th smallest number of the window, from 0.
    fn nth(&self, n: usize) -> f64 {
        let (mut at, mut left) = (0, n);
        let mut step = self.tree.len().next_power_of_two();
        while step > 0 {
            if at + step < self.tree.len() && self.tree[at + step] <= left {
                at += step;
                left -= self.tree[at];
            }
            step /= 2;
        }
        self.ascending.get(at).copied().unwrap_or_default()
    }
}

/// For each instant at which a sequence over all rules is complete, the latest start of such a sequence so far.
///
/// A sequence takes a distinct event for each rule, in the order of the rules, with times that do not fall; events of one
/// instant are in any order, so that the order of files decides nothing.
fn sequence_starts(entries: &[Entry], rules: usize) -> Vec<(i64, i64)> {
    // The latest start of a sequence over the first k rules.
    let mut latest: Vec<Option<i64>> = vec![None; rules + 1];
    let mut out: Vec<(i64, i64)> = Vec::new();
    for instant in entries.chunk_by(|a, b| a.time == b.time) {
        let time = instant[0].time;
        let before = latest.clone();
        for (begun, start) in before.iter().take(rules).enumerate() {
            let Some(start) = (if begun == 0 { Some(time) } else { *start }) else { continue };
            for reached in latest.iter_mut().skip(begun + 1).take(matched(instant, begun, rules)) {
                *reached = (*reached).max(Some(start));
            }
        }
        if let Some(start) = latest[rules] {
            out.push((time, start));
        }
    }
    out
}

/// How many rules from `begun` on can each be given an event of its own among those of one instant.
fn matched(instant: &[Entry], begun: usize, rules: usize) -> usize {
    let mut taken: HashMap<u32, usize> = HashMap::new();
    for rule in begun..rules {
        let mut tried = hashbrown::HashSet::new();
        if !give(instant, rule, &mut taken, &mut tried) {
            return rule - begun;
        }
    }
    rules - begun
}

/// Gives a rule an event, moving another rule to another event where that helps (augmenting paths).
fn give(instant: &[Entry], rule: usize, taken: &mut HashMap<u32, usize>, tried: &mut hashbrown::HashSet<u32>) -> bool {
    for e in instant.iter().filter(|e| e.value as usize == rule) {
        if !tried.insert(e.row) {
            continue;
        }
        let holder = taken.get(&e.row).copied();
        if holder.is_none_or(|other| give(instant, other, taken, tried)) {
            taken.insert(e.row, rule);
            return true;
        }
    }
    false
}
