//! One chunk of records of one source: values become codes, codes become bits, rules become matches.

mod columns;
mod compute;

use super::addresses::Addresses;
use super::chunk::Chunk;
use super::field::FieldState;
use super::late::LateColumns;
use super::masks::Masks;
use super::parsed::Parsed;
use super::plan::{AtomId, DetectPlan, Filled, SourcePlan};
use crate::event::dict::ABSENT;
use crate::event::time::Instant;
use crate::event::value::{Kind, Value, fold_case};
use crate::event::{Column, Outcome};
use crate::rule::FieldRef;
use crate::rule::detection::Detection;
use crate::source::mapping::times::NoTime;
use crate::source::mapping::{Expr, PathId, Row, RowFields};
use crate::source::walk::{Element, FieldId, KeyMemory, Rank, Sink, rank, walk_record};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::borrow::Cow;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// It has a time and the fields that detect the source.
    Accepted,
    /// It is no record of the source as it stands: it lacks what detects the source, or has to be written anew first.
    OtherShape,
    /// It is of the source and its time is missing or cannot be parsed.
    NoTime,
}

/// The rows of one chunk, and dictionaries that live on.
pub struct Batch<'p> {
    /// What is asked.
    pub plan: &'p SourcePlan,
    fields: Vec<FieldState>,
    takes: Vec<Takes>,
    /// Fields of which it counts that they are there, not what they hold.
    present_only: Vec<bool>,
    late: LateColumns,
    /// Values of the row whose rank is not that of a field's own nested path.
    ranked: Vec<(FieldId, u32, Rank)>,
    memory: KeyMemory,
    row_direct: Vec<(FieldId, u32, u32)>,
    arena: String,
    direct_rows: Vec<Vec<(u32, u32)>>,
    rows: u32,
    /// Record number of each row.
    pub records: Vec<u32>,
    /// Which event of its record each row is.
    pub parts: Vec<u16>,
    /// Span of each row's text in the chunk.
    pub spans: Vec<(usize, usize)>,
    /// Where rows came as columns: what tells the content of each.
    pub contents: Vec<u64>,
    /// Time of each row, UTC microseconds.
    pub times: Vec<i64>,
    /// What became of each row.
    pub states: Vec<RowState>,
    masks: Masks,
    /// Whether the selection of an alternative holds, by its number and the codes of its fields.
    selected: HashMap<Box<[u32]>, bool, RandomState>,
    addresses: Addresses,
    parsed: Parsed,
    /// The records are as they are to be read: none is to be written anew.
    pub settled: bool,
    epoch: u32,
}

/// What becomes of the values of a field.
#[derive(Debug, Clone, Copy)]
struct Takes {
    /// They may decide columns.
    late: bool,
    /// They are kept as text.
    text: bool,
    /// They get codes.
    code: bool,
}

impl Sink for Batch<'_> {
    #[inline]
    fn capture(&mut self, field: FieldId, rank: Rank, value: Value<'_>) {
        let takes = self.takes[field as usize];
        if takes.late {
            self.late.offer(field, rank > rank::OWN, value);
        }
        if takes.text {
            // One on, so that (0, 0) stays what an absent field has.
            let start = self.arena.len() as u32 + 1;
            if value.kind.is_text() {
                self.arena.push_str(value.text);
                self.fields[field as usize].seen = true;
            }
            self.row_direct.push((field, start, self.arena.len() as u32 + 1));
            return;
        }
        if !takes.code {
            return;
        }
        let code = self.intern(field, value);
        if rank == rank::OWN {
            let row = self.rows;
            self.fields[field as usize].push(row, code);
        } else {
            self.ranked.push((field, code, rank));
        }
    }

    fn forget(&mut self) {
        self.abort_row();
    }
}

