//! What shape a file's bytes have, and where its first records stand.

use super::SourceSet;
use super::split::{Fault, Level, Piece, Scanner};
use super::unwrap::unwrap;
use std::io::Read;

/// Bytes looked at to tell a file's shape and source.
const LOOK: usize = 4 << 20;
/// Bytes looked at first: mostly enough.
const GLANCE: usize = 64 << 10;
/// Records looked at to tell a file's source.
const LOOK_RECORDS: usize = 20;

/// How records stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Nothing but white space.
    Empty,
    /// One JSON array of records.
    Array,
    /// One or more JSON objects that hold the array under a container key.
    Container,
    /// One JSON object a line.
    Lines,
    /// JSON objects one after another, over several lines.
    Concatenated,
    /// Comma-separated values with a header.
    Csv,
    /// None of these.
    NotALog,
}

/// Length of a UTF-8 byte order mark at the start.
pub fn bom(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

impl Shape {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Shape::Empty => "nothing",
            Shape::Array => "a JSON array",
            Shape::Container => "JSON objects that hold an array of records",
            Shape::Lines => "one record a line",
            Shape::Concatenated => "JSON objects one after another",
            Shape::Csv => "CSV with a header",
            Shape::NotALog => "neither JSON nor CSV",
        }
    }
}

/// Tells the shape from a file's first bytes.
pub fn shape(bytes: &[u8], sources: &SourceSet) -> Shape {
    let bytes = &bytes[bom(bytes)..];
    let Some(at) = bytes.iter().position(|b| !b.is_ascii_whitespace()) else { return Shape::Empty };
    let text = &bytes[at..bytes.len().min(at + LOOK)];
    let first_lines = || text.split(|b| *b == b'\n').take(LOOK_RECORDS).filter(|l| l.len() < LOOK / LOOK_RECORDS);
    match text[0] {
        b'[' if text[1..].iter().find(|b| !b.is_ascii_whitespace()).is_none_or(|b| matches!(b, b'{' | b'[' | b']' | b'"')) => Shape::Array,
        b'{' => object_shape(&text[..text.len().min(GLANCE)], sources).or_else(|| object_shape(text, sources)).unwrap_or_else(|| {
            // A cut-off only record, or a line that is not JSON: lines lose least.
            if text.iter().take(64).any(|b| *b == b'\n') { Shape::Concatenated } else { Shape::Lines }
        }),
        _ if first_lines().any(|l| std::str::from_utf8(l).is_ok_and(|l| !l.trim().is_empty() && !unwrap(l.trim(), sources).events.is_empty())) => Shape::Lines,
        _ if looks_like_csv(text) => Shape::Csv,
        // Lines of JSON may begin with a line that is none.
        _ if first_lines().skip(1).any(|l| l.first() == Some(&b'{') && serde_json::from_slice::<serde_json::Value>(l).is_ok()) => Shape::Lines,
        _ => Shape::NotALog,
    }
}

/// The shape of text that begins with an object; `None` when the text ends before it can be told.
fn object_shape(text: &[u8], sources: &SourceSet) -> Option<Shape> {
    let containers = &sources.containers.arrays;
    let mut first = None;
    let stop_at = |slot: &mut Option<(usize, usize)>, s, e| {
        *slot = Some((s, e));
        false
    };
    Scanner::new(Level::Top, &[]).scan_while(text, 0, &mut |s, e| stop_at(&mut first, s, e));
    let document = first.map_or(text, |(s, e)| &text[s..e]);
    let mut inside = None;
    Scanner::new(Level::Container, containers).scan_while(document, 0, &mut |s, e| stop_at(&mut inside, s, e));
    let is_known = |raw: &[u8]| std::str::from_utf8(raw).is_ok_and(|r| !unwrap(r, sources).events.is_empty());
    // What a source knows as a record may have an array under a key that is elsewhere a container's.
    let is_container = match inside {
        Some((s, e)) => is_known(&document[s..e]) || first.is_none() || !is_known(document),
        None => has_empty_container(document, containers),
    };
    if is_container {
        return Some(Shape::Container);
    }
    // Firehose writes objects without anything in between.
    let goes_on = |e: usize| text[e..].iter().find(|b| **b == b'\n' || !b.is_ascii_whitespace()).is_some_and(|b| *b != b'\n');
    first.map(|(s, e)| if text[s..e].contains(&b'\n') || goes_on(e) { Shape::Concatenated } else { Shape::Lines })
}

