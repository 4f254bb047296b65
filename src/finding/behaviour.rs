//! From behaviours to findings: which entities did something unusual, and which could not be judged.

use super::scan::Scan;
use super::{Finding, MAX_BURST, QUIET, bursts};
use crate::diag::UserError;
use crate::engine::behaviour::{Base, Behaved, FactValue, Hit, Learned, Part, Setting, Unready, behave, know};
use crate::engine::gathered::IndexEntry;
use crate::engine::plan::{Routing, route};
use crate::event::time::{DAY, SECOND, format_duration, format_time};
use crate::finding::states::RuleState;
use crate::rule::behaviour::{Behaviour, BehaviourKind, Learning};
use crate::rule::{Body, FieldRef};
use std::collections::BTreeMap;

/// An entity of which a behaviour rule did not judge all events: no finding, and no pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Index of the rule.
    pub rule: usize,
    /// Field and value pairs.
    pub entity: Vec<(String, String)>,
    /// Why.
    pub why: Unready,
    /// First event of the entity, UTC microseconds.
    pub since: i64,
    /// Events by which it was known.
    pub events: u64,
    /// From this instant on it was judged.
    pub judged_from: Option<i64>,
    /// Events that were not judged.
    pub unjudged: u64,
}

/// What a behaviour rule counted beside its findings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entities of which at least one event was judged.
    pub judged: u64,
    /// Entities of which none was.
    pub not_judged: u64,
    /// Events left out because the value that the rule looks at is null.
    pub without_value: u64,
    /// Events left out because the baseline holds them already.
    pub learnt_before: u64,
    /// Entities that fell silent and of which the logs hold no event to show.
    pub without_evidence: u64,
}

/// What was learnt from earlier logs, by rule and source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Baseline {
    /// For each source (its id) the stretch that was learnt.
    pub sources: BTreeMap<String, Stretch>,
    /// By rule id: the hash of the rule with its bases, and the state.
    pub rules: BTreeMap<String, (String, Vec<Learned>)>,
}

/// A stretch of one source's events that was learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// First event, UTC microseconds.
    pub since: i64,
    /// The instant before which every event is learnt, UTC microseconds.
    pub until: i64,
}

impl Baseline {
    /// Puts another baseline beside or after this one. Refused where both learnt from the same stretch of a source, or from
    /// different versions of a rule.
    pub fn absorb(&mut self, other: Baseline) -> Result<(), String> {
        for (source, theirs) in other.sources {
            match self.sources.get_mut(&source) {
                Some(ours) if theirs.since < ours.until && ours.since < theirs.until => {
                    return Err(format!(
                        "both baselines learnt {source} between {} and {}: its events would count twice",
                        format_time(ours.since.max(theirs.since)),
                        format_time(ours.until.min(theirs.until))
                    ));
                }
                Some(ours) => {
                    *ours = Stretch { since: ours.since.min(theirs.since), until: ours.until.max(theirs.until) };
                }
                None => {
                    self.sources.insert(source, theirs);
                }
            }
        }
        for (rule, (hash, learned)) in other.rules {
            match self.rules.get_mut(&rule) {
                Some((ours, _)) if *ours != hash => {
                    return Err(format!("the baselines were built with different versions of the rule {rule}; build them anew"));
                }
                Some((_, rows)) => *rows = merged(std::mem::take(rows), learned),
                None => {
                    self.rules.insert(rule, (hash, learned));
                }
            }
        }
        Ok(())
    }
}

/// Rows of two states as one.
fn merged(a: Vec<Learned>, b: Vec<Learned>) -> Vec<Learned> {
    type Key = (Vec<Option<String>>, Part, Vec<String>);
    let mut by_key: BTreeMap<Key, Learned> = BTreeMap::new();
    for row in a.into_iter().chain(b) {
        let key = (row.entity.clone(), row.part, row.value.clone());
        match by_key.get_mut(&key) {
            Some(known) => known.absorb(&row),
            None => {
                by_key.insert(key, row);
            }
        }
    }
    by_key.into_values().collect()
}

/// The events of a run, and the earliest second of each of their groups, UTC microseconds.
pub(super) struct Indexed<'i> {
    index: &'i [IndexEntry],
    first: Vec<Option<i64>>,
}