impl<'p> Batch<'p> {
    /// An empty batch for a plan; with `all_columns` every column is computed for every row.
    pub fn new(plan: &'p SourcePlan, all_columns: bool) -> Batch<'p> {
        let late = LateColumns::new(plan, all_columns);
        let mut coded = vec![false; plan.fields.len()];
        for (id, f) in (0..).zip(&plan.fields) {
            coded[id as usize] |= !f.atoms.is_empty();
            if Some(id) != plan.event_id && !late.has(id) {
                f.inputs.iter().for_each(|&input| coded[input as usize] = true);
            }
        }
        plan.pairs.iter().for_each(|p| {
            coded[p.left as usize] = true;
            coded[p.right as usize] = true;
        });
        plan.retained.iter().flatten().chain(plan.places.iter().flatten()).chain(&plan.action).for_each(|&f| coded[f as usize] = true);
        plan.detect.iter().flat_map(|d| &d.selection).for_each(|&f| coded[f as usize] = true);
        plan.choosing_classes.iter().flat_map(|(_, fields)| fields).for_each(|&f| coded[f as usize] = true);
        plan.json_text.iter().chain(&plan.each).for_each(|&f| coded[f as usize] = true);
        let event_inputs: &[FieldId] = plan.event_id.map_or(&[], |e| &plan.fields[e as usize].inputs);
        let read_as_text = |id: FieldId| plan.time.contains(&id) || event_inputs.contains(&id);
        let is_record = |id: FieldId| matches!(plan.fields[id as usize].filled, Filled::Record);
        let ids = 0..plan.fields.len() as FieldId;
        let direct: Vec<bool> = ids.clone().map(|id| is_record(id) && !coded[id as usize] && read_as_text(id)).collect();
        let detects = |id: FieldId| {
            let looks = |d: &DetectPlan| [&d.has, &d.without, &d.selection].iter().any(|fields| fields.contains(&id));
            plan.detect.iter().any(looks) || plan.json_text.contains(&id) || plan.each == Some(id)
        };
        let interned: Vec<bool> = ids.clone().map(|id| !direct[id as usize] && (coded[id as usize] || detects(id))).collect();
        let takes = |id: FieldId| Takes { late: late.is_fed_by(id), text: direct[id as usize], code: interned[id as usize] };
        let takes = ids.clone().map(takes).collect();
        let present_only = ids.map(|id| interned[id as usize] && !coded[id as usize]).collect();
        let fields: Vec<FieldState> = plan.fields.iter().map(|_| FieldState::default()).collect();
        Batch {
            plan,
            direct_rows: vec![Vec::new(); fields.len()],
            fields,
            takes,
            present_only,
            late,
            ranked: Vec::new(),
            memory: KeyMemory::default(),
            row_direct: Vec::new(),
            arena: String::new(),
            rows: 0,
            records: Vec::new(),
            parts: Vec::new(),
            spans: Vec::new(),
            contents: Vec::new(),
            times: Vec::new(),
            states: Vec::new(),
            masks: Masks::default(),
            selected: HashMap::default(),
            addresses: Addresses::new(plan.databases.clone()),
            parsed: Parsed::default(),
            settled: false,
            epoch: 0,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows as usize
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    #[inline]
    fn intern(&mut self, field: FieldId, value: Value<'_>) -> u32 {
        self.fields[field as usize].intern(&self.plan.fields[field as usize].atoms, value)
    }

    /// Tells that the records to come are slices of these bytes.
    pub fn begin_chunk(&mut self, bytes: &[u8]) {
        self.late.begin_chunk(bytes);
    }

    /// Ends the row whose values were captured.
    #[inline]
    pub fn end_row(&mut self, record: u32, part: u16) {
        let row = self.rows;
        if !self.ranked.is_empty() {
            self.settle_ranks(row);
        }
        self.late.end_row(row);
        for &(field, start, end) in &self.row_direct {
            let rows = &mut self.direct_rows[field as usize];
            if rows.len() <= row as usize {
                rows.resize(row as usize + 1, (0, 0));
                rows[row as usize] = (start, end);
            }
        }
        self.row_direct.clear();
        self.records.push(record);
        self.parts.push(part);
        self.rows += 1;
    }

    /// Of each field only the values of its highest rank stay.
    fn settle_ranks(&mut self, row: u32) {
        let mut ranked = std::mem::take(&mut self.ranked);
        ranked.sort_by_key(|r| r.0);
        for of_field in ranked.chunk_by(|a, b| a.0 == b.0) {
            let state = &mut self.fields[of_field[0].0 as usize];
            let highest = of_field.iter().map(|r| r.2).max().unwrap_or(rank::OWN);
            if highest > rank::OWN {
                state.forget(row);
            } else if state.column.len() > row as usize {
                continue;
            }
            of_field.iter().filter(|r| r.2 == highest).for_each(|r| state.push(row, r.1));
        }
        ranked.clear();
        self.ranked = ranked;
    }

    /// Walks one record's text and adds it as a row; an error leaves no row behind.
    pub fn add(&mut self, chunk: &Chunk<'_>, span: (usize, usize), record: u32, part: u16) -> Result<(), String> {
        let raw = chunk.text(span.0, span.1).ok_or("the record is not valid UTF-8")?;
        let mut memory = self.take_memory();
        let walked = walk_record(&self.plan.trie, &mut memory, self, raw);
        self.remember(memory);
        match walked {
            Ok(Element::Object) => {
                self.end_row(record, part);
                self.spans.push(span);
                Ok(())
            }
            Ok(Element::Other) => {
                self.abort_row();
                Err("not a record: expected a JSON object".into())
            }
            Err(e) => {
                self.abort_row();
                Err(e)
            }
        }
    }

    /// Forgets what was captured of an unfinished row.
    pub fn abort_row(&mut self) {
        let row = self.rows;
        self.fields.iter_mut().for_each(|f| f.forget(row));
        self.late.abort_row();
        self.ranked.clear();
        self.row_direct.clear();
    }

    /// The order of keys seen so far, for a walk that borrows the batch; give it back with [`Batch::remember`].
    pub fn take_memory(&mut self) -> KeyMemory {
        std::mem::take(&mut self.memory)
    }

    /// Takes the order of keys back.
    pub fn remember(&mut self, memory: KeyMemory) {
        self.memory = memory;
    }

    /// How often the dictionaries began anew: codes of different epochs mean different values.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Forgets all rows; dictionaries stay unless they grew too large.
    pub fn clear(&mut self) {
        self.ranked.clear();
        self.row_direct.clear();
        let too_large = self.late.is_too_large() || self.fields.iter().any(FieldState::is_too_large);
        self.late.clear(too_large);
        self.fields.iter_mut().for_each(|f| f.clear(too_large));
        if too_large {
            self.addresses.clear();
        }
        if too_large || self.selected.len() > crate::event::dict::MAX_VALUES {
            self.selected.clear();
        }
        self.epoch += u32::from(too_large);
        self.parsed.clear();
        self.direct_rows.iter_mut().for_each(Vec::clear);
        self.arena.clear();
        self.rows = 0;
        self.records.clear();
        self.parts.clear();
        self.spans.clear();
        self.contents.clear();
        self.times.clear();
        self.states.clear();
    }

    fn code(&self, field: FieldId, row: u32) -> u32 {
        self.fields[field as usize].column.get(row as usize).copied().unwrap_or(ABSENT)
    }

    /// Calls `f` with the code of every value of a field in a row; fields that are kept as text only have none.
    #[inline]
    pub fn each_code(&self, field: FieldId, row: u32, f: &mut dyn FnMut(u32)) {
        let code = self.code(field, row);
        if code != ABSENT {
            f(code);
        }
        self.fields[field as usize].extras(row).iter().for_each(|e| f(e.1));
    }

    /// As [`Batch::each_code`], for a row that is kept: columns that no rule asked for are computed only now.
    pub fn each_kept_code(&mut self, field: FieldId, row: u32, chunk: &Chunk<'_>, f: &mut dyn FnMut(&Batch<'_>, u32)) {
        if self.late.is_lazy(field) {
            let code = self.late_code(field, row, chunk);
            if code != ABSENT {
                f(self, code);
            }
            return;
        }
        self.each_code(field, row, &mut |code| f(self, code));
    }

    fn late_code(&mut self, column: FieldId, row: u32, chunk: &Chunk<'_>) -> u32 {
        let (plan, state) = (self.plan, &mut self.fields[column as usize]);
        self.late.code(column, row, chunk, &mut |text| state.intern(&plan.fields[column as usize].atoms, Value::str(text)))
    }

    /// The value of a code of a field.
    pub fn value(&self, field: FieldId, code: u32) -> Option<Value<'_>> {
        self.fields[field as usize].dict.get(code)
    }

    /// Calls `f` with every value of a field in a row.
    pub fn each_value(&self, field: FieldId, row: u32, f: &mut dyn FnMut(Value<'_>)) {
        if self.takes[field as usize].text {
            if let Some(&(start, end)) = self.direct_rows[field as usize].get(row as usize)
                && end > start
            {
                f(Value::str(&self.arena[start as usize - 1..end as usize - 1]));
            }
            return;
        }
        let dict = &self.fields[field as usize].dict;
        self.each_code(field, row, &mut |c| {
            if let Some(v) = dict.get(c) {
                f(v);
            }
        });
    }

    /// The first scalar (or kept JSON) of a field in a row.
    pub fn text(&self, field: FieldId, row: u32) -> Option<&str> {
        if self.takes[field as usize].text {
            let &(start, end) = self.direct_rows[field as usize].get(row as usize)?;
            return (end > start).then(|| &self.arena[start as usize - 1..end as usize - 1]);
        }
        self.fields[field as usize].dict.text(self.code(field, row))
    }

    /// Whether a field is present in a row.
    fn has(&self, field: FieldId, row: u32) -> bool {
        match self.takes[field as usize].text {
            true => self.direct_rows[field as usize].get(row as usize).is_some_and(|at| *at != (0, 0)),
            false => self.code(field, row) != ABSENT,
        }
    }

    /// Whether an alternative of the source's `detect` holds.
    fn is_shaped(&mut self, row: u32) -> bool {
        let plan = self.plan;
        plan.detect.iter().enumerate().any(|(i, d)| {
            d.has.iter().all(|&f| self.has(f, row)) && !d.without.iter().any(|&f| self.has(f, row)) && (d.selection.is_empty() || self.is_selected(i, row))
        })
    }

    fn is_selected(&mut self, alternative: usize, row: u32) -> bool {
        let plan = self.plan;
        let Some(selection) = &plan.mapping.detect[alternative].selection else { return true };
        self.holds(alternative as u32, selection, &plan.detect[alternative].selection, row)
    }

    /// Whether a condition of the mapping holds: asked once for each distinct tuple of the codes of its fields.
    fn holds(&mut self, id: u32, selection: &Detection, fields: &[FieldId], row: u32) -> bool {
        let plan = self.plan;
        let mut key = vec![id];
        for (position, &field) in (0..).zip(fields) {
            self.each_code(field, row, &mut |code| key.extend([position, code]));
        }
        if let Some(&holds) = self.selected.get(key.as_slice()) {
            return holds;
        }
        let holds = selection.holds(&RowFields(&BatchRow { batch: self, row }, plan.mapping.reading()));
        self.selected.insert(key.into(), holds);
        holds
    }

    /// Whether a field holds JSON as text, or the record several events.
    fn is_to_be_rewritten(&self, row: u32) -> bool {
        let is_json = |f: FieldId| {
            let mut found = false;
            self.each_value(f, row, &mut |v| found |= v.kind == Kind::Str && crate::source::unwrap::is_json_text(v.text));
            found
        };
        self.plan.each.is_some_and(|f| !self.fields[f as usize].extras(row).is_empty()) || self.plan.json_text.iter().any(|&f| is_json(f))
    }

    /// A row's time: of the fields that may hold it, the first that can be read; else the text of the first that is there, and
    /// what is wrong with it.
    pub fn time(&self, row: u32) -> Result<Instant, Option<(&str, NoTime)>> {
        let mut wrong = None;
        for (&field, how) in self.plan.time.iter().zip(&self.plan.mapping.reading().time) {
            let Some(text) = self.text(field, row).filter(|t| !t.is_empty()) else { continue };
            match how.read(text) {
                Ok(instant) => return Ok(instant),
                Err(why) => wrong = wrong.or(Some((text, why))),
            }
        }
        Err(wrong)
    }

    /// The text that a row's time was read from, and the zone that was assumed for it.
    pub fn time_text(&self, row: u32) -> Option<(&str, Option<chrono_tz::Tz>)> {
        self.plan.time.iter().zip(&self.plan.mapping.reading().time).find_map(|(&field, how)| {
            let text = self.text(field, row)?;
            let instant = how.read(text).ok()?;
            Some((text, instant.zone_assumed.then_some(how.zone)))
        })
    }

    /// Tests the scalar leaves of each row's text against the keyword matchers.
    pub fn search_keywords(&mut self, bytes: &[u8]) {
        let plan = self.plan;
        if plan.keywords.is_empty() {
            return;
        }
        for row in 0..self.rows {
            let (start, end) = self.spans[row as usize];
            let Ok(json) = serde_json::from_slice::<serde_json::Value>(&bytes[start..end]) else { continue };
            let mut hits: Vec<AtomId> = Vec::new();
            each_leaf(&json, &mut |value| {
                let folded = fold_case(value.text);
                hits.extend(plan.keywords.iter().filter(|(m, _)| m.accepts(value, &folded)).map(|(_, a)| *a));
            });
            hits.iter().for_each(|&a| self.masks.set(a, row));
        }
    }

    /// Calls `hit` for each (rule, row) that matches, in the order of the plan's rules, then rows.
    pub fn matches(&self, hit: &mut dyn FnMut(u32, u32)) {
        self.masks.matches(&self.plan.rules, hit);
    }

    /// For each row of the chunk a bit for each event class of the source that it is of; empty where it has none.
    pub fn classes(&mut self) -> Vec<u64> {
        let plan = self.plan;
        if plan.mapping.reading().classes.is_empty() {
            return Vec::new();
        }
        let mut out = vec![0; self.rows as usize];
        self.masks.matches(&plan.classes, &mut |class, row| out[row as usize] |= 1 << class);
        for (class, fields) in &plan.choosing_classes {
            // Keys of the alternatives of `detect` are told apart from these.
            let id = u32::MAX - *class as u32;
            for (row, mask) in (0..self.rows).zip(&mut out) {
                *mask |= u64::from(self.holds(id, &plan.mapping.reading().classes[*class].when, fields, row)) << class;
            }
        }
        out
    }

    /// Codes of a row's account and region, where they are told apart.
    #[inline]
    pub fn places(&self, row: u32) -> (u32, u32) {
        self.plan.places.map_or((ABSENT, ABSENT), |[account, region]| (self.code(account, row), self.code(region, row)))
    }

    /// The event id of a row.
    pub fn event_id(&self, row: u32) -> Option<Cow<'_, str>> {
        let id = self.plan.event_id?;
        if !self.plan.fields[id as usize].atoms.is_empty() {
            return self.text(id, row).map(Cow::Borrowed);
        }
        let Filled::Expr(index) = self.plan.fields[id as usize].filled else { return None };
        let column = &self.plan.mapping.reading().columns[index];
        if let (Expr::Path(_), [only]) = (&column.expr, self.plan.fields[id as usize].inputs.as_slice()) {
            return self.text(*only, row).filter(|t| !t.is_empty()).map(Cow::Borrowed);
        }
        self.eval(&column.expr, row).map(|(_, t)| Cow::Owned(t))
    }

    /// The outcome of a row.
    pub fn outcome(&self, row: u32) -> Outcome {
        Outcome::from_status(self.plan.status.and_then(|f| self.text(f, row)))
    }

    /// Plan fields that any record so far had.
    pub fn seen(&self) -> impl Iterator<Item = FieldId> + '_ {
        self.fields.iter().enumerate().filter(|(_, f)| f.seen).map(|(i, _)| i as FieldId)
    }
}

