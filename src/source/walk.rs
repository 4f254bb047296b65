//! One walk over a record's JSON that hands over only the fields that a plan names.
//!
//! The fields stand in a trie; everything beside its paths is skipped, and still has to be valid. Nearly all records are spelt so
//! that they are walked without a parser; what is out of the ordinary is left to one.

mod careful;
mod plain;

use crate::event::value::{Value, same_bytes, same_text};
pub use careful::walk_carefully;
use hashbrown::HashMap;
pub use plain::walk_plain;

/// Deepest nesting of objects and arrays that the walk follows.
const MAX_DEPTH: u8 = 64;

/// Index of a field in a plan.
pub type FieldId = u16;

/// Receives the fields of one record.
pub trait Sink {
    /// A value of a field. In one record the values of the highest rank win: they are the field, the others are not.
    fn capture(&mut self, field: FieldId, rank: Rank, value: Value<'_>);

    /// Forgets what was captured of the record.
    fn forget(&mut self);
}

/// How a value's place in the record relates to its field. One key that spells the whole path wins over nested spellings, and
/// the field's own path over one that only stands in for it.
pub type Rank = u8;

/// The rank of the field's own path, and of a path that stands in for it.
pub mod rank {
    use super::Rank;
    /// Own path; one more where one key spells the whole of it.
    pub const OWN: Rank = 2;
    /// Path of an alias; all of an alias's paths are one field, however they are spelt.
    pub const ALIAS: Rank = 0;
}

const NO_NODE: u32 = u32::MAX;
/// The node of the record's own keys.
const ROOT: u32 = 0;

#[derive(Debug, Default)]
struct Edge {
    child: Option<u32>,
    leaves: Vec<(FieldId, Rank)>,
    json: Vec<(FieldId, Rank)>,
}

#[derive(Debug, Default)]
struct Node {
    edges: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
}

/// The paths of a plan.
#[derive(Debug, Default)]
pub struct Trie {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

impl Trie {
    /// An empty trie.
    pub fn new() -> Trie {
        Trie { nodes: vec![Node::default()], edges: Vec::new() }
    }

    /// Adds a path under every split of its dots; `json` asks for the text of objects and arrays too.
    pub fn add(&mut self, path: &str, field: FieldId, json: bool) {
        self.add_ranked(path, field, json, rank::OWN);
    }

    /// As [`Trie::add`], for a path of this rank: several paths may lead to one field.
    pub fn add_ranked(&mut self, path: &str, field: FieldId, json: bool, rank: Rank) {
        // 2^n splits: paths deeper than this are only followed key by key.
        let deep = path.matches('.').count() > 8;
        self.add_from(0, path, (field, rank), json, true, deep);
    }

    fn add_from(&mut self, node: u32, path: &str, (field, rank): (FieldId, Rank), json: bool, at_top: bool, deep: bool) {
        let edge = self.edge(node, path);
        let flat = at_top && path.contains('.') && rank == rank::OWN;
        let leaf = (field, rank + Rank::from(flat));
        let list = if json { &mut self.edges[edge as usize].json } else { &mut self.edges[edge as usize].leaves };
        if !list.contains(&leaf) {
            list.push(leaf);
        }
        for (i, _) in path.match_indices('.') {
            let edge = self.edge(node, &path[..i]);
            let child = match self.edges[edge as usize].child {
                Some(child) => child,
                None => {
                    self.nodes.push(Node::default());
                    let child = (self.nodes.len() - 1) as u32;
                    self.edges[edge as usize].child = Some(child);
                    child
                }
            };
            self.add_from(child, &path[i + 1..], (field, rank), json, false, deep);
            if deep {
                break;
            }
        }
    }

    fn edge(&mut self, node: u32, key: &str) -> u32 {
        if let Some(&edge) = self.nodes[node as usize].edges.get(key) {
            return edge;
        }
        self.edges.push(Edge::default());
        let edge = (self.edges.len() - 1) as u32;
        self.nodes[node as usize].edges.insert(key.into(), edge);
        edge
    }

    /// Whether some path begins with this key of the record.
    pub fn has_root(&self, key: &str) -> bool {
        self.find(0, key) != NO_NODE
    }

    /// The fields that a scalar gets under this key of the record.
    pub fn at_root(&self, key: &str) -> impl Iterator<Item = (FieldId, Rank)> + '_ {
        let edge = self.edges.get(self.find(0, key) as usize);
        edge.into_iter().flat_map(|e| e.leaves.iter().chain(&e.json).copied())
    }