impl<'i> Indexed<'i> {
    /// Looks at all events once.
    pub(super) fn new(index: &'i [IndexEntry], groups: usize) -> Indexed<'i> {
        let mut first = vec![None; groups];
        for entry in index {
            if let Some(known) = first.get_mut(entry.group() as usize) {
                let time = i64::from(entry.seconds) * SECOND;
                *known = Some(known.map_or(time, |k: i64| k.min(time)));
            }
        }
        Indexed { index, first }
    }
}

impl<'a> Scan<'a> {
    /// What the baseline knows for a behaviour rule, if it knows this very rule.
    fn learned_of(&self, rule: usize) -> Option<&'a [Learned]> {
        let known = self.baseline.and_then(|b| b.rules.get(&self.rules.rules[rule].meta.id));
        known.filter(|(hash, _)| *hash == self.identity(rule)).map(|k| k.1.as_slice())
    }

    /// Adds the texts that a behaviour rule's baseline holds to those of the events.
    pub(super) fn know(&mut self, rule: usize) {
        if let Some(learned) = self.learned_of(rule) {
            know(learned, &mut self.rows.dict);
        }
    }

    /// Runs a behaviour rule.
    pub(super) fn behave_one(&self, rule: usize, behaviour: &Behaviour, rows: &[Vec<u32>], about: &Indexed<'_>) -> Result<Behaved, UserError> {
        let set = self.rules;
        let meta = &set.rules[rule].meta;
        let known = self.learned_of(rule);
        let learned = known.unwrap_or_default();
        // A rule that the baseline does not know learns from the logs, however old they are.
        let until = |source: &str| known.and(self.baseline).and_then(|b| b.sources.get(source)).map(|s| s.until);
        let learnt_until: Vec<Option<i64>> = self.sources.mappings().iter().map(|m| until(&m.id)).collect();
        let bases: Vec<Base<'_>> = (0..)
            .zip(set.bases(rule))
            .zip(rows)
            .map(|((i, &base), rows)| Base {
                rows,
                group_by: self.fields_of(base, behaviour.group_by.iter().map(String::as_str)),
                fields: self.fields_of(base, behaviour.fields()),
                known_by: i >= behaviour.rules.len(),
            })
            .collect();
        let setting = Setting {
            judged: (self.period.from, self.period.to),
            since: self.reaches_back(rule, about),
            learnt_until: &learnt_until,
            learned,
            covered: self.covered(rule, behaviour, about, learned),
            keep: self.learn,
        };
        behave(behaviour, &bases, &self.rows, &setting)
            .map_err(|e| UserError::new(format!("{}:{}: `{}`: judging failed: {e}", meta.file, meta.line, meta.title)))
    }

