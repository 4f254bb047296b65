//! Where an event stands, as JSON text: findings and matches name every event that they rest on in the same words.

use crate::event::time::push_time;
use crate::finding::scan::Scan;
use rayon::prelude::*;
use std::io::{self, Write};

/// Items rendered by one worker at a time.
const PART: usize = 2048;
/// Parts that wait to be written.
const PARTS: usize = 16;

/// Renders the place of any kept row; the names of files are escaped once.
pub struct Evidence<'s> {
    scan: &'s Scan<'s>,
    files: Vec<String>,
}

impl<'s> Evidence<'s> {
    /// For the rows of a scan.
    pub fn new(scan: &'s Scan<'s>) -> Evidence<'s> {
        Evidence { scan, files: scan.files.iter().map(|f| json_text(&f.name)).collect() }
    }

    /// Appends `"event_id":…,"time":…,"file":…,"record":…` without braces.
    pub fn push(&self, row: u32, out: &mut Vec<u8>) {
        let rows = &self.scan.rows;
        out.extend_from_slice(b"\"event_id\":");
        match rows.event_id(row) {
            Some(id) => push_json_text(id, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"time\":\"");
        push_time(rows.time[row as usize], out);
        out.extend_from_slice(b"\",\"file\":");
        out.extend_from_slice(self.files[rows.file[row as usize] as usize].as_bytes());
        out.extend_from_slice(b",\"record\":");
        push_number(rows.record[row as usize].into(), out);
    }
}

/// A JSON string with its quotes.
pub fn json_text(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_json_text(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends a JSON string with its quotes.
pub fn push_json_text(text: &str, out: &mut Vec<u8>) {
    // Looked at as a whole first: nearly no text needs an escape, and this look is vectorised.
    let escapes = text.bytes().fold(false, |found, b| found | (b < 0x20) | (b == b'"') | (b == b'\\'));
    if !escapes {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        return out.push(b'"');
    }
    // Writing into memory does not fail.
    let _ = serde_json::to_writer(&mut *out, text);
}

/// Appends a decimal number.
pub fn push_number(n: u64, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(&mut *out, &n);
}

/// Renders items on all workers and writes them in their order; what waits to be written is bounded.
pub fn write_parallel<T: Sync>(scan: &Scan<'_>, items: &[T], out: &mut dyn Write, render: impl Fn(&[T], &mut Vec<u8>) + Sync) -> io::Result<()> {
    for wave in items.chunks(PART * PARTS) {
        let parts: Vec<Vec<u8>> = scan.pool.install(|| {
            let one = |part: &[T]| {
                let mut text = Vec::with_capacity(part.len() * 256);
                render(part, &mut text);
                text
            };
            wave.par_chunks(PART).map(one).collect()
        });
        for part in parts {
            out.write_all(&part)?;
        }
    }
    Ok(())
}
