//! Writes databases of addresses in the MaxMind DB format, version 2.0: a binary tree of address bits, then the records.
//!
//! Only what the benchmarks need: IPv6 trees with IPv4 at `::/96`, records of 28 or 32 bits, each distinct record stored once.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::random::Random;

/// A value of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// Names and values.
    Map(Vec<(&'static str, Field)>),
    /// Values.
    Array(Vec<Field>),
    /// UTF-8.
    Text(String),
    /// A 64-bit float.
    Double(f64),
    /// An unsigned number of at most 16 bits.
    U16(u16),
    /// An unsigned number of at most 32 bits.
    U32(u32),
    /// An unsigned number of at most 64 bits.
    U64(u64),
    /// True or false.
    Bool(bool),
}

impl Field {
    /// A text.
    pub fn text(text: impl Into<String>) -> Field {
        Field::Text(text.into())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Field::Map(entries) => {
                control(out, 7, entries.len());
                for (name, value) in entries {
                    Field::text(*name).encode(out);
                    value.encode(out);
                }
            }
            Field::Array(values) => {
                control(out, 11, values.len());
                values.iter().for_each(|v| v.encode(out));
            }
            Field::Text(text) => {
                control(out, 2, text.len());
                out.extend_from_slice(text.as_bytes());
            }
            Field::Double(number) => {
                control(out, 3, 8);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Field::U16(n) => number(out, 5, u64::from(*n)),
            Field::U32(n) => number(out, 6, u64::from(*n)),
            Field::U64(n) => number(out, 9, *n),
            // The size of a truth value is the value.
            Field::Bool(b) => control(out, 14, usize::from(*b)),
        }
    }
}

/// Kind and size; kinds above 7 and sizes above 28 take more bytes.
fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let (short, more): (u8, Vec<u8>) = match size {
        0..29 => (size as u8, Vec::new()),
        29..285 => (29, vec![(size - 29) as u8]),
        285..65_821 => (30, ((size - 285) as u16).to_be_bytes().to_vec()),
        _ => (31, ((size - 65_821) as u32).to_be_bytes()[1..].to_vec()),
    };
    if kind <= 7 {
        out.push(kind << 5 | short);
    } else {
        out.extend([short, kind - 7]);
    }
    out.extend(more);
}

/// Numbers are written without their leading zeros.
fn number(out: &mut Vec<u8>, kind: u8, n: u64) {
    let bytes = n.to_be_bytes();
    let first = bytes.iter().position(|b| *b != 0).unwrap_or(8);
    control(out, kind, 8 - first);
    out.extend_from_slice(&bytes[first..]);
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Child {
    Nothing,
    Node(u32),
    Record(u32),
}

/// A database in the making.
#[derive(Debug)]
pub struct Database {
    nodes: Vec<[Child; 2]>,
    records: Vec<u8>,
    known: HashMap<Vec<u8>, u32>,
}

/// Bits of a record of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordSize {
    /// Two records share their middle byte.
    Bits28,
    /// Whole words.
    Bits32,
}

impl Default for Database {
    fn default() -> Database {
        Database { nodes: vec![[Child::Nothing; 2]], records: Vec::new(), known: HashMap::new() }
    }
}

impl Database {
    /// Gives all addresses of a network a record; a smaller network given later stands out of it.
    pub fn insert(&mut self, network: IpAddr, length: u8, record: &Field) {
        let (bits, length) = match network {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)), length + 96),
            IpAddr::V6(v6) => (u128::from(v6), length),
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let next = self.records.len() as u32;
        let record = *self.known.entry(bytes.clone()).or_insert(next);
        if record == next {
            self.records.extend(bytes);
        }
        let mut node = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == length {
                self.nodes[node][side] = Child::Record(record);
                return;
            }
            node = match self.nodes[node][side] {
                Child::Node(n) => n as usize,
                // What the larger network says holds on both sides of the new node.
                other => {
                    self.nodes.push([other; 2]);
                    let n = self.nodes.len() - 1;
                    self.nodes[node][side] = Child::Node(n as u32);
                    n
                }
            };
        }
    }

    /// The file, called a database of this type, built at this time.
    pub fn bytes(&self, database_type: &str, build_epoch: u64, size: RecordSize) -> Vec<u8> {
        let count = self.nodes.len() as u32;
        let value = |child: Child| match child {
            Child::Nothing => count,
            Child::Node(n) => n,
            // The 16 bytes between tree and records count, too.
            Child::Record(at) => count + 16 + at,
        };
        let mut out = Vec::with_capacity(self.nodes.len() * 8 + self.records.len() + 512);
        for [left, right] in &self.nodes {
            let (left, right) = (value(*left), value(*right));
            match size {
                RecordSize::Bits28 => {
                    assert!(left.max(right) < 1 << 28, "a tree too large for records of 28 bits");
                    out.extend_from_slice(&left.to_be_bytes()[1..]);
                    out.push(((left >> 24) << 4 | right >> 24) as u8);
                    out.extend_from_slice(&right.to_be_bytes()[1..]);
                }
                RecordSize::Bits32 => {
                    out.extend_from_slice(&left.to_be_bytes());
                    out.extend_from_slice(&right.to_be_bytes());
                }
            }
        }
        out.extend([0; 16]);
        out.extend_from_slice(&self.records);
        out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        Field::Map(vec![
            ("binary_format_major_version", Field::U16(2)),
            ("binary_format_minor_version", Field::U16(0)),
            ("build_epoch", Field::U64(build_epoch)),
            ("database_type", Field::text(database_type)),
            ("description", Field::Map(vec![("en", Field::text("Made up for a benchmark: providers and places of an invented organisation"))])),
            ("ip_version", Field::U16(6)),
            ("languages", Field::Array(vec![Field::text("en")])),
            ("node_count", Field::U32(count)),
            ("record_size", Field::U16(if size == RecordSize::Bits28 { 28 } else { 32 })),
        ])
        .encode(&mut out);
        out
    }
}

/// A database of countries of the size of a real one: so many networks, side by side, each of a country drawn at random.
pub fn countries(networks: usize, seed: u64) -> Database {
    const CODES: [&str; 24] =
        ["US", "DE", "FR", "GB", "NL", "JP", "CN", "IN", "BR", "RU", "CA", "AU", "IT", "ES", "SE", "PL", "KR", "ZA", "MX", "TR", "UA", "NG", "SG", "CH"];
    let mut random = Random::new(seed);
    let mut database = Database::default();
    let mut at = u32::from(Ipv4Addr::new(1, 0, 0, 0));
    let end = u32::from(Ipv4Addr::new(223, 255, 255, 0));
    // On average the networks fill what is left.
    let average = 32.0 - f64::from((end - at) / networks.max(1) as u32).log2();
    for _ in 0..networks {
        let length = ((average + 0.7 + random.bell() * 1.2).round() as u8).clamp(12, 28);
        let step = 1_u32 << (32 - length);
        let start = at.next_multiple_of(step);
        let Some(next) = start.checked_add(step).filter(|n| *n < end) else { break };
        let code = *random.pick(&CODES);
        let record = Field::Map(vec![("country", Field::Map(vec![("iso_code", Field::text(code))]))]);
        database.insert(IpAddr::V4(Ipv4Addr::from(start)), length, &record);
        at = next;
    }
    database
}
