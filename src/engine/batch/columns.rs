//! Rows that come as the columns of a table: each distinct value is looked up once, whatever rows have it.

use super::Batch;
use crate::event::dict::ABSENT;
use crate::event::value::Value;
use crate::source::parquet::{Column, Columns};
use crate::source::walk::{FieldId, rank};
use std::collections::BTreeSet;

impl Batch<'_> {
    /// Whether columns of these names can be added as they are: each gives fields that no other gives.
    pub fn takes_columns(&self, names: &[&str]) -> bool {
        let (mut given, mut decided) = (BTreeSet::new(), BTreeSet::new());
        names.iter().flat_map(|name| self.plan.trie.at_root(name)).all(|(field, rank)| {
            // What several columns may decide is settled row by row.
            rank == rank::OWN && given.insert(field) && self.late.fed_by(field).all(|column| decided.insert(column))
        })
    }

    /// Adds the rows of which [`Batch::takes_columns`] holds to an emptied batch; `hash` tells of a column what a value is.
    pub fn add_columns(&mut self, columns: &Columns, hash: &dyn Fn(&str, Value<'_>) -> u64) {
        let rows = columns.len();
        self.contents.resize(rows, 0);
        columns.each(&mut |column| {
            let hashes: Vec<u64> = std::iter::once(0).chain(column.values.iter().map(|v| hash(column.name, *v))).collect();
            for (content, number) in self.contents.iter_mut().zip(&column.numbers) {
                *content = content.wrapping_add(hashes[*number as usize]);
            }
            let plan = self.plan;
            plan.trie.at_root(column.name).for_each(|(field, _)| self.add_column(field, column));
        });
        self.rows = rows as u32;
        self.records.extend((columns.first..).take(rows));
        self.parts.resize(rows, 0);
        self.spans.resize(rows, (0, 0));
    }

    fn add_column(&mut self, field: FieldId, column: &Column<'_>) {
        if self.takes[field as usize].late {
            let (plan, fields) = (self.plan, &mut self.fields);
            let mut intern = |id: FieldId, text: &str| fields[id as usize].intern(&plan.fields[id as usize].atoms, Value::str(text));
            let decided = self.late.give(field, column, &mut intern);
            decided.into_iter().for_each(|(id, codes)| fields[id as usize].column = codes);
        }
        if self.takes[field as usize].text {
            return self.add_texts(field, column);
        }
        if !self.takes[field as usize].code || column.values.is_empty() {
            return;
        }
        let codes: Vec<u32> = match self.present_only[field as usize] {
            true => {
                let code = self.intern(field, column.values[0]);
                column.values.iter().map(|_| code).collect()
            }
            false => column.values.iter().map(|v| self.intern(field, *v)).collect(),
        };
        self.fields[field as usize].column = column.each_row(&ABSENT, &codes);
    }

    fn add_texts(&mut self, field: FieldId, column: &Column<'_>) {
        let mut spans = Vec::with_capacity(column.values.len());
        for value in &column.values {
            // One on, so that (0, 0) stays what an absent field has.
            let start = self.arena.len() as u32 + 1;
            if value.kind.is_text() {
                self.arena.push_str(value.text);
                self.fields[field as usize].seen = true;
            }
            spans.push((start, self.arena.len() as u32 + 1));
        }
        self.direct_rows[field as usize] = column.each_row(&(0, 0), &spans);
    }
}
