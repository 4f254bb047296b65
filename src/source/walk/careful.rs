//! The walk of a parser that knows every spelling of JSON, and tells what is wrong with a text that is none.

use super::{Edge, Element, KeyMemory, MAX_DEPTH, NO_NODE, ROOT, Sink, Trie};
use crate::event::value::{Kind, Value};
use crate::source::json;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Walks one record given as JSON text.
pub fn walk_carefully<S: Sink>(trie: &Trie, memory: &mut KeyMemory, sink: &mut S, raw: &str) -> Result<Element, String> {
    // The parser goes as deep as the text does, and what is deep enough would end the process.
    if json::is_too_deep(raw.as_bytes()) {
        return Err(json::too_deep());
    }
    memory.fit(trie);
    let mut deserializer = sonic_rs::Deserializer::from_str(raw);
    let element = RecordSeed { trie, memory, sink }.deserialize(&mut deserializer).map_err(short)?;
    deserializer.end().map_err(short)?;
    Ok(element)
}

/// The first line of a parser's message: the rest quotes the record.
fn short(error: sonic_rs::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or("not valid JSON").trim().to_owned()
}

/// Walks one element that should be a record.
struct RecordSeed<'a, S> {
    trie: &'a Trie,
    memory: &'a mut KeyMemory,
    sink: &'a mut S,
}

impl<'de, S: Sink> DeserializeSeed<'de> for RecordSeed<'_, S> {
    type Value = Element;
    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Element, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for RecordSeed<'_, S> {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a record")
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Element, A::Error> {
        walk_object(self.trie, self.memory, self.sink, ROOT, false, 0, map)?;
        Ok(Element::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Element::Other)
    }
    fn visit_unit<E>(self) -> Result<Element, E> {
        Ok(Element::Other)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Element, E> {
        Ok(Element::Other)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Element, E> {
        Ok(Element::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Element, E> {
        Ok(Element::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Element, E> {
        Ok(Element::Other)
    }
    fn visit_str<E>(self, _: &str) -> Result<Element, E> {
        Ok(Element::Other)
    }
}

#[inline]
fn walk_object<'de, S: Sink, A: MapAccess<'de>>(
    trie: &Trie,
    memory: &mut KeyMemory,
    sink: &mut S,
    node: u32,
    in_array: bool,
    depth: u8,
    mut map: A,
) -> Result<(), A::Error> {
    let mut before = 0;
    while let Some((edge, slot)) = map.next_key_seed(KeySeed { trie, memory: &mut *memory, node, before })? {
        before = slot;
        if edge == NO_NODE {
            map.next_value::<IgnoredAny>()?;
            continue;
        }
        let e = &trie.edges[edge as usize];
        if e.json.is_empty() {
            map.next_value_seed(ValueSeed { trie, memory: &mut *memory, sink: &mut *sink, edge: e, in_array, depth: depth + 1 })?;
        } else {
            let raw: sonic_rs::LazyValue<'_> = map.next_value()?;
            capture_json(trie, memory, sink, e, in_array, depth, raw.as_raw_str()).map_err(A::Error::custom)?;
        }
    }
    Ok(())
}

/// The field's JSON text is wanted: hand it over, then walk it for the paths that go deeper.
pub(super) fn capture_json<S: Sink>(
    trie: &Trie,
    memory: &mut KeyMemory,
    sink: &mut S,
    edge: &Edge,
    in_array: bool,
    depth: u8,
    raw: &str,
) -> Result<(), String> {
    let raw = raw.trim();
    if raw.starts_with(['{', '[']) && raw != "[]" {
        for &(field, rank) in &edge.json {
            sink.capture(field, rank, Value { kind: Kind::Json, text: raw });
        }
    } else {
        let only = Edge { child: None, leaves: edge.json.clone(), json: Vec::new() };
        revisit(trie, memory, sink, &only, in_array, depth, raw)?;
    }
    if edge.leaves.is_empty() && edge.child.is_none() {
        return Ok(());
    }
    revisit(trie, memory, sink, edge, in_array, depth, raw)
}

fn revisit<S: Sink>(trie: &Trie, memory: &mut KeyMemory, sink: &mut S, edge: &Edge, in_array: bool, depth: u8, raw: &str) -> Result<(), String> {
    let mut deserializer = sonic_rs::Deserializer::from_str(raw);
    ValueSeed { trie, memory, sink, edge, in_array, depth: depth + 1 }.deserialize(&mut deserializer).map_err(|e| e.to_string())
}

struct KeySeed<'a> {
    trie: &'a Trie,
    memory: &'a mut KeyMemory,
    node: u32,
    before: u32,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = (u32, u32);
    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = (u32, u32);
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }
    #[inline]
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.memory.find(self.trie, self.node, self.before, key))
    }
}

struct ValueSeed<'a, S> {
    trie: &'a Trie,
    memory: &'a mut KeyMemory,
    sink: &'a mut S,
    edge: &'a Edge,
    in_array: bool,
    depth: u8,
}

impl<S: Sink> ValueSeed<'_, S> {
    #[inline]
    fn emit(&mut self, kind: Kind, text: &str) {
        for &(field, rank) in &self.edge.leaves {
            self.sink.capture(field, rank, Value { kind, text });
        }
    }
}

impl<'de, S: Sink> DeserializeSeed<'de> for ValueSeed<'_, S> {
    type Value = ();
    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for ValueSeed<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }
    #[inline]
    fn visit_str<E>(mut self, v: &str) -> Result<(), E> {
        self.emit(Kind::Str, v);
        Ok(())
    }
    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.emit(if self.in_array { Kind::NullElement } else { Kind::Null }, "");
        Ok(())
    }
    fn visit_bool<E>(mut self, v: bool) -> Result<(), E> {
        self.emit(Kind::Bool, if v { "true" } else { "false" });
        Ok(())
    }
    fn visit_i64<E>(mut self, v: i64) -> Result<(), E> {
        self.emit(Kind::Int, &v.to_string());
        Ok(())
    }
    fn visit_u64<E>(mut self, v: u64) -> Result<(), E> {
        self.emit(Kind::Int, &v.to_string());
        Ok(())
    }
    fn visit_f64<E>(mut self, v: f64) -> Result<(), E> {
        self.emit(Kind::Float, &v.to_string());
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let mut any = false;
        loop {
            let seed = ValueSeed { trie: self.trie, memory: &mut *self.memory, sink: &mut *self.sink, edge: self.edge, in_array: true, depth: self.depth + 1 };
            if self.depth >= MAX_DEPTH {
                return Err(A::Error::custom("nested too deeply"));
            }
            if seq.next_element_seed(seed)?.is_none() {
                break;
            }
            any = true;
        }
        if !any {
            self.emit(Kind::EmptyArray, "");
        }
        Ok(())
    }
    #[inline]
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.emit(Kind::Object, "");
        match self.edge.child {
            Some(_) if self.depth >= MAX_DEPTH => Err(A::Error::custom("nested too deeply")),
            Some(child) => walk_object(self.trie, self.memory, self.sink, child, self.in_array, self.depth, map),
            None => {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }
}
