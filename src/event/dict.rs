//! Distinct values, each kept once and named by a code.

use super::value::{Kind, Value, same_text};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Code of a field that the record does not have.
pub const ABSENT: u32 = 0;

/// Distinct values after which a dictionary that lives on should start anew.
pub const MAX_VALUES: usize = 1 << 17;
/// Bytes of distinct values after which it should.
const MAX_BYTES: usize = 16 << 20;

/// Slots of the values met lately.
const RECENT: usize = 256;

/// A dictionary of distinct values; codes start at 1.
#[derive(Debug)]
pub struct Dict {
    table: HashTable<u32>,
    /// Values met lately, by their ends: most values of a log are among them, and finding a short one here costs one look at
    /// memory instead of a hash and three.
    recent: Box<[Recent; RECENT]>,
    text: String,
    spans: Vec<(u32, u32, Kind)>,
    hasher: RandomState,
}

impl Default for Dict {
    fn default() -> Dict {
        Dict {
            table: HashTable::new(),
            recent: Box::new([Recent::NONE; RECENT]),
            text: String::new(),
            spans: vec![(0, 0, Kind::Null)],
            hasher: RandomState::default(),
        }
    }
}

impl Dict {
    /// The code of a value; `true` when it was not there before.
    #[inline]
    pub fn intern(&mut self, value: Value<'_>) -> (u32, bool) {
        let ends = Ends::of(value);
        let slot = ends.slot();
        let recent = self.recent[slot];
        if recent.ends == ends && (value.text.len() <= Ends::ALL || self.is(recent.code, value)) {
            return (recent.code, false);
        }
        let (code, new) = self.look_up(value);
        self.recent[slot] = Recent { ends, code };
        (code, new)
    }

    fn look_up(&mut self, value: Value<'_>) -> (u32, bool) {
        let hash = self.hash(value);
        match self.find_hashed(hash, value) {
            Some(code) => (code, false),
            None => (self.insert(hash, value), true),
        }
    }

    /// The code of a value that is there.
    pub fn find(&self, value: Value<'_>) -> Option<u32> {
        self.find_hashed(self.hash(value), value)
    }

    fn hash(&self, value: Value<'_>) -> u64 {
        self.hasher.hash_one((value.kind as u8, value.text))
    }

    #[inline]
    fn find_hashed(&self, hash: u64, value: Value<'_>) -> Option<u32> {
        let (text, spans) = (&self.text, &self.spans);
        let found = self.table.find(hash, |&code| {
            let (start, end, kind) = spans[code as usize];
            kind == value.kind && same_text(&text[start as usize..end as usize], value.text)
        });
        found.copied()
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

    /// Whether a code stands for this very value.
    #[inline]
    fn is(&self, code: u32, value: Value<'_>) -> bool {
        let (start, end, kind) = self.spans[code as usize];
        kind == value.kind && code != ABSENT && same_text(&self.text[start as usize..end as usize], value.text)
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

    /// Whether it holds more than a dictionary should that lives on from chunk to chunk.
    pub fn is_too_large(&self) -> bool {
        self.len() > MAX_VALUES || self.text.len() > MAX_BYTES
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.table.clear();
        self.recent.fill(Recent::NONE);
        self.text.clear();
        self.spans.truncate(1);
    }
}

/// A value met lately.
#[derive(Debug, Clone, Copy)]
struct Recent {
    ends: Ends,
    code: u32,
}

impl Recent {
    /// No text is as long as this one.
    const NONE: Recent = Recent { ends: Ends { head: 0, tail: 0, len: usize::MAX, kind: Kind::Null }, code: ABSENT };
}

/// Kind, length and ends of a value: all of it where it is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    head: u128,
    tail: u128,
    len: usize,
    kind: Kind,
}

impl Ends {
    /// Bytes of a text up to which its ends are all of it.
    const ALL: usize = 32;

    #[inline]
    fn of(value: Value<'_>) -> Ends {
        let text = value.text.as_bytes();
        fn word<const N: usize>(bytes: Option<&[u8; N]>) -> u128 {
            bytes.map_or(0, |b| b.iter().rev().fold(0, |n, b| n << 8 | u128::from(*b)))
        }
        let (head, tail) = match text.len() {
            16.. => (word(text.first_chunk::<16>()), word(text.last_chunk::<16>())),
            8.. => (word(text.first_chunk::<8>()), word(text.last_chunk::<8>())),
            4.. => (word(text.first_chunk::<4>()), word(text.last_chunk::<4>())),
            _ => (text.iter().fold(0, |n, b| n << 8 | u128::from(*b)), 0),
        };
        Ends { head, tail, len: text.len(), kind: value.kind }
    }

    #[inline]
    fn slot(&self) -> usize {
        let fold = |x: u128| x as u64 ^ (x >> 64) as u64;
        let mixed = (fold(self.head) ^ fold(self.tail).rotate_left(29) ^ (self.len as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 56) as usize % RECENT
    }
}