/// `{"Records": []}` holds no record and is still a container.
fn has_empty_container(document: &[u8], containers: &[String]) -> bool {
    document.len() < 65_536
        && serde_json::from_slice::<serde_json::Value>(document)
            .is_ok_and(|v| containers.iter().any(|c| v.get(c).and_then(|a| a.as_array()).is_some_and(Vec::is_empty)))
}

fn looks_like_csv(text: &[u8]) -> bool {
    let text = &text[..text.len().min(1 << 20)];
    let dialect = Dialect::of(text);
    let mut reader = dialect.reader().has_headers(false).from_reader(&text[dialect.preamble..]);
    let mut rows = reader.byte_records();
    let Some(Ok(header)) = rows.next() else { return false };
    let named = header.len() >= 3 && header.iter().all(|h| !h.is_empty() && h.len() < 100 && std::str::from_utf8(h).is_ok());
    named && rows.next().is_none_or(|r| r.is_ok_and(|r| r.len() == header.len()))
}

/// How a CSV file is written.
struct Dialect {
    delimiter: u8,
    /// Bytes before the header: PowerShell writes a line `#TYPE ...`, spreadsheets one of `sep=;`.
    preamble: usize,
}

impl Dialect {
    fn of(text: &[u8]) -> Dialect {
        let body = &text[bom(text)..];
        let line = |t: &[u8]| memchr::memchr(b'\n', t).map_or(t.len(), |at| at + 1);
        let preamble = if body.starts_with(b"#TYPE ") || body.starts_with(b"sep=") { text.len() - body.len() + line(body) } else { 0 };
        let header = &text[preamble..];
        let header = &header[..line(header)];
        let count = |d: u8| header.iter().filter(|b| **b == d).count();
        // The comma wins where counts are equal.
        let delimiter = [b'\t', b';', b','].into_iter().max_by_key(|d| count(*d)).unwrap_or(b',');
        Dialect { delimiter, preamble }
    }

    fn reader(&self) -> csv::ReaderBuilder {
        let mut builder = csv::ReaderBuilder::new();
        builder.flexible(true).delimiter(self.delimiter);
        builder
    }
}

/// The first records of a file, to tell its source.
pub fn first_records(bytes: &[u8], shape: Shape, sources: &SourceSet) -> Vec<Vec<u8>> {
    let bytes = &bytes[bom(bytes)..];
    let bytes = &bytes[..bytes.len().min(LOOK)];
    let mut out = Vec::new();
    let mut take = |raw: &[u8]| {
        if !raw.trim_ascii().is_empty() {
            out.push(raw.to_vec());
        }
        out.len() < LOOK_RECORDS
    };
    match shape {
        Shape::Lines => bytes.split(|b| *b == b'\n').take(LOOK_RECORDS * 5).for_each(|l| {
            take(l);
        }),
        Shape::Array | Shape::Container | Shape::Concatenated => {
            let level = level_of(shape);
            Scanner::new(level, &sources.containers.arrays).scan_while(bytes, 0, &mut |s, e| take(&bytes[s..e]));
        }
        Shape::Csv => {
            csv_pieces(std::io::Cursor::new(bytes.to_vec()), &mut |piece| {
                for (s, e) in piece.spans.iter().take(LOOK_RECORDS) {
                    take(&piece.bytes[*s..*e]);
                }
                false
            });
        }
        Shape::Empty | Shape::NotALog => {}
    }
    out
}

/// Where the scanner finds the records of a shape.
pub fn level_of(shape: Shape) -> Level {
    match shape {
        Shape::Array => Level::Array,
        Shape::Container => Level::Container,
        _ => Level::Top,
    }
}