    fn find(&self, node: u32, key: &str) -> u32 {
        self.nodes[node as usize].edges.get(key).copied().unwrap_or(NO_NODE)
    }
}

/// Keys remembered at one place of the trie, and their longest text in bytes.
const MAX_KEYS: usize = 512;
const MAX_KEY_BYTES: usize = 64;

/// Which key followed which: records of one source spell their keys in the same order, so that most keys are told by
/// one comparison instead of a hash.
#[derive(Debug, Default)]
pub struct KeyMemory {
    nodes: Vec<KeyOrder>,
}

#[derive(Debug, Default)]
struct KeyOrder {
    keys: Vec<SeenKey>,
    slots: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
    /// The keys that objects began with, as slot + 1, the last one first.
    first: [u32; 2],
}

#[derive(Debug)]
struct SeenKey {
    text: Box<str>,
    /// It stands between its quotes as it is.
    plain: bool,
    edge: u32,
    /// The keys that followed last, as slot + 1, the last one first; 0 where none did.
    next: [u32; 2],
}

impl KeyMemory {
    /// Makes place for the keys of a trie.
    fn fit(&mut self, trie: &Trie) {
        if self.nodes.len() < trie.nodes.len() {
            self.nodes.resize_with(trie.nodes.len(), KeyOrder::default);
        }
    }

    /// The edge of a key that follows the key `before` (slot + 1; 0 at the start of an object), and its own slot + 1.
    #[inline]
    fn find(&mut self, trie: &Trie, node: u32, before: u32, key: &str) -> (u32, u32) {
        let order = &mut self.nodes[node as usize];
        match order.guess(before, 0) {
            Some((seen, slot)) if same_text(&seen.text, key) => (seen.edge, slot),
            _ => order.learn(trie, node, before, key),
        }
    }

    /// As [`KeyMemory::find`], for the key that these bytes begin with, up to its quote: only where it is one to be expected.
    /// Gives its length too.
    #[inline]
    fn expect(&self, node: u32, before: u32, bytes: &[u8]) -> Option<(u32, u32, usize)> {
        let order = &self.nodes[node as usize];
        let found = order.guess(before, 0).filter(|(seen, _)| seen.begins(bytes));
        let (seen, slot) = found.or_else(|| order.guess(before, 1).filter(|(seen, _)| seen.begins(bytes)))?;
        Some((seen.edge, slot, seen.text.len()))
    }
}

impl SeenKey {
    /// Whether these bytes begin with the key and its quote.
    #[inline]
    fn begins(&self, bytes: &[u8]) -> bool {
        let len = self.text.len();
        self.plain && bytes.get(len) == Some(&b'"') && same_bytes(&bytes[..len], self.text.as_bytes())
    }
}

impl KeyOrder {
    /// The key that followed last, or the one that did before it, and its slot + 1.
    #[inline]
    fn guess(&self, before: u32, earlier: usize) -> Option<(&SeenKey, u32)> {
        let slot = match before {
            0 => self.first[earlier],
            slot => self.keys[slot as usize - 1].next[earlier],
        };
        slot.checked_sub(1).map(|at| (&self.keys[at as usize], slot))
    }

    fn learn(&mut self, trie: &Trie, node: u32, before: u32, key: &str) -> (u32, u32) {
        let slot = match self.slots.get(key) {
            Some(&slot) => slot,
            None if self.keys.len() < MAX_KEYS && key.len() <= MAX_KEY_BYTES => {
                let plain = !key.bytes().any(|b| matches!(b, b'"' | b'\\' | 0..0x20));
                self.keys.push(SeenKey { text: key.into(), plain, edge: trie.find(node, key), next: [0; 2] });
                self.slots.insert(key.into(), self.keys.len() as u32);
                self.keys.len() as u32
            }
            // Keys that are data, such as tags: not worth remembering.
            None => return (trie.find(node, key), before),
        };
        let next = match before {
            0 => &mut self.first,
            b => &mut self.keys[b as usize - 1].next,
        };
        if next[0] != slot {
            *next = [slot, next[0]];
        }
        (self.keys[slot as usize - 1].edge, slot)
    }
}

/// What a walked element was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// An object.
    Object,
    /// Something else.
    Other,
}

/// Walks one record given as JSON text.
pub fn walk_record<S: Sink>(trie: &Trie, memory: &mut KeyMemory, sink: &mut S, raw: &str) -> Result<Element, String> {
    if walk_plain(trie, memory, sink, raw, 0) == Some(raw.len()) {
        return Ok(Element::Object);
    }
    sink.forget();
    walk_carefully(trie, memory, sink, raw)
}
