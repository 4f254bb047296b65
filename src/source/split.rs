//! Cuts a byte stream at record boundaries without parsing it: by lines, or by the nesting of one JSON document.

use std::io::Read;

/// Largest record, in bytes.
pub const MAX_RECORD: usize = 32 << 20;
/// Aimed size of a chunk, in bytes.
pub const CHUNK: usize = 4 << 20;

/// A stretch of complete records.
#[derive(Debug, Default)]
pub struct Piece {
    /// Bytes.
    pub bytes: Vec<u8>,
    /// Record spans in the bytes; empty for lines, which the reader finds itself.
    pub spans: Vec<(usize, usize)>,
    /// Record number of the first record (1-based), or line number for lines.
    pub first: u32,
    /// What went wrong inside.
    pub faults: Vec<Fault>,
}

/// Why a record, or a file as a whole, could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The record's number; none where the file itself is meant.
    pub record: Option<u32>,
    /// The reason.
    pub reason: String,
    /// The record's bytes, as far as they were read.
    pub raw: Vec<u8>,
}

impl Fault {
    /// A fault without the record's bytes.
    pub fn of(record: Option<u32>, reason: String) -> Fault {
        Fault { record, reason, raw: Vec::new() }
    }
}

/// Calls `emit` with pieces of whole lines. `emit` returns false to stop.
pub fn split_lines(head: Vec<u8>, mut rest: Box<dyn Read + Send>, emit: &mut dyn FnMut(Piece)) {
    let mut pending = head;
    let mut line = 1u32;
    let mut skipping = false;
    loop {
        let mut ended = None;
        if pending.len() < CHUNK {
            let want = (CHUNK + 1 - pending.len()) as u64;
            match rest.by_ref().take(want).read_to_end(&mut pending) {
                Ok(0) => ended = Some(None),
                Ok(_) => {}
                Err(e) => ended = Some(Some(super::unpack::describe(&e))),
            }
        }
        let mut faults = Vec::new();
        if skipping {
            match memchr::memchr(b'\n', &pending) {
                Some(at) => {
                    pending.drain(..=at);
                    line += 1;
                    skipping = false;
                }
                None if ended.is_none() => {
                    pending.clear();
                    continue;
                }
                None => pending.clear(),
            }
        }
        let cut = match (memchr::memrchr(b'\n', &pending), ended.is_some()) {
            (_, true) => pending.len(),
            (Some(at), false) => at + 1,
            (None, false) if pending.len() <= MAX_RECORD => {
                let want = pending.len() as u64;
                if let Err(e) = rest.by_ref().take(want).read_to_end(&mut pending) {
                    faults.push(Fault::of(None, super::unpack::describe(&e)));
                }
                if pending.len() as u64 == want { pending.len() } else { continue }
            }
            (None, false) => {
                faults.push(Fault::of(Some(line), too_long()));
                pending.clear();
                skipping = true;
                0
            }
        };
        let tail = pending.split_off(cut);
        let bytes = std::mem::replace(&mut pending, tail);
        let lines = memchr::memchr_iter(b'\n', &bytes).count() as u32;
        let first = line;
        line += lines;
        if let Some(Some(e)) = &ended {
            faults.push(Fault::of(None, e.clone()));
        }
        if !bytes.is_empty() || !faults.is_empty() {
            emit(Piece { bytes, spans: Vec::new(), first, faults });
        }
        if ended.is_some() {
            return;
        }
    }
}

/// The reason for a record beyond [`MAX_RECORD`].
pub fn too_long() -> String {
    format!("the record is larger than {} MiB", MAX_RECORD >> 20)
}

/// Where records stand in a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Documents one after another, each a record.
    Top,
    /// Elements of the outermost array.
    Array,
    /// Elements of the array under a container key of the outermost object.
    Container,
}

/// Finds record boundaries in JSON bytes fed piece by piece.
///
/// It knows strings, escapes and nesting only; whether a record is valid is for the parser to say.
pub struct Scanner {
    level: Level,
    containers: Vec<String>,
    depth: usize,
    base: usize,
    in_string: bool,
    escaped: bool,
    key: Vec<u8>,
    last_key: Vec<u8>,
    start: Option<usize>,
}

