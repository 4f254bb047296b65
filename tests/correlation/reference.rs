//! The definition of correlations, spelled out window by window and as slow as it is plain (see the head of the module).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400_000_000;

/// An event: its time in microseconds, and what a rule sees of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fact {
    pub id: String,
    pub time: i64,
    pub body: Map<String, Value>,
}

/// What a correlation computes over a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    EventCount,
    ValueCount,
    ValueSum,
    ValueAvg,
    /// Of so many percent.
    ValuePercentile(u32),
    ValueMedian,
    Temporal,
    TemporalOrdered,
}

impl Kind {
    pub fn is_count(self) -> bool {
        matches!(self, Kind::EventCount | Kind::ValueCount | Kind::Temporal | Kind::TemporalOrdered)
    }

    pub fn is_temporal(self) -> bool {
        matches!(self, Kind::Temporal | Kind::TemporalOrdered)
    }
}

/// A correlation rule. Of its `rules`, one of a single letter is a detection that matches events whose `k` holds the letter;
/// any other is the name of a correlation before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Correlation {
    pub name: String,
    pub kind: Kind,
    pub rules: Vec<String>,
    pub group_by: Vec<String>,
    /// Alias, then rule, then field.
    pub aliases: BTreeMap<String, BTreeMap<String, String>>,
    pub fields: Vec<String>,
    /// Comparison and number, all of which must hold; none for a temporal rule that wants all of its rules.
    pub limits: Vec<(String, f64)>,
    /// Microseconds.
    pub span: i64,
}

impl Correlation {
    /// Whether a window that satisfies the condition satisfies it however much it grows.
    pub fn is_monotone(&self) -> bool {
        self.kind.is_count() && self.limits.iter().all(|(op, _)| op == "gt" || op == "gte")
    }
}

/// Findings of a correlation, sorted: group values (null as empty text) and ids of the events.
pub type Findings = Vec<(Vec<String>, BTreeSet<String>)>;

/// What a correlation finds, and how many events it leaves out for want of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub findings: Findings,
    pub left_out: usize,
}

/// A hit of a rule: the event that completes it and the events that it rests on.
#[derive(Debug, Clone, PartialEq)]
struct Hit {
    rule: String,
    event: usize,
    evidence: BTreeSet<usize>,
}

type Key = Vec<Option<String>>;

/// The answer of each correlation, in their order.
pub fn answers(facts: &[Fact], correlations: &[Correlation]) -> Vec<Answer> {
    correlations.iter().map(|c| answer(c, facts, correlations)).collect()
}

fn answer(c: &Correlation, facts: &[Fact], all: &[Correlation]) -> Answer {
    let (groups, left_out) = groups(c, facts, all);
    let mut findings = Findings::new();
    for (key, members) in &groups {
        for burst in bursts(c, members, facts) {
            let burst = if c.kind == Kind::TemporalOrdered { from_the_first_rule(c, burst, members, facts) } else { burst };
            let mut rows: Vec<usize> = burst.into_iter().flat_map(|i| members[i].evidence.clone()).collect::<BTreeSet<_>>().into_iter().collect();
            rows.sort_by_key(|r| facts[*r].time);
            // Cut from the first row on, wherever a part would be too long.
            let longest = DAY.max(c.span);
            while !rows.is_empty() {
                let start = facts[rows[0]].time;
                let (part, rest): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|r| facts[*r].time - start <= longest);
                let key = key.iter().map(|v| v.clone().unwrap_or_default()).collect();
                findings.push((key, part.into_iter().map(|r| facts[r].id.clone()).collect()));
                rows = rest;
            }
        }
    }
    findings.sort();
    Answer { findings, left_out }
}

/// The hits of each group, and the number of events that are in none.
fn groups(c: &Correlation, facts: &[Fact], all: &[Correlation]) -> (BTreeMap<Key, Vec<Hit>>, usize) {
    let hits: Vec<Hit> = c.rules.iter().flat_map(|rule| rule_hits(rule, facts, all)).collect();
    let mut groups: BTreeMap<Key, Vec<Hit>> = BTreeMap::new();
    let (mut seen, mut grouped) = (BTreeSet::new(), BTreeSet::new());
    for hit in hits {
        seen.insert(hit.event);
        let fields: Vec<&str> = c.group_by.iter().map(|g| c.aliases.get(g).map_or(g.as_str(), |fields| fields[&hit.rule].as_str())).collect();
        let keys: BTreeSet<Key> = hit.evidence.iter().flat_map(|row| combinations(&facts[*row], &fields)).collect();
        for key in keys.into_iter().filter(|k| k.is_empty() || k.iter().any(Option::is_some)) {
            grouped.insert(hit.event);
            if c.kind.is_count() && c.kind != Kind::ValueCount || hit.evidence.iter().any(|row| has_value(c, &facts[*row])) {
                groups.entry(key).or_default().push(hit.clone());
            }
        }
    }
    (groups, seen.difference(&grouped).count())
}

