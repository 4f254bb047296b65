//! Where an event stands, as JSON text: findings and matches name every event that they rest on in the same words.

use crate::event::time::Days;
use crate::finding::scan::Scan;
use rayon::prelude::*;
use std::io::{self, Write};

/// Items rendered by one worker at a time.
const PART: usize = 1024;
/// Parts that wait to be written.
const PARTS: usize = 16;

/// Renders the place of any kept row; the names of files are escaped once.
pub struct Evidence<'s> {
    scan: &'s Scan<'s>,
    files: Vec<String>,
    /// No event id needs an escape.
    plain_ids: bool,
    days: Days,
}

impl<'s> Evidence<'s> {
    /// For the rows of a scan.
    pub fn new(scan: &'s Scan<'s>) -> Evidence<'s> {
        let rows = &scan.rows;
        let days = Days::new(rows.time.first().copied().unwrap_or_default(), rows.time.last().copied().unwrap_or_default());
        Evidence { scan, files: scan.files.iter().map(|f| json_text(&f.name)).collect(), plain_ids: !needs_escape(&rows.ids), days }
    }

    /// Appends `"event_id":…,"time":…,"file":…,"record":…` without braces.
    pub fn push(&self, row: u32, out: &mut Vec<u8>) {
        let rows = &self.scan.rows;
        out.extend_from_slice(b"\"event_id\":");
        match rows.event_id(row) {
            Some(id) if self.plain_ids => {
                out.push(b'"');
                out.extend_from_slice(id.as_bytes());
                out.push(b'"');
            }
            Some(id) => push_json_text(id, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"time\":\"");
        self.push_time(rows.time[row as usize], out);
        out.extend_from_slice(b"\",\"file\":");
        out.extend_from_slice(self.files[rows.file[row as usize] as usize].as_bytes());
        out.extend_from_slice(b",\"record\":");
        push_number(rows.record[row as usize].into(), out);
    }

    /// Appends a time.
    pub fn push_time(&self, micros: i64, out: &mut Vec<u8>) {
        self.days.push_time(micros, out);
    }
}

/// A JSON string with its quotes.
pub fn json_text(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_json_text(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Whether JSON spells a text otherwise than it stands. All of it is looked at: nearly none is, and this look is vectorised.
fn needs_escape(text: &str) -> bool {
    text.bytes().fold(false, |found, b| found | (b < 0x20) | (b == b'"') | (b == b'\\'))
}

/// Appends a JSON string with its quotes.
pub fn push_json_text(text: &str, out: &mut Vec<u8>) {
    if !needs_escape(text) {
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
    let render_all = |wave: &[T], texts: &mut Vec<Vec<u8>>| {
        texts.resize_with(wave.len().div_ceil(PART), Vec::new);
        wave.par_chunks(PART).zip(texts.par_iter_mut()).for_each(|(part, text)| {
            text.clear();
            render(part, text);
        });
    };
    let mut waves = items.chunks(PART * PARTS);
    let (mut ready, mut coming) = (Vec::new(), Vec::new());
    scan.pool.install(|| render_all(waves.next().unwrap_or_default(), &mut ready));
    // While one wave is written the next is rendered.
    while !ready.is_empty() {
        let wave = waves.next().unwrap_or_default();
        scan.pool.in_place_scope(|scope| {
            scope.spawn(|_| render_all(wave, &mut coming));
            ready.iter().try_for_each(|text| out.write_all(text))
        })?;
        std::mem::swap(&mut ready, &mut coming);
    }
    Ok(())
}
