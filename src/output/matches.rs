//! `--matches`: one line for each rule that matched an event.

use crate::event::time::format_time;
use crate::finding::scan::Scan;
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct Line<'a> {
    rule_id: &'a str,
    rule_title: &'a str,
    level: &'static str,
    event_id: Option<&'a str>,
    time: &'a str,
    file: &'a str,
    record: u32,
}

/// Writes every match in the order of time, file, record, rule.
pub fn write_matches(scan: &Scan<'_>, out: &mut dyn Write) -> io::Result<()> {
    // A row's tail is the same for each of its rules, a rule's head for each of its rows.
    let heads: Vec<String> = scan
        .rules
        .rules
        .iter()
        .map(|r| {
            let line = Line { rule_id: &r.meta.id, rule_title: &r.meta.title, level: r.meta.level.name(), event_id: None, time: "", file: "", record: 0 };
            let text = serde_json::to_string(&line).unwrap_or_default();
            text.split(",\"event_id\"").next().unwrap_or_default().to_owned()
        })
        .collect();
    let files: Vec<String> = scan.files.iter().map(|f| serde_json::to_string(&f.name).unwrap_or_default()).collect();
    let mut tail = Vec::new();
    let mut tail_row = u32::MAX;
    for &(rule, row) in &scan.matches {
        if row != tail_row {
            tail.clear();
            tail.extend_from_slice(b",\"event_id\":");
            serde_json::to_writer(&mut tail, &scan.rows.event_id(row))?;
            let i = row as usize;
            writeln!(
                tail,
                ",\"time\":\"{}\",\"file\":{},\"record\":{}}}",
                format_time(scan.rows.time[i]),
                files[scan.rows.file[i] as usize],
                scan.rows.record[i]
            )?;
            tail_row = row;
        }
        out.write_all(heads[rule as usize].as_bytes())?;
        out.write_all(&tail)?;
    }
    Ok(())
}