    /// Takes what a behaviour rule found; gives the rows of its hits, for correlations that count it.
    pub(super) fn take_behaved(&mut self, rule: usize, behaviour: &Behaviour, found: Behaved, about: &Indexed<'_>, findings: &mut Vec<Finding>) -> Vec<u32> {
        let set = self.rules;
        let meta = &set.rules[rule].meta;
        self.ungrouped[rule] = found.without_entity;
        self.note_histories(rule, behaviour, &found);
        if matches!(&behaviour.kind, BehaviourKind::OffHours { calendar: None }) && self.states[rule] == RuleState::Ran {
            self.states[rule] = RuleState::NotAssessable("the site's calendar is not set; give `calendar:` in a --vars file".into());
        } else if self.states[rule] == RuleState::Ran && found.judged == 0 && found.hits.is_empty() && !found.unjudged.is_empty() {
            self.states[rule] = RuleState::NotAssessable(self.too_little_history(behaviour, self.reaches_back(rule, about)));
        }
        self.hits[rule] = found.hits.len() as u64;
        let entity = |hit: &Hit| self.entity(behaviour, &found.entities[hit.entity as usize]);
        if matches!(behaviour.kind, BehaviourKind::OffHours { .. }) {
            // A night's work is one finding.
            let mut of_entity: BTreeMap<u32, Vec<&Hit>> = BTreeMap::new();
            found.hits.iter().for_each(|h| of_entity.entry(h.entity).or_default().push(h));
            for hits in of_entity.values() {
                let rows: Vec<u32> = hits.iter().flat_map(|h| h.rows.iter().copied()).collect();
                for part in bursts(&rows, &self.rows.time, QUIET, MAX_BURST) {
                    let first = hits.iter().find(|h| h.rows.contains(&part[0])).unwrap_or(&hits[0]);
                    let made = Finding::new(rule, meta, entity(first), part.to_vec(), &self.rows.time, &self.event_name(part[0]));
                    findings.extend(made.map(|f| f.with_facts(first.facts.clone())));
                }
            }
        } else {
            for hit in &found.hits {
                let Some(&first) = hit.rows.first() else { continue };
                // Two values of one event are two findings.
                let values = hit.facts.iter().filter(|f| matches!(f.name, "value" | "from" | "to" | "by"));
                let named = values.fold(self.event_name(first).into_owned(), |name, f| match &f.value {
                    FactValue::Text(text) => format!("{name}\n{text}"),
                    _ => name,
                });
                let made = Finding::new(rule, meta, entity(hit), hit.rows.clone(), &self.rows.time, &named);
                findings.extend(made.map(|f| f.with_facts(hit.facts.clone())));
            }
        }
        if self.learn {
            let mut learned = found.learned;
            learned.sort();
            self.learned.insert(rule, learned);
        }
        let mut rows: Vec<u32> = found.hits.iter().flat_map(|h| h.rows.iter().copied()).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// What behaviours know at the end of a scan that was asked to learn, with what they knew before.
    pub fn baseline_learned(&self) -> Baseline {
        let mut out = Baseline { sources: self.baseline.map(|b| b.sources.clone()).unwrap_or_default(), rules: BTreeMap::new() };
        for (key, stat) in &self.tallied.groups {
            let (Some((first, last)), Some(mapping)) = (stat.inside, self.sources.mappings().get(key.source as usize)) else { continue };
            let until = self.period.to.unwrap_or(last + 1);
            let known = out.sources.entry(mapping.id.clone()).or_insert(Stretch { since: first, until });
            *known = Stretch { since: known.since.min(first), until: known.until.max(until) };
        }
        out.rules = self.learned.iter().map(|(rule, learned)| (self.rules.rules[*rule].meta.id.clone(), (self.identity(*rule), learned.clone()))).collect();
        out
    }

    /// Titles of the behaviour rules that the baseline knows in another version, and of those that it does not know.
    pub fn strangers_to_baseline(&self) -> (Vec<&str>, Vec<&str>) {
        let (mut changed, mut unknown) = (Vec::new(), Vec::new());
        let Some(baseline) = self.baseline else { return (changed, unknown) };
        for (i, rule) in self.rules.rules.iter().enumerate().filter(|(_, r)| matches!(r.body, Body::Behaviour(_))) {
            match baseline.rules.get(&rule.meta.id) {
                Some((hash, _)) if *hash == self.identity(i) => {}
                Some(_) => changed.push(rule.meta.title.as_str()),
                None => unknown.push(rule.meta.title.as_str()),
            }
        }
        (changed, unknown)
    }

    /// What a rule's learnt state holds for: the documents of the rule and of its bases.
    pub fn identity(&self, rule: usize) -> String {
        let hashes = [rule].into_iter().chain(self.rules.bases(rule).iter().copied()).map(|r| self.rules.rules[r].meta.hash.as_str());
        hashes.collect::<Vec<_>>().join("-")
    }

    /// Retained fields by the names that a base's events have for them.
    fn fields_of<'n>(&self, base: usize, names: impl IntoIterator<Item = &'n str>) -> Vec<usize> {
        let Body::Detection(d) = &self.rules.rules[base].body else { return Vec::new() };
        names.into_iter().filter_map(|n| d.taxonomy.resolve(n).ok().and_then(|f: FieldRef| self.field(&f))).collect()
    }

    fn entity(&self, behaviour: &Behaviour, codes: &[u32]) -> Vec<(String, String)> {
        let value = |code: &u32| self.rows.dict.text(*code).unwrap_or_default().to_owned();
        behaviour.group_by.iter().cloned().zip(codes.iter().map(value)).collect()
    }

    /// Whether a source's events can be among those that a rule looks at.
    fn looks_at(&self, rule: usize, source: u8) -> bool {
        let Some(mapping) = self.sources.mappings().get(source as usize) else { return false };
        let bases = self.rules.bases(rule).iter().map(|b| &self.rules.rules[*b].body);
        bases.into_iter().any(|b| matches!(b, Body::Detection(d) if route(d, mapping) == Routing::Applies))
    }

