//! `--matches`: one line for each rule that matched an event.

use super::evidence::{Evidence, json_text, write_parallel};
use crate::finding::scan::Scan;
use std::io::{self, Write};

/// Writes every match in the order of time, file, record, rule.
///
/// A line is `{"rule_id","rule_title","level","event_id","time","file","record"}` (DESIGN, fixed outputs).
pub fn write_matches(scan: &Scan<'_>, out: &mut dyn Write) -> io::Result<()> {
    // A rule's head is the same for each of its rows, a row's tail for each of its rules.
    let heads: Vec<String> = scan
        .rules
        .rules
        .iter()
        .map(|r| format!("{{\"rule_id\":{},\"rule_title\":{},\"level\":\"{}\",", json_text(&r.meta.id), json_text(&r.meta.title), r.meta.level.name()))
        .collect();
    let evidence = Evidence::new(scan);
    write_parallel(scan, &scan.matches, out, |part, text| {
        let mut tail = Vec::new();
        for of_row in part.chunk_by(|a, b| a.1 == b.1) {
            tail.clear();
            evidence.push(of_row[0].1, &mut tail);
            tail.extend_from_slice(b"}\n");
            for &(rule, _) in of_row {
                text.extend_from_slice(heads[rule as usize].as_bytes());
                text.extend_from_slice(&tail);
            }
        }
    })
}
