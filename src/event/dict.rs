//! Distinct values, each kept once and named by a code.

use super::value::{Kind, Value};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Code of a field that the record does not have.
pub const ABSENT: u32 = 0;

/// A dictionary of distinct values; codes start at 1.
#[derive(Debug)]
pub struct Dict {
    table: HashTable<u32>,
    text: String,
    spans: Vec<(u32, u32, Kind)>,
    hasher: RandomState,
}

impl Default for Dict {
    fn default() -> Dict {
        Dict { table: HashTable::new(), text: String::new(), spans: vec![(0, 0, Kind::Null)], hasher: RandomState::default() }
    }
}

impl Dict {
    /// The code of a value; `true` when it was not there before.
    #[inline]
    pub fn intern(&mut self, value: Value<'_>) -> (u32, bool) {
        let hash = self.hasher.hash_one((value.kind as u8, value.text));
        let (text, spans) = (&self.text, &self.spans);
        let found = self.table.find(hash, |&code| {
            let (start, end, kind) = spans[code as usize];
            kind == value.kind && &text[start as usize..end as usize] == value.text
        });
        if let Some(&code) = found {
            return (code, false);
        }
        (self.insert(hash, value), true)
    }

    #[cold]
    fn insert(&mut self, hash: u64, value: Value<'_>) -> u32 {
        let code = self.spans.len() as u32;
        let start = self.text.len() as u32;
        self.text.push_str(value.text);
        self.spans.push((start, self.text.len() as u32, value.kind));
        let (text, spans, hasher) = (&self.text, &self.spans, &self.hasher);
        self.table.insert_unique(hash, code, |&code| {
            let (start, end, kind) = spans[code as usize];
            hasher.hash_one((kind as u8, &text[start as usize..end as usize]))
        });
        code
    }

    /// The value of a code; `None` for [`ABSENT`].
    pub fn get(&self, code: u32) -> Option<Value<'_>> {
        if code == ABSENT {
            return None;
        }
        let (start, end, kind) = self.spans[code as usize];
        Some(Value { kind, text: &self.text[start as usize..end as usize] })
    }

    /// The text of a code when it is a scalar other than null, or kept JSON.
    pub fn text(&self, code: u32) -> Option<&str> {
        self.get(code).and_then(|v| (v.kind.is_text() || v.kind == Kind::Json).then_some(v.text))
    }

    /// Number of codes, [`ABSENT`] included.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether no value was interned.
    pub fn is_empty(&self) -> bool {
        self.spans.len() == 1
    }

    /// Bytes of text held.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.table.clear();
        self.text.clear();
        self.spans.truncate(1);
    }
}
