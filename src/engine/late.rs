//! Columns that the first field with a text decides: most records spell several of those fields, and only the one that
//! wins is looked up in a dictionary, in many runs only for the rows that are kept.

use super::chunk::Chunk;
use super::plan::{Filled, SourcePlan};
use crate::event::Column as EventColumn;
use crate::event::dict::{ABSENT, Dict};
use crate::event::value::Value;
use crate::source::mapping::{Expr, Mapping};
use crate::source::parquet::Column;
use crate::source::walk::FieldId;
use std::sync::Arc;

/// Where a text stands: in the chunk, or beyond it in the arena that holds what the chunk spells with escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    len: u32,
}

const NOTHING: Span = Span { start: 0, len: 0 };

/// A text that may decide a column of the current row.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    slot: u16,
    /// Position of its field among those that the column looks at.
    position: u16,
    /// One key spells the whole path: it wins over nested spellings of the same field, also when it holds no text.
    flat: bool,
    span: Span,
}

/// A column decided by the first field with a text.
struct Slot {
    column: FieldId,
    mapping: Arc<Mapping>,
    index: usize,
    /// Codes are wanted for every row; else for kept rows only.
    eager: bool,
    rows: Vec<Span>,
    /// The codes of all rows are known.
    given: bool,
    /// The column is the deciding text itself.
    is_text: bool,
    /// Else the deciding texts, and what each gives; the entry of [`ABSENT`] is what no text gives.
    texts: Dict,
    results: Vec<Option<u32>>,
    best: Option<(u16, Span)>,
}

impl Slot {
    /// The code of the column where this text decides it, or none does.
    #[inline]
    fn code(&mut self, text: Option<&str>, intern: &mut dyn FnMut(&str) -> u32) -> u32 {
        if self.is_text {
            return text.map_or(ABSENT, intern);
        }
        let raw = text.map_or(ABSENT, |t| self.texts.intern(Value::str(t)).0) as usize;
        if self.results.len() <= raw {
            self.results.resize(raw + 1, None);
        }
        if let Some(code) = self.results[raw] {
            return code;
        }
        let expr: &Expr = &self.mapping.reading().columns[self.index].expr;
        let code = expr.finish(text).map_or(ABSENT, |(_, value)| intern(&value));
        self.results[raw] = Some(code);
        code
    }
}

/// All such columns of a plan.
pub struct LateColumns {
    slots: Vec<Slot>,
    /// For each field, its place among the slots where it is such a column.
    slot_of: Vec<Option<u16>>,
    /// For each field the columns that it may decide, and its position there.
    feeds: Vec<Vec<(u16, u16)>>,
    candidates: Vec<Candidate>,
    arena: String,
    chunk: std::ops::Range<usize>,
}

impl LateColumns {
    /// For a plan; with `all_rows` every column is wanted for every row.
    pub fn new(plan: &SourcePlan, all_rows: bool) -> LateColumns {
        let mut out = LateColumns {
            slots: Vec::new(),
            slot_of: vec![None; plan.fields.len()],
            feeds: vec![Vec::new(); plan.fields.len()],
            candidates: Vec::new(),
            arena: String::new(),
            chunk: 0..0,
        };
        let read_by_others = |id: FieldId| {
            plan.fields.iter().any(|f| f.inputs.contains(&id))
                || plan.pairs.iter().any(|p| p.left == id || p.right == id)
                || plan.activity == Some(id)
                || plan.status == Some(id)
                || plan.action == Some(id)
                // Of events that were mapped before it is noted where they came from.
                || plan.column_field(EventColumn::Source) == Some(id)
                || plan.choosing_classes.iter().any(|(_, fields)| fields.contains(&id))
                || plan.places.is_some_and(|p| p.contains(&id))
        };
        for (id, field) in (0..).zip(&plan.fields) {
            let Filled::Expr(index) = field.filled else { continue };
            let column = &plan.mapping.reading().columns[index];
            let Some(order) = column.expr.decided_by_first().filter(|_| plan.event_id != Some(id)) else { continue };
            let slot = out.slots.len() as u16;
            for (position, path) in (0..).zip(&order) {
                if let Some(at) = column.paths.iter().position(|p| p == path) {
                    out.feeds[field.inputs[at] as usize].push((slot, position));
                }
            }
            out.slot_of[id as usize] = Some(slot);
            out.slots.push(Slot {
                column: id,
                mapping: plan.mapping.clone(),
                index,
                eager: all_rows || !field.atoms.is_empty() || read_by_others(id),
                rows: Vec::new(),
                given: false,
                is_text: column.expr.is_its_text(),
                texts: Dict::default(),
                results: vec![None],
                best: None,
            });
        }
        out
    }

    /// Whether a column is one of these.
    pub fn has(&self, column: FieldId) -> bool {
        self.slot_of[column as usize].is_some()
    }

    /// A column that is not computed for every row.
    pub fn is_lazy(&self, column: FieldId) -> bool {
        self.slot_of[column as usize].is_some_and(|slot| !self.slots[slot as usize].eager)
    }

