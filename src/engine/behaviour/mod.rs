//! Behaviours: the matches of base rules, entity by entity in the order of time, against what was seen of each before.
//!
//! Rows are sorted in Polars by entity and time; then one pass over each entity's events asks and learns. All events of one
//! instant are asked before any of them is learnt, so that the order of files decides nothing (RULES §4). What was learnt
//! can be kept ([`Learned`]) and given to a later run in the place of the logs that it was learnt from.

mod dormant;
mod history;
mod new_value;
mod off_hours;
mod rare_value;
mod travel;
mod volume;

pub use history::{Learned, Part};
pub use travel::{Place, impossible_pair};

use super::merge::EventRows;
use super::tuples::{Nulls, Tuples, tuples};
use crate::event::dict::{ABSENT, Dict};
use crate::event::value::{Kind, Value};
use crate::rule::behaviour::{Behaviour, BehaviourKind};
use history::State;
use polars::prelude::*;
use std::collections::BTreeMap;

/// What a base rule matched, and where the fields that the behaviour reads stand in it.
pub struct Base<'a> {
    /// Kept rows, ascending.
    pub rows: &'a [u32],
    /// Retained fields of `group-by`.
    pub group_by: Vec<usize>,
    /// Retained fields of [`Behaviour::fields`], in that order.
    pub fields: Vec<usize>,
    /// Its matches make an entity known and are not judged.
    pub known_by: bool,
}

/// What a behaviour is judged against.
pub struct Setting<'a> {
    /// Events from the first instant on, up to and without the second, are judged; UTC microseconds. Earlier ones are learnt.
    pub judged: (Option<i64>, Option<i64>),
    /// The earliest instant that the logs and what was learnt reach back to.
    pub since: Option<i64>,
    /// For each source the instant before which its events are in what was learnt already.
    pub learnt_until: &'a [Option<i64>],
    /// What was learnt before.
    pub learned: &'a [Learned],
    /// Start of each window (UTC microseconds, aligned) in which the logs hold any event; sorted. Of volumes only.
    pub covered: Vec<i64>,
    /// What is learnt is wanted, see [`Behaved::learned`].
    pub keep: bool,
}

/// Something unusual.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Index into [`Behaved::entities`].
    pub entity: u32,
    /// When it was: UTC microseconds.
    pub time: i64,
    /// The events that show it, ascending.
    pub rows: Vec<u32>,
    /// What stands beside it: what was looked at, and what was known.
    pub facts: Vec<Fact>,
}

/// A named fact of a hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What it is.
    pub name: &'static str,
    /// Its value.
    pub value: FactValue,
}

/// The value of a fact.
#[derive(Debug, Clone, PartialEq)]
pub enum FactValue {
    /// A text of the log or of the rule.
    Text(String),
    /// A count.
    Count(u64),
    /// A measure.
    Number(f64),
    /// An instant, UTC microseconds.
    Time(i64),
}

/// Why an entity was not judged, or not from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unready {
    /// The logs do not reach back far enough.
    HistoryTooShort,
    /// The logs do, but the entity is newer.
    NewEntity,
    /// It is known for long enough by too few events.
    TooFewEvents,
}

/// An entity of which events were not judged for want of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unjudged {
    /// Index into [`Behaved::entities`].
    pub entity: u32,
    /// Why.
    pub why: Unready,
    /// First event of the entity.
    pub since: i64,
    /// Events by which it was known at the last of the events that were not judged.
    pub events: u64,
    /// From this instant on it was judged.
    pub judged_from: Option<i64>,
    /// Events that were not judged.
    pub unjudged: u64,
}

/// What a behaviour rule found.
#[derive(Debug, Default)]
pub struct Behaved {
    /// Codes of each entity's values; entities that only earlier logs held are among them.
    pub entities: Vec<Vec<u32>>,
    /// Hits in the order of time, then entity.
    pub hits: Vec<Hit>,
    /// Entities without enough history, by entity.
    pub unjudged: Vec<Unjudged>,
    /// Entities of which at least one event was judged.
    pub judged: u64,
    /// Events left out because every group-by value is null.
    pub without_entity: u64,
    /// Events left out because the value that the rule looks at is null.
    pub without_value: u64,
    /// Events left out because what was learnt holds them already.
    pub learnt_before: u64,
    /// Entities that fell silent and of which these logs hold no event to show.
    pub without_evidence: u64,
    /// What is known at the end, where it was asked for.
    pub learned: Vec<Learned>,
}

/// An event of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    entity: u32,
    time: i64,
    row: u32,
    /// Which base matched it.
    base: u16,
    /// It makes the entity known and is not judged.
    known_by: bool,
}

/// One entity under judgement.
struct Subject<'a> {
    entity: u32,
    entries: &'a [Entry],
    state: State,
    out: &'a mut Behaved,
    run: &'a Run<'a>,
    /// For want of a history: see [`Unjudged`].
    unready: Option<(Unready, u64, u64)>,
    judged_from: Option<i64>,
}