fn rule_hits(rule: &str, facts: &[Fact], all: &[Correlation]) -> Vec<Hit> {
    if rule.len() == 1 {
        let matches = |f: &Fact| f.body.get("k").and_then(Value::as_str).is_some_and(|k| k.contains(rule));
        let rows = (0..facts.len()).filter(|i| matches(&facts[*i]));
        return rows.map(|i| Hit { rule: rule.to_owned(), event: i, evidence: BTreeSet::from([i]) }).collect();
    }
    let child = all.iter().find(|c| c.name == rule).unwrap_or_else(|| panic!("no correlation {rule}"));
    assert!(child.is_monotone(), "only what grows has a row that completes it");
    let mut out: Vec<Hit> = Vec::new();
    for members in groups(child, facts, all).0.values() {
        let time = |i: usize| facts[members[i].event].time;
        for last in 0..members.len() {
            let trailing: BTreeSet<usize> = (0..members.len()).filter(|i| time(*i) <= time(last) && time(last) - time(*i) <= child.span).collect();
            if qualifies(child, &trailing, members, facts) {
                let evidence = trailing.iter().flat_map(|i| members[*i].evidence.clone()).collect();
                let hit = Hit { rule: rule.to_owned(), event: members[last].event, evidence };
                if !out.contains(&hit) {
                    out.push(hit);
                }
            }
        }
    }
    out
}

/// The bursts of one group, as sets of indices of its hits.
fn bursts(c: &Correlation, members: &[Hit], facts: &[Fact]) -> Vec<BTreeSet<usize>> {
    let time = |i: usize| facts[members[i].event].time;
    let windows: Vec<BTreeSet<usize>> =
        (0..members.len()).map(|first| (0..members.len()).filter(|i| time(*i) >= time(first) && time(*i) - time(first) <= c.span).collect()).collect();
    let maximal = |w: &BTreeSet<usize>| !windows.iter().any(|other| other.len() > w.len() && w.is_subset(other));
    let mut out: Vec<BTreeSet<usize>> = Vec::new();
    for window in windows.iter().filter(|w| (c.is_monotone() || maximal(w)) && qualifies(c, w, members, facts)) {
        let (touching, apart): (Vec<_>, Vec<_>) = out.into_iter().partition(|b: &BTreeSet<usize>| !b.is_disjoint(window));
        out = apart;
        out.push(touching.into_iter().flatten().chain(window.iter().copied()).collect());
    }
    out
}

/// A burst of a sequence, without what comes before the first event of the first rule in the window that is complete first.
fn from_the_first_rule(c: &Correlation, burst: BTreeSet<usize>, members: &[Hit], facts: &[Fact]) -> BTreeSet<usize> {
    let time = |i: usize| facts[members[i].event].time;
    let window = |end: i64| -> BTreeSet<usize> { burst.iter().copied().filter(|i| time(*i) <= end && end - time(*i) <= c.span).collect() };
    let ends: BTreeSet<i64> = burst.iter().map(|i| time(*i)).collect();
    let complete = ends.into_iter().map(window).find(|w| qualifies(c, w, members, facts)).unwrap_or_default();
    let begins = complete.into_iter().filter(|i| members[*i].rule == c.rules[0]).map(time).min().unwrap_or(i64::MIN);
    burst.iter().copied().filter(|i| time(*i) >= begins).collect()
}

