//! What is known of an entity, and the form in which it outlives a run.

use super::code_of;
use crate::event::dict::Dict;
use crate::event::time::DAY;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a row of learned state is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The entity itself: its first and last event, and how many.
    Entity,
    /// A value, or a tuple of them, that the entity had.
    Value,
    /// A place of the entity's last located event.
    Place,
    /// Events in one window; the value is its start in microseconds.
    Window,
    /// A window in which the logs hold any event at all; of no entity.
    Covered,
}

impl Part {
    /// All parts.
    pub const ALL: [Part; 5] = [Part::Entity, Part::Value, Part::Place, Part::Window, Part::Covered];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Part::Entity => "entity",
            Part::Value => "value",
            Part::Place => "place",
            Part::Window => "window",
            Part::Covered => "covered",
        }
    }
}

/// One row of learned state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Learned {
    /// Values of the group-by fields.
    pub entity: Vec<Option<String>>,
    /// What the row is about.
    pub part: Part,
    /// Value, as [`Part`] has it.
    pub value: Vec<String>,
    /// First event, UTC microseconds.
    pub first: i64,
    /// Last event, UTC microseconds.
    pub last: i64,
    /// Days (UTC) with such an event.
    pub days: u32,
    /// Events.
    pub count: u64,
}

impl Learned {
    /// A window in which the logs hold any event.
    pub fn covered(start: i64) -> Learned {
        Learned { entity: Vec::new(), part: Part::Covered, value: vec![start.to_string()], first: start, last: start, days: 1, count: 1 }
    }

    /// Adds what another row of the same entity, part and value says of other events.
    pub fn absorb(&mut self, other: &Learned) {
        let shared = u32::from(day(self.last) == day(other.first) || day(other.last) == day(self.first));
        self.days = (self.days + other.days).saturating_sub(shared);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
    }
}

fn day(time: i64) -> i64 {
    time.div_euclid(DAY)
}

/// When and how often something was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// First event, UTC microseconds.
    pub first: i64,
    /// Last event.
    pub last: i64,
    /// Days (UTC) with such an event.
    pub days: u32,
    /// Events.
    pub count: u64,
}

impl Seen {
    fn at(time: i64) -> Seen {
        Seen { first: time, last: time, days: 1, count: 1 }
    }

    /// Takes a later event.
    fn again(&mut self, time: i64) {
        self.days += u32::from(day(time) != day(self.last));
        self.last = self.last.max(time);
        self.count += 1;
    }
}

/// What is known of one entity.
#[derive(Debug, Default)]
pub struct State {
    /// Its first event.
    pub since: Option<i64>,
    /// Its last event.
    pub last: Option<i64>,
    days: u32,
    /// Its events.
    pub events: u64,
    /// Pairs of codes, or a field's number and a code: what each kind of behaviour keeps.
    pub values: HashMap<[u32; 2], Seen>,
    /// Events by start of the window.
    pub windows: BTreeMap<i64, u64>,
    /// Codes of place and address of the last located instant.
    pub places: BTreeSet<[u32; 2]>,
    /// That instant.
    pub placed: Option<i64>,
}

impl State {
    /// Learns an event of the entity.
    pub fn learn(&mut self, time: i64) {
        self.days += u32::from(self.last.is_none_or(|l| day(l) != day(time)));
        self.since.get_or_insert(time);
        self.last = Some(time);
        self.events += 1;
    }

    /// Learns a value.
    pub fn learn_value(&mut self, key: [u32; 2], time: i64) {
        self.values.entry(key).and_modify(|s| s.again(time)).or_insert_with(|| Seen::at(time));
    }

    /// Takes a row of learned state.
    /// `numbered`: a value is a field's number and a text, see [`State::give`].
    pub fn take(&mut self, learned: &Learned, numbered: bool, dict: &Dict) {
        let seen = Seen { first: learned.first, last: learned.last, days: learned.days, count: learned.count };
        // No value is empty: an empty text stands for none.
        let text = |i: usize| learned.value.get(i).map(String::as_str).filter(|t| !t.is_empty());
        match learned.part {
            Part::Entity => {
                self.since = Some(learned.first);
                self.last = Some(learned.last);
                self.days = learned.days;
                self.events = learned.count;
            }
            Part::Value => {
                let first = if numbered { text(0).and_then(|n| n.parse().ok()).unwrap_or_default() } else { code_of(dict, text(0)) };
                self.values.insert([first, code_of(dict, text(1))], seen);
            }
            Part::Place => {
                // Of two baselines the later place is the last.
                if self.placed.is_some_and(|p| p < learned.last) {
                    self.places.clear();
                }
                if self.placed.is_none_or(|p| p <= learned.last) {
                    self.placed = Some(learned.last);
                    self.places.insert([code_of(dict, text(0)), code_of(dict, text(1))]);
                }
            }
            Part::Window => {
                if let Some(start) = text(0).and_then(|t| t.parse().ok()) {
                    *self.windows.entry(start).or_default() += learned.count;
                }
            }
            Part::Covered => {}
        }
    }

    /// Gives everything that is known, in no order. `numbered`: the first of a pair is a number, not the code of a text.
    pub fn give(self, entity: Vec<Option<String>>, dict: &Dict, numbered: bool, out: &mut Vec<Learned>) {
        let (Some(first), Some(last)) = (self.since, self.last) else { return };
        let text = |code: u32| dict.text(code).unwrap_or_default().to_owned();
        let mut row = |part: Part, value: Vec<String>, seen: Seen| {
            out.push(Learned { entity: entity.clone(), part, value, first: seen.first, last: seen.last, days: seen.days, count: seen.count });
        };
        row(Part::Entity, Vec::new(), Seen { first, last, days: self.days, count: self.events });
        for (key, seen) in self.values {
            let first = if numbered { key[0].to_string() } else { text(key[0]) };
            row(Part::Value, vec![first, text(key[1])], seen);
        }
        for [place, address] in self.places {
            row(Part::Place, vec![text(place), text(address)], Seen::at(self.placed.unwrap_or(last)));
        }
        for (start, count) in self.windows {
            row(Part::Window, vec![start.to_string()], Seen { first: start, last: start, days: 1, count });
        }
    }
}
