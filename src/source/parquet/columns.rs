//! Rows of a table as they stand in it, column by column: each distinct value is handed over once, whatever rows have it.

use super::rows::{Cells, cells};
use crate::event::value::{Kind, Value};
use arrow::array::cast::AsArray;
use arrow::array::{Array, RecordBatch, StringViewArray};
use arrow::datatypes::DataType;
use std::ops::Range;

/// Slots of the values met lately.
const RECENT: usize = 1024;
/// Bytes that a value's key takes in the text of a record, about.
const KEY: u64 = 12;

/// Rows whose columns are scalars.
pub struct Columns {
    batch: RecordBatch,
    /// Number of the first row in the file, from 1.
    pub first: u32,
}

/// One column of some rows.
pub struct Column<'c> {
    /// Its name.
    pub name: &'c str,
    /// For each row the number of its value, from 1; 0 where it has none.
    pub numbers: Vec<u32>,
    /// The values in the order of their numbers. One may be among them several times; what most rows have is not.
    pub values: Vec<Value<'c>>,
}

impl Column<'_> {
    /// What each row has, given what each value is, and `none` for no value.
    pub fn each_row<T: Clone>(&self, none: &T, values: &[T]) -> Vec<T> {
        self.numbers.iter().map(|n| (*n as usize).checked_sub(1).map_or(none, |at| &values[at]).clone()).collect()
    }
}

/// Whether columns of this type are handed over as they are.
pub fn is_scalar(data_type: &DataType) -> bool {
    use DataType as D;
    matches!(data_type, D::Utf8View | D::Boolean | D::Timestamp(..)) || data_type.is_integer()
}

impl Columns {
    /// Rows of which [`is_scalar`] holds for every column.
    pub(super) fn new(batch: RecordBatch, first: usize) -> Columns {
        Columns { batch, first: first as u32 }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many bytes the rows take as text.
    pub(super) fn weight(&self) -> u64 {
        let texts = |array: &StringViewArray| array.views().iter().map(|v| u64::from(*v as u32)).sum::<u64>();
        let column = |array: &dyn Array| match array.data_type() {
            DataType::Utf8View => texts(array.as_string_view()),
            _ => 0,
        };
        self.batch.columns().iter().map(|c| column(c) + (c.len() - c.null_count()) as u64 * KEY).sum()
    }

    /// Calls `f` with every column.
    pub fn each(&self, f: &mut dyn FnMut(&Column<'_>)) {
        for (field, array) in self.batch.schema_ref().fields().iter().zip(self.batch.columns()) {
            match array.data_type() {
                DataType::Utf8View => f(&shared(field.name(), array.as_string_view())),
                data_type => {
                    let kind = match data_type {
                        DataType::Boolean => Kind::Bool,
                        DataType::Timestamp(..) => Kind::Str,
                        _ => Kind::Int,
                    };
                    let (text, spans) = spelt(&cells(array), array.len(), kind);
                    f(&in_turn(field.name(), &text, &spans));
                }
            }
        }
    }
}

/// Texts: rows that share an entry of the file's dictionary share its view, and short texts stand in the view itself.
fn shared<'c>(name: &'c str, array: &'c StringViewArray) -> Column<'c> {
    let mut recent = vec![(0u128, 0u32); RECENT];
    let mut values = Vec::new();
    let mut number = |row: usize, view: u128| {
        let mixed = ((view >> 64) as u64 ^ view as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = &mut recent[(mixed >> 54) as usize % RECENT];
        if slot.1 == 0 || slot.0 != view {
            values.push(Value::str(array.value(row)));
            *slot = (view, values.len() as u32);
        }
        slot.1
    };
    let numbers = array.views().iter().enumerate().map(|(row, view)| if array.is_null(row) { 0 } else { number(row, *view) }).collect();
    Column { name, numbers, values }
}

/// Values that were spelt out, of which some are the same as the one before.
fn in_turn<'c>(name: &'c str, text: &'c str, spans: &[Option<Spelt>]) -> Column<'c> {
    let mut values: Vec<Value<'c>> = Vec::new();
    let numbers = spans.iter().map(|span| {
        let Some((kind, text)) = span.as_ref().and_then(|(kind, at)| Some((*kind, text.get(at.clone())?))) else { return 0 };
        let value = Value { kind, text };
        if values.last() != Some(&value) {
            values.push(value);
        }
        values.len() as u32
    });
    let numbers = numbers.collect();
    Column { name, numbers, values }
}

/// A value's kind, and where its text stands.
type Spelt = (Kind, Range<usize>);

/// The values of a column as a record spells them, without the quotes.
fn spelt(cells: &Cells<'_>, rows: usize, kind: Kind) -> (String, Vec<Option<Spelt>>) {
    let mut out = Vec::new();
    let spans = (0..rows).map(|row| {
        let start = out.len();
        cells.put(row, &mut out).then(|| match out[start..] {
            [b'"', .., b'"'] => (Kind::Str, start + 1..out.len() - 1),
            // An instant beyond all calendars is a number.
            _ if kind == Kind::Str => (Kind::Int, start..out.len()),
            _ => (kind, start..out.len()),
        })
    });
    let spans = spans.collect();
    (String::from_utf8(out).unwrap_or_default(), spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_gets_its_own_value_however_many_there_are() {
        // More distinct texts than slots, in and beyond the views, with equal lengths and beginnings; each comes back later.
        let text = |n: usize| if n.is_multiple_of(2) { format!("id-{n:05}") } else { format!("a text that no view holds, number {n:05}") };
        let rows: Vec<Option<String>> = (0..30_000).map(|i| (i % 7 > 0).then(|| text(i * 7919 % 9_001))).collect();
        let array = StringViewArray::from(rows.clone());
        let column = shared("c", &array);
        let given: Vec<Option<&str>> = column.each_row(&None, &column.values.iter().map(|v| Some(v.text)).collect::<Vec<_>>());
        assert!(given.iter().zip(&rows).all(|(given, row)| *given == row.as_deref()));
        let few = StringViewArray::from((0..8_000).map(|i| text(i % 50)).collect::<Vec<_>>());
        assert!(shared("c", &few).values.len() < 8_000, "what rows share is handed over once");
    }
}