/// Rows of a CSV file as JSON records keyed by the header; cells that hold JSON objects or arrays are taken as such,
/// empty cells are absent. `emit` returns false to stop. Record numbers are given as faults' and spans' lines.
pub fn csv_pieces(mut reader: impl Read, emit: &mut dyn FnMut(CsvPiece) -> bool) {
    let mut head = Vec::new();
    // An error comes again when the rest is read.
    let _ = reader.by_ref().take(GLANCE as u64).read_to_end(&mut head);
    let dialect = Dialect::of(&head);
    let skipped = u32::from(dialect.preamble > 0);
    head.drain(..dialect.preamble);
    // With the default terminator the reader's line numbers are one behind after CRLF.
    let mut reader = dialect.reader().terminator(csv::Terminator::Any(b'\n')).from_reader(std::io::Cursor::new(head).chain(reader));
    let header: Vec<String> = match reader.byte_headers() {
        Ok(h) => h.iter().map(|c| heading(&String::from_utf8_lossy(c))).collect(),
        Err(e) => {
            emit(CsvPiece { faults: vec![Fault::of(Some(1), format!("the header cannot be read: {e}"))], ..CsvPiece::default() });
            return;
        }
    };
    let mut piece = CsvPiece::default();
    let mut row = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut row) {
            Ok(false) => break,
            Ok(true) => {}
            Err(e) => {
                piece.faults.push(Fault::of(None, super::unpack::describe(&std::io::Error::other(e.to_string()))));
                break;
            }
        }
        let line = row.position().map_or(0, |p| p.line()) as u32 + skipped;
        if row.len() == 1 && row.as_slice().trim_ascii().is_empty() {
            continue;
        }
        if row.len() != header.len() {
            let reason = format!("the row has {} fields, the header has {}", row.len(), header.len());
            piece.faults.push(Fault { record: Some(line), reason, raw: raw_row(&row, dialect.delimiter) });
        } else if let Err(reason) = piece.push(&header, &row, line) {
            piece.faults.push(Fault { record: Some(line), reason, raw: raw_row(&row, dialect.delimiter) });
        }
        if piece.bytes.len() >= super::split::CHUNK && !emit(std::mem::take(&mut piece)) {
            return;
        }
    }
    emit(piece);
}

/// A heading as a field's name: Log Analytics puts the zone of its times behind it.
fn heading(cell: &str) -> String {
    let name = cell.trim_start_matches('\u{feff}').trim();
    name.strip_suffix(" [UTC]").unwrap_or(name).to_owned()
}

/// Rows as JSON, each with its line.
#[derive(Debug, Default)]
pub struct CsvPiece {
    /// JSON text of the rows.
    pub bytes: Vec<u8>,
    /// Span of each row's JSON.
    pub spans: Vec<(usize, usize)>,
    /// Line of each row.
    pub lines: Vec<u32>,
    /// Rows that are not usable, with their lines.
    pub faults: Vec<Fault>,
}

/// A row as text again.
fn raw_row(row: &csv::ByteRecord, delimiter: u8) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    let written = writer.write_byte_record(row).is_ok();
    let bytes = writer.into_inner().unwrap_or_default();
    if written { bytes.trim_ascii_end().to_vec() } else { Vec::new() }
}

impl CsvPiece {
    fn push(&mut self, header: &[String], row: &csv::ByteRecord, line: u32) -> Result<(), String> {
        let start = self.bytes.len();
        self.bytes.push(b'{');
        for (name, cell) in header.iter().zip(row) {
            let Ok(cell) = std::str::from_utf8(cell.strip_suffix(b"\r").unwrap_or(cell)) else {
                self.bytes.truncate(start);
                return Err(format!("the field `{name}` is not valid UTF-8"));
            };
            if cell.is_empty() {
                continue;
            }
            if self.bytes.len() > start + 1 {
                self.bytes.push(b',');
            }
            let quoted = |out: &mut Vec<u8>, text: &str| serde_json::to_writer(out, text).map_err(|e| e.to_string());
            quoted(&mut self.bytes, name)?;
            self.bytes.push(b':');
            let nested = cell.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(cell).is_ok();
            if nested {
                // A line break inside a cell must not look like the end of a record.
                self.bytes.extend(cell.bytes().map(|b| if b == b'\n' || b == b'\r' { b' ' } else { b }));
            } else {
                quoted(&mut self.bytes, cell)?;
            }
        }
        self.bytes.push(b'}');
        self.spans.push((start, self.bytes.len()));
        self.lines.push(line);
        Ok(())
    }
}

impl From<CsvPiece> for Piece {
    fn from(csv: CsvPiece) -> Piece {
        Piece { bytes: csv.bytes, spans: csv.spans, first: 0, faults: csv.faults }
    }
}
