//! A small writer of databases in MaxMind's format (version 2.0 of its specification), IPv4, records of 32 bits.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Networks of 24 bits and what is said of each; with the database's type.
pub fn write(networks: &BTreeMap<[u8; 3], Value>, database_type: &str, built: u64) -> Vec<u8> {
    const EMPTY: u64 = u64::MAX;
    const DATA: u64 = 1 << 40;
    let mut data = Vec::new();
    let mut offsets: BTreeMap<String, u64> = BTreeMap::new();
    let mut nodes: Vec<[u64; 2]> = vec![[EMPTY; 2]];
    for (network, value) in networks {
        let offset = *offsets.entry(value.to_string()).or_insert_with(|| {
            let at = data.len() as u64;
            encode(value, &mut data);
            at
        });
        let bits = u32::from_be_bytes([network[0], network[1], network[2], 0]);
        let mut node = 0;
        for depth in 0..24 {
            let bit = (bits >> (31 - depth) & 1) as usize;
            if depth == 23 {
                nodes[node][bit] = DATA | offset;
            } else if nodes[node][bit] == EMPTY {
                nodes.push([EMPTY; 2]);
                nodes[node][bit] = nodes.len() as u64 - 1;
                node = nodes.len() - 1;
            } else {
                node = nodes[node][bit] as usize;
            }
        }
    }
    let count = nodes.len() as u64;
    let mut out = Vec::new();
    for record in nodes.iter().flatten() {
        let value = match *record {
            EMPTY => count,
            data if data & DATA != 0 => count + 16 + (data & !DATA),
            node => node,
        };
        out.extend_from_slice(&(value as u32).to_be_bytes());
    }
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&data);
    out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let metadata = json!({
        "binary_format_major_version": {"u16": 2}, "binary_format_minor_version": {"u16": 0}, "build_epoch": {"u64": built},
        "database_type": database_type, "description": {"en": "synthetic"}, "ip_version": {"u16": 4}, "languages": ["en"],
        "node_count": {"u32": count}, "record_size": {"u16": 32}
    });
    encode(&metadata, &mut out);
    out
}

/// Encodes a value; `{"u16": n}` and the like are numbers of that type, other whole numbers are of 32 bits.
fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(s) => {
            control(2, s.len(), out);
            out.extend_from_slice(s.as_bytes());
        }
        Value::Bool(b) => control(14, usize::from(*b), out),
        Value::Number(n) if n.is_f64() => {
            control(3, 8, out);
            out.extend_from_slice(&n.as_f64().expect("a number").to_be_bytes());
        }
        Value::Number(n) => unsigned(6, n.as_u64().expect("a whole number"), out),
        Value::Array(items) => {
            control(11, items.len(), out);
            items.iter().for_each(|i| encode(i, out));
        }
        Value::Object(map) => {
            for (name, kind) in [("u16", 5), ("u32", 6), ("u64", 9)] {
                if let (1, Some(n)) = (map.len(), map.get(name).and_then(Value::as_u64)) {
                    return unsigned(kind, n, out);
                }
            }
            control(7, map.len(), out);
            for (key, value) in map {
                encode(&Value::String(key.clone()), out);
                encode(value, out);
            }
        }
        Value::Null => unreachable!("the format knows no null"),
    }
}

fn unsigned(kind: u8, n: u64, out: &mut Vec<u8>) {
    let bytes = n.to_be_bytes();
    let skip = bytes.iter().take_while(|b| **b == 0).count();
    control(kind, 8 - skip, out);
    out.extend_from_slice(&bytes[skip..]);
}

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, more): (u8, Vec<u8>) = match size {
        0..=28 => (size as u8, Vec::new()),
        29..=284 => (29, vec![(size - 29) as u8]),
        _ => (30, ((size - 285) as u16).to_be_bytes().to_vec()),
    };
    if kind < 8 {
        out.push(kind << 5 | short);
    } else {
        out.extend_from_slice(&[short, kind - 7]);
    }
    out.extend_from_slice(&more);
}
