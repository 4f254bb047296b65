//! The walk over a record that is spelt as logs spell nearly all of theirs, without a parser between the bytes and the fields.
//!
//! It gives up where anything is out of the ordinary, and the careful walk tells. What it takes is valid JSON, and what it hands
//! over is what the careful walk would.

use super::careful::capture_json;
use super::{Edge, KeyMemory, MAX_DEPTH, NO_NODE, ROOT, Sink, Trie};
use crate::event::value::{Kind, Value};
use crate::source::json::{after_space, next_part, number_end, string_end, unescape, value_end, word_end};

/// Digits of an integer that is surely written as it is read.
const SAFE_DIGITS: usize = 18;

/// Walks the record that begins at `at` with its brace, and gives the position after it. `None` where it is out of the ordinary:
/// what was captured of it then is to be forgotten.
pub fn walk_plain<S: Sink>(trie: &Trie, memory: &mut KeyMemory, sink: &mut S, text: &str, at: usize) -> Option<usize> {
    if text.as_bytes().get(at) != Some(&b'{') {
        return None;
    }
    memory.fit(trie);
    let mut walk = PlainWalk { trie, memory, sink, text, bytes: text.as_bytes(), at: at + 1 };
    walk.object(ROOT, false, 0)?;
    Some(walk.at)
}

struct PlainWalk<'t, 'w, S> {
    trie: &'w Trie,
    memory: &'w mut KeyMemory,
    sink: &'w mut S,
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl<S: Sink> PlainWalk<'_, '_, S> {
    #[inline]
    fn skip_space(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte > b' ' {
            return Some(byte);
        }
        self.at = after_space(self.bytes, self.at);
        self.bytes.get(self.at).copied()
    }

    /// Goes on from a part of an object or array to the next, or to after its end where there is none.
    #[inline]
    fn another(&mut self, close: u8) -> Option<bool> {
        let next = next_part(self.bytes, self.at, close)?;
        self.at = next.unwrap_or_else(|end| end);
        Some(next.is_ok())
    }

    /// Walks an object from after its brace to after its end.
    fn object(&mut self, node: u32, in_array: bool, depth: u8) -> Option<()> {
        if self.skip_space()? == b'}' {
            self.at += 1;
            return Some(());
        }
        let trie = self.trie;
        let mut before = 0;
        loop {
            let edge;
            (edge, before) = self.key(node, before)?;
            if self.skip_space()? != b':' {
                return None;
            }
            self.at += 1;
            self.skip_space()?;
            if edge == NO_NODE {
                self.at = value_end(self.bytes, self.at, depth + 1)?;
            } else {
                let e = &trie.edges[edge as usize];
                match e.json.is_empty() {
                    true => self.value(e, in_array, depth + 1)?,
                    false => {
                        let end = value_end(self.bytes, self.at, depth + 1)?;
                        capture_json(trie, self.memory, self.sink, e, in_array, depth, &self.text[self.at..end]).ok()?;
                        self.at = end;
                    }
                }
            }
            if !self.another(b'}')? {
                return Some(());
            }
        }
    }

    /// The edge of the key that begins here with its quote, and its slot + 1.
    #[inline]
    fn key(&mut self, node: u32, before: u32) -> Option<(u32, u32)> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let start = self.at + 1;
        if let Some((edge, slot, len)) = self.memory.expect(node, before, &self.bytes[start..]) {
            self.at = start + len + 1;
            return Some((edge, slot));
        }
        let (end, escaped) = string_end(self.bytes, start)?;
        self.at = end + 1;
        let raw = self.text.get(start..end)?;
        if !escaped {
            return Some(self.memory.find(self.trie, node, before, raw));
        }
        let mut key = String::new();
        unescape(raw, &mut key)?;
        Some(self.memory.find(self.trie, node, before, &key))
    }

    #[inline]
    fn emit(&mut self, edge: &Edge, kind: Kind, text: &str) {
        edge.leaves.iter().for_each(|&(field, rank)| self.sink.capture(field, rank, Value { kind, text }));
    }

    fn value(&mut self, edge: &Edge, in_array: bool, depth: u8) -> Option<()> {
        let start = self.at;
        match self.bytes.get(start)? {
            b'"' => {
                let (end, escaped) = string_end(self.bytes, start + 1)?;
                self.at = end + 1;
                let raw = self.text.get(start + 1..end)?;
                if escaped {
                    let mut text = String::with_capacity(raw.len());
                    unescape(raw, &mut text)?;
                    self.emit(edge, Kind::Str, &text);
                } else {
                    self.emit(edge, Kind::Str, raw);
                }
            }
            b'{' => {
                self.emit(edge, Kind::Object, "");
                match edge.child {
                    Some(_) if depth >= MAX_DEPTH => return None,
                    Some(child) => {
                        self.at += 1;
                        self.object(child, in_array, depth)?;
                    }
                    None => self.at = value_end(self.bytes, start, depth)?,
                }
            }
            b'[' => self.array(edge, depth)?,
            b't' => self.word(edge, Kind::Bool, "true")?,
            b'f' => self.word(edge, Kind::Bool, "false")?,
            b'n' => {
                self.at = word_end(self.bytes, start, "null")?;
                self.emit(edge, if in_array { Kind::NullElement } else { Kind::Null }, "");
            }
            _ => {
                let (end, is_integer) = number_end(self.bytes, start)?;
                self.at = end;
                let text = self.text.get(start..end)?;
                // How others are written out is told by the careful walk.
                if !is_integer || text.len() > SAFE_DIGITS || text == "-0" {
                    return None;
                }
                self.emit(edge, Kind::Int, text);
            }
        }
        Some(())
    }

    fn word(&mut self, edge: &Edge, kind: Kind, word: &str) -> Option<()> {
        self.at = word_end(self.bytes, self.at, word)?;
        self.emit(edge, kind, word);
        Some(())
    }

    fn array(&mut self, edge: &Edge, depth: u8) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        self.at += 1;
        if self.skip_space()? == b']' {
            self.at += 1;
            self.emit(edge, Kind::EmptyArray, "");
            return Some(());
        }
        loop {
            self.value(edge, true, depth + 1)?;
            if !self.another(b']')? {
                return Some(());
            }
        }
    }
}