fn qualifies(c: &Correlation, window: &BTreeSet<usize>, members: &[Hit], facts: &[Fact]) -> bool {
    let events: BTreeSet<usize> = window.iter().map(|i| members[*i].event).collect();
    let rules: BTreeSet<&str> = window.iter().map(|i| members[*i].rule.as_str()).collect();
    let mut numbers: Vec<i128> = events.iter().flat_map(|e| c.fields.iter().flat_map(|f| numbers(&facts[*e], f)).collect::<Vec<_>>()).collect();
    numbers.sort_unstable();
    // A figure is a fraction: of hundredths, and what they are divided by.
    let (figure, parts) = match c.kind {
        Kind::EventCount => (100 * events.len() as i128, 1),
        Kind::ValueCount => {
            let tuples: BTreeSet<Key> = window.iter().flat_map(|i| &members[*i].evidence).flat_map(|row| whole_tuples(c, &facts[*row])).collect();
            (100 * tuples.len() as i128, 1)
        }
        Kind::ValueSum | Kind::ValueAvg | Kind::ValuePercentile(_) | Kind::ValueMedian if numbers.is_empty() => return false,
        Kind::ValueSum => (numbers.iter().sum(), 1),
        Kind::ValueAvg => (numbers.iter().sum(), numbers.len() as i128),
        Kind::ValuePercentile(p) => percentile(&numbers, p),
        Kind::ValueMedian => percentile(&numbers, 50),
        Kind::Temporal if c.limits.is_empty() => return rules.len() == c.rules.len(),
        Kind::Temporal => (100 * rules.len() as i128, 1),
        Kind::TemporalOrdered => return in_order(&c.rules, i64::MIN, &BTreeSet::new(), window, members, facts),
    };
    c.limits.iter().all(|(op, limit)| {
        let limit = (limit * 100.0).round() as i128 * parts;
        match op.as_str() {
            "gt" => figure > limit,
            "gte" => figure >= limit,
            "lt" => figure < limit,
            "lte" => figure <= limit,
            "eq" => figure == limit,
            "neq" => figure != limit,
            other => panic!("{other}"),
        }
    })
}

/// Linear interpolation at rank p/100·(n−1), in hundredths of a hundredth.
fn percentile(sorted: &[i128], p: u32) -> (i128, i128) {
    let rank = p as usize * (sorted.len() - 1);
    let (below, above) = (sorted[rank / 100], sorted[rank.div_ceil(100)]);
    (below * 100 + (above - below) * (rank % 100) as i128, 100)
}

/// Whether distinct events of the window match the rules one after another.
fn in_order(rules: &[String], after: i64, used: &BTreeSet<usize>, window: &BTreeSet<usize>, members: &[Hit], facts: &[Fact]) -> bool {
    let Some((rule, rest)) = rules.split_first() else { return true };
    window.iter().map(|i| &members[*i]).any(|hit| {
        let time = facts[hit.event].time;
        hit.rule == *rule && time >= after && !used.contains(&hit.event) && {
            let used = used.iter().copied().chain([hit.event]).collect();
            in_order(rest, time, &used, window, members, facts)
        }
    })
}

// ------------------------------------------------------------------------------------------------------ values of fields

/// The texts of a field's values: of an array those of its elements.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        None | Some(Value::Null | Value::Object(_)) => Vec::new(),
        Some(Value::Array(items)) => items.iter().flat_map(|i| texts(Some(i))).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(scalar) => vec![scalar.to_string()],
    }
}

/// Every combination of the fields' values; of a field without a value, null.
fn combinations(fact: &Fact, fields: &[&str]) -> BTreeSet<Key> {
    fields.iter().fold(BTreeSet::from([Vec::new()]), |out, field| {
        let found = texts(fact.body.get(*field));
        let values: Vec<Option<String>> = if found.is_empty() { vec![None] } else { found.into_iter().map(Some).collect() };
        out.iter().flat_map(|prefix| values.iter().map(move |v| prefix.iter().chain([v]).cloned().collect())).collect()
    })
}

fn whole_tuples(c: &Correlation, fact: &Fact) -> BTreeSet<Key> {
    let fields: Vec<&str> = c.fields.iter().map(String::as_str).collect();
    combinations(fact, &fields).into_iter().filter(|t| t.iter().all(Option::is_some)).collect()
}

fn has_value(c: &Correlation, fact: &Fact) -> bool {
    if c.kind == Kind::ValueCount { !whole_tuples(c, fact).is_empty() } else { c.fields.iter().any(|f| !numbers(fact, f).is_empty()) }
}

/// The numbers of a field in hundredths: of what is spelled as JSON spells numbers.
fn numbers(fact: &Fact, field: &str) -> Vec<i128> {
    let number = |text: &String| match serde_json::from_str::<Value>(text) {
        Ok(Value::Number(n)) if text.trim() == text => n.as_f64().map(|n| (n * 100.0).round() as i128),
        _ => None,
    };
    texts(fact.body.get(field)).iter().filter_map(number).collect()
}