impl Scanner {
    /// A scanner for records at a level.
    pub fn new(level: Level, containers: &[String]) -> Scanner {
        let base = match level {
            Level::Top => 0,
            Level::Array => 1,
            Level::Container => usize::MAX,
        };
        Scanner { level, containers: containers.to_vec(), depth: 0, base, in_string: false, escaped: false, key: Vec::new(), last_key: Vec::new(), start: None }
    }

    /// Scans `bytes[from..]`; calls `found` with the span of each complete record.
    pub fn scan(&mut self, bytes: &[u8], from: usize, found: &mut dyn FnMut(usize, usize)) {
        self.scan_while(bytes, from, &mut |s, e| {
            found(s, e);
            true
        });
    }

    /// As [`Scanner::scan`], until `found` returns false: the scanner is then not to be used any more.
    pub fn scan_while(&mut self, bytes: &[u8], from: usize, found: &mut dyn FnMut(usize, usize) -> bool) {
        let mut i = from;
        let mut more = true;
        while i < bytes.len() && more {
            let b = bytes[i];
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                } else if b == b'\\' {
                    self.escaped = true;
                } else if b == b'"' {
                    self.in_string = false;
                    if self.depth == 1 && self.level == Level::Container {
                        self.last_key = std::mem::take(&mut self.key);
                    }
                } else if self.depth == 1 && self.level == Level::Container && self.key.len() < 256 {
                    self.key.push(b);
                } else if let Some(skip) = memchr::memchr2(b'"', b'\\', &bytes[i..]) {
                    i += skip;
                    continue;
                } else {
                    return;
                }
                i += 1;
                continue;
            }
            match b {
                b'"' => {
                    self.in_string = true;
                    self.key.clear();
                    self.open_scalar(i);
                }
                b'{' | b'[' => {
                    if self.depth == self.base && self.start.is_none() {
                        self.start = Some(i);
                    }
                    self.depth += 1;
                    if self.level == Level::Container
                        && self.depth == 2
                        && b == b'['
                        && self.base == usize::MAX
                        && self.containers.iter().any(|c| c.as_bytes() == self.last_key)
                    {
                        self.base = 2;
                    }
                }
                b'}' | b']' => {
                    if self.depth == self.base {
                        more &= self.close(i, found);
                        if self.level == Level::Container {
                            self.base = usize::MAX;
                        }
                    }
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == self.base {
                        more &= self.close(i + 1, found);
                    }
                }
                b',' if self.depth == self.base => more &= self.close(i, found),
                b' ' | b'\t' | b'\r' | b'\n' => {
                    if self.depth == 0 && self.base == 0 {
                        more &= self.close(i, found);
                    }
                }
                _ => self.open_scalar(i),
            }
            i += 1;
        }
    }

    fn open_scalar(&mut self, at: usize) {
        if self.depth == self.base && self.start.is_none() {
            self.start = Some(at);
        }
    }

    fn close(&mut self, end: usize, found: &mut dyn FnMut(usize, usize) -> bool) -> bool {
        match self.start.take() {
            Some(start) => found(start, end),
            None => true,
        }
    }

    /// Where an unfinished record began, as an index into the last scanned bytes.
    pub fn unfinished(&self) -> Option<usize> {
        self.start
    }

    /// Whether the document's brackets are all closed.
    pub fn is_balanced(&self) -> bool {
        self.depth == 0 && !self.in_string && self.start.is_none()
    }

    /// The bytes before `by` were dropped.
    pub fn shift(&mut self, by: usize) {
        self.start = self.start.map(|s| s.saturating_sub(by));
    }
}