/// What all entities of a run share.
struct Run<'a> {
    behaviour: &'a Behaviour,
    bases: &'a [Base<'a>],
    events: &'a EventRows,
    setting: &'a Setting<'a>,
}

/// Runs a behaviour rule over what its bases matched.
///
/// The dictionary of the rows' values holds what was learnt before: see [`know`]. Errors are of the machine.
pub fn behave(behaviour: &Behaviour, bases: &[Base<'_>], events: &EventRows, setting: &Setting<'_>) -> Result<Behaved, String> {
    let mut out = Behaved::default();
    let mut names = Tuples::default();
    let mut past: BTreeMap<u32, State> = BTreeMap::new();
    let numbered = matches!(behaviour.kind, BehaviourKind::NewValue { .. });
    for learned in setting.learned.iter().filter(|l| l.part != Part::Covered) {
        let tuple = learned.entity.iter().map(|v| code_of(&events.dict, v.as_deref())).collect();
        past.entry(names.number(tuple)).or_default().take(learned, numbered, &events.dict);
    }
    let entries = entries(bases, events, setting, &mut names, &mut out);
    let entries = sort(entries).map_err(|e| e.to_string())?;
    let run = Run { behaviour, bases, events, setting };
    let mut groups: BTreeMap<u32, &[Entry]> = past.keys().map(|entity| (*entity, &[] as &[Entry])).collect();
    groups.extend(entries.chunk_by(|a, b| a.entity == b.entity).map(|g| (g[0].entity, g)));
    for (entity, entries) in groups {
        let state = past.remove(&entity).unwrap_or_default();
        let mut subject = Subject { entity, entries, state, out: &mut out, run: &run, unready: None, judged_from: None };
        match &behaviour.kind {
            BehaviourKind::NewValue { fields } => new_value::judge(&mut subject, fields),
            BehaviourKind::RareValue { field, rarity } => rare_value::judge(&mut subject, field, rarity),
            BehaviourKind::Spike(volume) => volume::judge_spike(&mut subject, volume),
            BehaviourKind::Silence(volume) => volume::judge_silence(&mut subject, volume),
            BehaviourKind::ImpossibleTravel { speed, distance } => travel::judge(&mut subject, *speed, *distance),
            BehaviourKind::Dormant { after } => dormant::judge(&mut subject, *after),
            BehaviourKind::OffHours { calendar } => off_hours::judge(&mut subject, calendar.as_ref()),
        }
        let state = subject.finish();
        if setting.keep {
            let texts = names.tuples[entity as usize].iter().map(|c| events.dict.text(*c).map(str::to_owned)).collect();
            state.give(texts, &events.dict, numbered, &mut out.learned);
        }
    }
    if setting.keep {
        out.learned.extend(setting.covered.iter().map(|start| Learned::covered(*start)));
    }
    out.entities = names.tuples;
    let texts = |h: &Hit| -> Vec<Option<&str>> { out.entities[h.entity as usize].iter().map(|c| events.dict.text(*c)).collect() };
    // Never by codes: they depend on what else is in the logs.
    let order = |a: &Hit, b: &Hit| {
        (a.time, &a.rows).cmp(&(b.time, &b.rows)).then_with(|| (texts(a), format!("{:?}", a.facts)).cmp(&(texts(b), format!("{:?}", b.facts))))
    };
    let mut hits = std::mem::take(&mut out.hits);
    hits.sort_by(order);
    out.hits = hits;
    Ok(out)
}

/// Adds the texts of what was learnt before to the dictionary of the rows' values, where [`behave`] looks for them.
pub fn know(learned: &[Learned], dict: &mut Dict) {
    for l in learned {
        l.entity.iter().flatten().chain(&l.value).for_each(|text| _ = dict.intern(Value::str(text)));
    }
}

/// The code of a text; [`ABSENT`] of none.
fn code_of(dict: &Dict, text: Option<&str>) -> u32 {
    text.and_then(|t| dict.find(Value::str(t))).unwrap_or(ABSENT)
}

/// The events of every entity; what is learnt already, or comes after what is judged, is left out.
fn entries(bases: &[Base<'_>], events: &EventRows, setting: &Setting<'_>, names: &mut Tuples, out: &mut Behaved) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut without: Vec<u32> = Vec::new();
    let mut before: Vec<u32> = Vec::new();
    for (number, base) in (0..).zip(bases) {
        for &row in base.rows {
            let time = events.time[row as usize];
            if setting.judged.1.is_some_and(|to| time >= to) {
                break;
            }
            if setting.learnt_until.get(events.source[row as usize] as usize).copied().flatten().is_some_and(|until| time < until) {
                before.push(row);
                continue;
            }
            let of = tuples(&base.group_by, row, events, Nulls::OfGroup, names);
            if of.is_empty() {
                without.push(row);
            }
            entries.extend(of.into_iter().map(|entity| Entry { entity, time, row, base: number, known_by: base.known_by }));
        }
    }
    let distinct = |mut rows: Vec<u32>| {
        rows.sort_unstable();
        rows.dedup();
        rows.len() as u64
    };
    out.without_entity = distinct(without);
    out.learnt_before = distinct(before);
    entries
}

/// Sorted by entity, time and row; a row that several bases matched stands once, judged where one of them judges.
fn sort(entries: Vec<Entry>) -> PolarsResult<Vec<Entry>> {
    let column = |name: &str, f: &dyn Fn(&Entry) -> u32| Column::new(name.into(), entries.iter().map(f).collect::<Vec<u32>>());
    let times = Column::new("time".into(), entries.iter().map(|e| e.time).collect::<Vec<i64>>());
    // Judged before not judged.
    let rank = |e: &Entry| u32::from(e.known_by) << 16 | u32::from(e.base);
    let columns = vec![column("entity", &|e| e.entity), times, column("row", &|e| e.row), column("rank", &rank)];
    let frame = DataFrame::new(entries.len(), columns)?.sort(["entity", "time", "row", "rank"], SortMultipleOptions::default())?;
    let u32s = |name: &str| -> PolarsResult<Vec<u32>> { Ok(frame.column(name)?.u32()?.into_no_null_iter().collect()) };
    let (entity, row, rank) = (u32s("entity")?, u32s("row")?, u32s("rank")?);
    let time = frame.column("time")?.i64()?;
    let mut out: Vec<Entry> = time
        .into_no_null_iter()
        .zip(entity)
        .zip(row.into_iter().zip(rank))
        .map(|((time, entity), (row, rank))| Entry { entity, time, row, base: (rank & 0xffff) as u16, known_by: rank >> 16 == 1 })
        .collect();
    out.dedup_by_key(|e| (e.entity, e.row));
    Ok(out)
}

impl<'a> Subject<'a> {
    /// Whether an instant is judged, or only learnt.
    fn is_judged(&self, time: i64) -> bool {
        let (from, to) = self.run.setting.judged;
        from.is_none_or(|f| time >= f) && to.is_none_or(|t| time < t)
    }

    /// Whether the entity is known well enough at an instant that is judged; what is missing is noted. `events` are those of
    /// the instant that would be judged.
    fn is_ready(&mut self, time: i64, events: u64) -> bool {
        let learning = self.run.behaviour.learning;
        let long = |since: Option<i64>| since.is_some_and(|s| time - s >= learning.time);
        let since = self.state.since;
        if (learning.time == 0 || long(since)) && self.state.events >= learning.events {
            self.judged_from.get_or_insert(time);
            return true;
        }
        let why = if learning.time > 0 && !long(self.run.setting.since) {
            Unready::HistoryTooShort
        } else if learning.time > 0 && !long(since) {
            Unready::NewEntity
        } else {
            Unready::TooFewEvents
        };
        let unjudged = self.unready.map_or(0, |u| u.2) + events;
        self.unready = Some((why, self.state.events, unjudged));
        false
    }

    /// The values of a field of an entry; none where it is null. JSON is no value to learn.
    fn values(&self, entry: &Entry, field: usize) -> Vec<u32> {
        let at = self.run.bases[entry.base as usize].fields[field];
        let events = self.run.events;
        let mut codes = super::tuples::codes(at, entry.row, events);
        codes.retain(|c| events.dict.get(*c).is_some_and(|v| v.kind != Kind::Json && !v.text.is_empty()));
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    fn text(&self, code: u32) -> String {
        self.run.events.dict.text(code).unwrap_or_default().to_owned()
    }

    fn hit(&mut self, time: i64, rows: Vec<u32>, mut facts: Vec<Fact>) {
        if let Some(since) = self.state.since {
            facts.push(Fact::time("known_since", since));
            facts.push(Fact::count("events_before", self.state.events));
        }
        self.out.hits.push(Hit { entity: self.entity, time, rows, facts });
    }

    fn finish(self) -> State {
        if let (Some((why, events, unjudged)), Some(since)) = (self.unready, self.state.since) {
            self.out.unjudged.push(Unjudged { entity: self.entity, why, since, events, judged_from: self.judged_from, unjudged });
        }
        self.out.judged += u64::from(self.judged_from.is_some());
        self.state
    }
}

impl Fact {
    fn text(name: &'static str, value: impl Into<String>) -> Fact {
        Fact { name, value: FactValue::Text(value.into()) }
    }

    fn count(name: &'static str, value: u64) -> Fact {
        Fact { name, value: FactValue::Count(value) }
    }

    fn number(name: &'static str, value: f64) -> Fact {
        Fact { name, value: FactValue::Number(value) }
    }

    fn time(name: &'static str, value: i64) -> Fact {
        Fact { name, value: FactValue::Time(value) }
    }
}