struct BatchRow<'b, 'p> {
    batch: &'b Batch<'p>,
    row: u32,
}

impl Row for BatchRow<'_, '_> {
    fn values(&self, path: PathId, found: &mut dyn FnMut(Value<'_>)) {
        if let Some(field) = self.batch.plan.path_fields[path] {
            self.batch.each_value(field, self.row, found);
        }
    }

    fn json(&self, path: PathId, found: &mut dyn FnMut(&serde_json::Value)) {
        let Some(field) = self.batch.plan.path_fields[path] else { return };
        self.batch.each_code(field, self.row, &mut |code| {
            let value = self.batch.value(field, code).filter(|v| v.kind == Kind::Json);
            if let Some(json) = value.and_then(|v| self.batch.parsed.get(field, code, v.text)) {
                found(&json);
            }
        });
    }

    fn column(&self, column: Column, found: &mut dyn FnMut(Value<'_>)) {
        if let Some(field) = self.batch.plan.column_field(column) {
            self.batch.each_value(field, self.row, found);
        }
    }
}

/// Calls `f` with every scalar leaf of a record.
fn each_leaf(json: &serde_json::Value, f: &mut dyn FnMut(Value<'_>)) {
    use serde_json::Value as J;
    match json {
        J::Array(items) => items.iter().for_each(|i| each_leaf(i, f)),
        J::Object(map) => map.values().for_each(|v| each_leaf(v, f)),
        J::Null => {}
        J::String(s) => f(Value::str(s)),
        other => f(Value { kind: Kind::Str, text: &other.to_string() }),
    }
}

impl super::plan::PlanField {
    /// The field's name for people.
    pub fn name(&self) -> String {
        match &self.field {
            FieldRef::Record(path) => path.strip_prefix("\0json ").unwrap_or(path).to_owned(),
            FieldRef::Column(column) => column.name().to_owned(),
            FieldRef::Derived(derived) => derived.name().to_owned(),
        }
    }
}