/// Calls `emit` with pieces of complete records of one long JSON document (or many documents).
pub fn split_json(head: Vec<u8>, mut rest: Box<dyn Read + Send>, level: Level, containers: &[String], emit: &mut dyn FnMut(Piece)) {
    let mut scanner = Scanner::new(level, containers);
    let mut bytes = head;
    let (mut scanned, mut next) = (0, 1u32);
    loop {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        scanner.scan(&bytes, scanned, &mut |s, e| spans.push((s, e)));
        let keep_from = scanner.unfinished().unwrap_or(bytes.len());
        let mut faults = Vec::new();
        let mut tail = bytes.split_off(keep_from);
        scanner.shift(keep_from);
        let first = next;
        next += spans.len() as u32;
        if tail.len() > MAX_RECORD {
            faults.push(Fault::of(Some(next), too_long()));
            faults.push(Fault::of(None, "the rest of the file was not read: its record boundaries are lost".into()));
            emit(Piece { bytes, spans, first, faults });
            return;
        }
        let had = tail.len();
        let ended = match rest.by_ref().take(CHUNK as u64).read_to_end(&mut tail) {
            Ok(0) => Some(None),
            Ok(_) => None,
            Err(e) => Some(Some(super::unpack::describe(&e))),
        };
        if let Some(error) = ended {
            // What came with an error is still good up to the last complete record.
            scanner.scan(&tail, had, &mut |_, _| {});
            if scanner.unfinished().is_some() && level == Level::Top && scanner.depth == 0 && !scanner.in_string {
                let at = bytes.len();
                bytes.extend_from_slice(&tail);
                spans.push((at, bytes.len()));
            } else if scanner.unfinished().is_some() {
                let raw = tail[scanner.unfinished().unwrap_or(0).min(tail.len())..].to_vec();
                faults.push(Fault { record: Some(next), reason: "the record is cut off at the end of the file".into(), raw });
            } else if !scanner.is_balanced() {
                faults.push(Fault::of(None, "the file ends inside the document: it was cut off".into()));
            }
            faults.extend(error.map(|e| Fault::of(None, e)));
            emit(Piece { bytes, spans, first, faults });
            return;
        }
        emit(Piece { bytes, spans, first, faults });
        bytes = tail;
        scanned = had;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans(level: Level, text: &str, cut: usize) -> Vec<String> {
        let containers = vec!["Records".to_owned()];
        let mut out = Vec::new();
        let cut = (0..=cut.min(text.len())).rev().find(|c| text.is_char_boundary(*c)).unwrap_or(0);
        let (head, rest) = text.split_at(cut);
        split_json(head.as_bytes().to_vec(), Box::new(std::io::Cursor::new(rest.as_bytes().to_vec())), level, &containers, &mut |p| {
            out.extend(p.spans.iter().map(|(s, e)| String::from_utf8_lossy(&p.bytes[*s..*e]).trim().to_owned()));
        });
        out
    }

    #[test]
    fn records_of_each_level() {
        assert_eq!(spans(Level::Top, "{\"a\":1}\n{\"b\":[1,{}]}{\"c\":\"}\"}", 3), ["{\"a\":1}", "{\"b\":[1,{}]}", "{\"c\":\"}\"}"]);
        assert_eq!(spans(Level::Array, "[ {\"a\":\"]\"}, 7 ,[1] ]", 5), ["{\"a\":\"]\"}", "7", "[1]"]);
        assert_eq!(spans(Level::Container, "{\"x\":[{\"n\":1}],\"Records\":[{\"a\":1},{\"b\":\"\\\"\"}],\"y\":[2]}", 9), ["{\"a\":1}", "{\"b\":\"\\\"\"}"]);
    }

    proptest! {
        #[test]
        fn cutting_anywhere_gives_the_same_records(values in prop::collection::vec("[a-z{}\\[\\]\",: \\\\é]{0,12}", 0..6), cut in 0usize..200) {
            let records: Vec<String> = values.iter().map(|v| serde_json::json!({"v": v, "l": [v]}).to_string()).collect();
            let array = format!("[{}]", records.join(" , "));
            prop_assert_eq!(spans(Level::Array, &array, cut), records.clone());
            let wrapped = format!("{{\"limit\": 5, \"Records\": {array}, \"z\": {{}}}}");
            prop_assert_eq!(spans(Level::Container, &wrapped, cut), records.clone());
            prop_assert_eq!(spans(Level::Top, &records.join("\n"), cut), records);
        }
    }
}