    /// The groups of events that a rule looks at.
    fn groups_looked_at(&self, rule: usize) -> Vec<bool> {
        let looked: Vec<bool> = (0..self.sources.mappings().len()).map(|s| self.looks_at(rule, s as u8)).collect();
        self.tallied.groups.iter().map(|(key, _)| looked.get(key.source as usize).copied().unwrap_or_default()).collect()
    }

    /// The earliest instant of the events that a rule looks at, in these logs and in the baseline.
    fn reaches_back(&self, rule: usize, about: &Indexed<'_>) -> Option<i64> {
        let groups = self.groups_looked_at(rule);
        let first = groups.iter().zip(&about.first).filter(|(looked, _)| **looked).filter_map(|(_, first)| *first).min();
        let before = self.sources.mappings().iter().enumerate().filter(|(i, _)| self.looks_at(rule, *i as u8));
        let learnt = before.filter_map(|(_, m)| self.baseline.and_then(|b| b.sources.get(&m.id)).map(|s| s.since.div_euclid(SECOND) * SECOND)).min();
        first.into_iter().chain(learnt).min()
    }

    /// Windows of a volume in which the logs hold any event that the rule looks at, or one beside it of the same source.
    fn covered(&self, rule: usize, behaviour: &Behaviour, about: &Indexed<'_>, learned: &[Learned]) -> Vec<i64> {
        let (BehaviourKind::Spike(v) | BehaviourKind::Silence(v)) = &behaviour.kind else { return Vec::new() };
        let groups = self.groups_looked_at(rule);
        let inside = about.index.iter().filter(|e| groups.get(e.group() as usize).copied().unwrap_or_default());
        let times = inside.map(|e| i64::from(e.seconds) * SECOND).filter(|t| self.period.to.is_none_or(|to| *t < to));
        // Most events lie in the window of the event before: what is sorted is short.
        let mut starts: Vec<i64> = times.map(|t| t - t.rem_euclid(v.timespan)).collect();
        starts.dedup();
        starts.extend(learned.iter().filter(|l| l.part == Part::Covered).map(|l| l.first));
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    fn note_histories(&mut self, rule: usize, behaviour: &Behaviour, found: &Behaved) {
        let mut histories: Vec<History> = found
            .unjudged
            .iter()
            .map(|u| History {
                rule,
                entity: self.entity(behaviour, &found.entities[u.entity as usize]),
                why: u.why,
                since: u.since,
                events: u.events,
                judged_from: u.judged_from,
                unjudged: u.unjudged,
            })
            .collect();
        histories.sort_by(|a, b| a.entity.cmp(&b.entity));
        self.behaved.insert(
            rule,
            Counts {
                judged: found.judged,
                not_judged: histories.iter().filter(|h| h.judged_from.is_none()).count() as u64,
                without_value: found.without_value,
                learnt_before: found.learnt_before,
                without_evidence: found.without_evidence,
            },
        );
        self.histories.extend(histories);
    }

    fn too_little_history(&self, behaviour: &Behaviour, since: Option<i64>) -> String {
        let wanted = history_words(behaviour);
        let last = self.period_span.map(|s| s.1);
        match (since, last) {
            (Some(since), Some(last)) => format!("not enough history: {wanted}, and the logs reach from {} to {}", format_time(since), format_time(last)),
            _ => format!("not enough history: {wanted}"),
        }
    }
}

/// What history a behaviour asks for, in words.
pub fn history_words(behaviour: &Behaviour) -> String {
    match &behaviour.kind {
        BehaviourKind::Dormant { after } => format!("it looks for an absence of {}", span_words(*after)),
        _ => format!("it learns for {}", learning_words(behaviour.learning)),
    }
}

/// A learning period in words.
pub fn learning_words(learning: Learning) -> String {
    match (learning.time, learning.events) {
        (0, events) => format!("{events} events"),
        (time, 0) => span_words(time),
        (time, events) => format!("{} and {events} events", span_words(time)),
    }
}

/// A span of a rule in words: whole days as days.
pub fn span_words(micros: i64) -> String {
    match micros % DAY {
        0 if micros == DAY => "1 day".into(),
        0 => format!("{} days", micros / DAY),
        _ => format_duration(micros),
    }
}