    /// The columns that are still to be computed for every row.
    pub fn to_compute(&self) -> Vec<FieldId> {
        self.slots.iter().filter(|s| s.eager && !s.given).map(|s| s.column).collect()
    }

    /// Whether a field may decide a column.
    pub fn is_fed_by(&self, field: FieldId) -> bool {
        !self.feeds[field as usize].is_empty()
    }

    /// The columns that a field may decide.
    pub fn fed_by(&self, field: FieldId) -> impl Iterator<Item = FieldId> + '_ {
        self.feeds[field as usize].iter().map(|(slot, _)| self.slots[*slot as usize].column)
    }

    /// Takes the values of a field in all rows, where no other field of them decides the same columns; `intern` gives a value of
    /// a column its code. Gives the codes of the columns that are computed for every row.
    pub fn give(&mut self, field: FieldId, values: &Column<'_>, intern: &mut dyn FnMut(FieldId, &str) -> u32) -> Vec<(FieldId, Vec<u32>)> {
        let mut decided = Vec::new();
        for (slot, _) in self.feeds[field as usize].clone() {
            let texts = values.values.iter().map(|v| v.scalar().filter(|t| !t.is_empty()));
            if self.slots[slot as usize].eager {
                let slot = &mut self.slots[slot as usize];
                let column = slot.column;
                let mut code = |text: Option<&str>| slot.code(text, &mut |value| intern(column, value));
                let (nothing, codes) = (code(None), texts.map(&mut code).collect::<Vec<u32>>());
                decided.push((column, values.each_row(&nothing, &codes)));
                slot.given = true;
            } else {
                let spans: Vec<Span> = texts.map(|t| t.map_or(NOTHING, |t| self.place(t))).collect();
                self.slots[slot as usize].rows = values.each_row(&NOTHING, &spans);
            }
        }
        decided
    }

    /// The text that following values are slices of.
    pub fn begin_chunk(&mut self, bytes: &[u8]) {
        let start = bytes.as_ptr() as usize;
        self.chunk = start..start + bytes.len();
    }

    /// Takes a value of the current row.
    #[inline]
    pub fn offer(&mut self, field: FieldId, flat: bool, value: Value<'_>) {
        let is_text = value.kind.is_text() && !value.text.is_empty();
        if !is_text && !flat {
            return;
        }
        let span = if is_text { self.place(value.text) } else { NOTHING };
        for &(slot, position) in &self.feeds[field as usize] {
            self.candidates.push(Candidate { slot, position, flat, span });
        }
    }

    fn place(&mut self, text: &str) -> Span {
        let (at, len) = (text.as_ptr() as usize, text.len());
        if at >= self.chunk.start && at + len <= self.chunk.end {
            return Span { start: at - self.chunk.start, len: len as u32 };
        }
        let start = self.chunk.len() + self.arena.len();
        self.arena.push_str(text);
        Span { start, len: len as u32 }
    }

    /// Forgets the values of the current row.
    pub fn abort_row(&mut self) {
        self.candidates.clear();
    }

    /// Decides the columns of the current row.
    #[inline]
    pub fn end_row(&mut self, row: u32) {
        if self.candidates.iter().any(|c| c.flat) {
            let flat: Vec<(u16, u16)> = self.candidates.iter().filter(|c| c.flat).map(|c| (c.slot, c.position)).collect();
            self.candidates.retain(|c| c.flat || !flat.contains(&(c.slot, c.position)));
        }
        for c in &self.candidates {
            let best = &mut self.slots[c.slot as usize].best;
            if c.span.len > 0 && best.is_none_or(|(position, _)| c.position < position) {
                *best = Some((c.position, c.span));
            }
        }
        self.candidates.clear();
        for slot in &mut self.slots {
            if let Some((_, span)) = slot.best.take() {
                slot.rows.resize(row as usize, NOTHING);
                slot.rows.push(span);
            }
        }
    }

    /// The code of a column in a row; `intern` gives a value of the column its code.
    pub fn code(&mut self, column: FieldId, row: u32, chunk: &Chunk<'_>, intern: &mut dyn FnMut(&str) -> u32) -> u32 {
        let Some(at) = self.slot_of[column as usize] else { return ABSENT };
        let slot = &self.slots[at as usize];
        let span = slot.rows.get(row as usize).copied().unwrap_or(NOTHING);
        let text = match span.start.checked_sub(chunk.bytes.len()) {
            _ if span.len == 0 => None,
            None => chunk.text(span.start, span.start + span.len as usize),
            Some(start) => self.arena.get(start..start + span.len as usize),
        };
        self.slots[at as usize].code(text, intern)
    }

    /// Forgets all rows, and with `anew` what texts gave.
    pub fn clear(&mut self, anew: bool) {
        self.candidates.clear();
        self.arena.clear();
        for slot in &mut self.slots {
            slot.rows.clear();
            slot.given = false;
            if anew {
                slot.texts.clear();
                slot.results.clear();
                slot.results.push(None);
            }
        }
    }

    /// Whether some column met more distinct texts than a dictionary should hold.
    pub fn is_too_large(&self) -> bool {
        self.slots.iter().any(|s| s.texts.is_too_large())
    }
}
