//! Reads all inputs in parallel with a bounded number of chunks in flight; what a worker gathers is merged in a total order.

mod gather;

use super::batch::Batch;
use super::chunk::Chunk;
use super::document::walk_document;
use super::gathered::{FileStat, Gathered, Spooled};
use super::plan::SourcePlan;
use super::plans::Plans;
use super::queue::{Job, Queue, Work};
use super::tally::Page;
use crate::enrich::database::Databases;
use crate::rule::FieldRef;
use crate::source::SourceSet;
use crate::source::chunk::{Shape, bom, csv_pieces, first_records, level_of, shape};
use crate::source::discover::Input;
use crate::source::parquet::{Columns, Contents, Part, Stretch, Table};
use crate::source::split::{Fault, Level, MAX_RECORD, Piece, Scanner, split_json, split_lines, too_long};
use crate::source::unpack::{Opened, open};
use crate::source::unwrap::unwrap;
use foldhash::quality::RandomState;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

/// Which rows keep their columns beyond their chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Rows that some rule matched.
    Matched,
    /// Those, and rows that have an activity.
    Active,
    /// All.
    All,
}

/// Renders a row to bytes while its chunk is in memory.
pub type Render<'a> = &'a (dyn Fn(&Batch<'_>, u32, &[u8], &mut Vec<u8>) + Sync);

/// What to run.
pub struct Spec<'a> {
    /// Inputs, sorted.
    pub inputs: &'a [Input],
    /// Mappings.
    pub sources: &'a SourceSet,
    /// The plans of the mappings.
    pub plans: &'a Plans<'a>,
    /// Fields kept for kept rows.
    pub retained: &'a [FieldRef],
    /// Which rows are kept.
    pub keep: Keep,
    /// From the first instant on, up to and without the second: what is known before the run of the period asked for.
    pub bounds: (Option<i64>, Option<i64>),
    /// What tells of addresses: where one of these turns out to be broken, the run is given up.
    pub databases: &'a Databases,
    /// Workers.
    pub pool: &'a rayon::ThreadPool,
    /// Renders every accepted row, into a spool that is read back in order.
    pub render: Option<Render<'a>>,
    /// Rejected records are kept, with their text.
    pub rejects: bool,
    /// Told after each file.
    pub progress: &'a (dyn Fn(usize) + Sync),
}

/// Runs all workers and gives what each gathered.
pub fn run(spec: &Spec<'_>) -> Vec<Gathered> {
    let queue = Queue::new(spec.inputs.len(), spec.pool.current_num_threads());
    let hasher = RandomState::default();
    spec.pool.broadcast(|context| {
        let mut worker = Worker::new(spec, &queue, &hasher, context.index() as u32);
        worker.work();
        worker.finish()
    })
}

struct Worker<'a> {
    spec: &'a Spec<'a>,
    queue: &'a Queue,
    hasher: &'a RandomState,
    number: u32,
    /// By source, once it is met.
    batches: Vec<Option<Batch<'a>>>,
    buffer: Vec<u8>,
    packed: Vec<u8>,
    line: Vec<u8>,
    spool_at: u64,
    reject_spool_at: u64,
    /// For each source the codes of the kept values, by retained field and code in the batch.
    recode: Vec<Recode>,
    /// The table of which the records at hand hold some columns only.
    partial: Option<Arc<Table>>,
    out: Gathered,
}

/// Codes of a batch in terms of the kept values; they hold for one epoch of the batch's dictionaries.
#[derive(Default)]
struct Recode {
    epoch: u32,
    codes: Vec<Vec<u32>>,
}

impl<'a> Worker<'a> {
    fn new(spec: &'a Spec<'a>, queue: &'a Queue, hasher: &'a RandomState, number: u32) -> Worker<'a> {
        let mut out = Gathered { by_source: vec![0; spec.plans.sources()], ..Gathered::default() };
        out.kept.columns = vec![Vec::new(); spec.retained.len()];
        let mut spool = |wanted: bool| match wanted.then(tempfile::tempfile) {
            None => None,
            Some(Ok(file)) => Some(file),
            Some(Err(e)) => {
                out.broken = Some(format!("no temporary file can be made: {e}"));
                None
            }
        };
        (out.spool, out.reject_spool) = (spool(spec.render.is_some()), spool(spec.rejects));
        Worker {
            spec,
            queue,
            hasher,
            number,
            batches: (0..spec.plans.sources()).map(|_| None).collect(),
            buffer: Vec::new(),
            packed: Vec::new(),
            line: Vec::new(),
            spool_at: 0,
            reject_spool_at: 0,
            recode: (0..spec.plans.sources()).map(|_| Recode::default()).collect(),
            partial: None,
            out,
        }
    }

    fn work(&mut self) {
        while let Some(work) = self.queue.next() {
            match work {
                Work::File(i) => {
                    if self.spec.databases.fault().is_none() {
                        self.file(i);
                    }
                    self.queue.produced();
                    (self.spec.progress)(1);
                }
                Work::Piece(job) => {
                    let produces = job.stretch.is_some();
                    if self.spec.databases.fault().is_none() {
                        self.piece(job);
                    }
                    if produces {
                        self.queue.produced();
                    }
                }
            }
        }
    }

    /// Hands a piece to a waiting worker, or does it here when enough wait already.
    fn offer(&mut self, job: Job) {
        if let Some(job) = self.queue.offer(job) {
            self.piece(job);
        }
    }

    fn batch(&mut self, source: usize) -> &mut Batch<'a> {
        let spec = self.spec;
        self.batches[source].get_or_insert_with(|| Batch::new(spec.plans.of(source), spec.render.is_some()))
    }

    fn stat(&mut self, file: u32) -> &mut FileStat {
        self.out.files.entry(file).or_default()
    }

    /// Notes why a record, or the file as a whole, could not be used, and keeps the record's text where that is asked for.
    fn reject(&mut self, file: u32, record: Option<u32>, reason: String, raw: &[u8]) {
        if self.spec.rejects {
            let raw = (!raw.is_empty()).then(|| String::from_utf8_lossy(raw));
            let line = serde_json::json!({"record": record, "reason": &reason, "raw": raw}).to_string();
            self.line.clear();
            self.line.push(b',');
            self.line.extend_from_slice(&line.as_bytes()[1..]);
            self.line.push(b'\n');
            let at =
                Spooled { time: 0, file, record: record.unwrap_or(0), part: 0, worker: self.number, offset: self.reject_spool_at, len: self.line.len() as u32 };
            write_spool(&mut self.out.reject_spool, &self.line, &mut self.out.broken);
            self.out.rejects.push(at);
            self.reject_spool_at += self.line.len() as u64;
        }
        self.stat(file).reject(record, reason);
    }

    fn faults(&mut self, file: u32, faults: Vec<Fault>) {
        faults.into_iter().for_each(|f| self.reject(file, f.record, f.reason, &f.raw));
    }

    fn file(&mut self, index: usize) {
        let file = index as u32;
        let input = &self.spec.inputs[index];
        self.stat(file);
        let buffer = std::mem::take(&mut self.buffer);
        match open(input, buffer, &mut self.packed) {
            Err(reason) => self.reject(file, None, reason, &[]),
            Ok(Opened::Whole(bytes, fault)) => {
                self.whole(file, &bytes, fault.is_some());
                if let Some(reason) = fault {
                    self.reject(file, None, reason, &[]);
                }
                self.buffer = bytes;
            }
            Ok(Opened::Stream(head, rest)) => self.stream(file, head, rest),
            Ok(Opened::Parquet(contents)) => self.table(file, contents),
        }
    }

    /// Offers the row groups of a table, each with the columns that somebody reads.
    fn table(&mut self, file: u32, contents: Contents) {
        let table = match Table::open(contents) {
            Ok(table) => Arc::new(table),
            Err(reason) => return self.reject(file, None, reason, &[]),
        };
        self.stat(file).containers.insert("Parquet".into());
        let head: Vec<serde_json::Value> = table.head().into_iter().map(serde_json::Value::Object).collect();
        let source = head.iter().find_map(|r| self.spec.sources.detect(r));
        let columns = source.filter(|s| self.reads_some_columns(*s, &head)).and_then(|s| {
            let trie = &self.spec.plans.of(s).trie;
            table.columns(&|name| trie.has_root(name))
        });
        let scalars = columns.as_ref().and_then(|c| table.scalars(c));
        let as_columns = source.zip(scalars).is_some_and(|(s, names)| self.batch(s).takes_columns(&names));
        for group in 0..table.groups() {
            let stretch = Stretch { table: table.clone(), group, columns: columns.clone(), as_columns };
            self.offer(Job { file, source, stretch: Some(stretch), ..Job::default() });
        }
    }

    /// Whether the plan's own columns are all that is wanted of a table's rows.
    fn reads_some_columns(&mut self, source: usize, head: &[serde_json::Value]) -> bool {
        let plan = self.spec.plans.of(source);
        // What is unwrapped first may be of any source.
        if self.spec.render.is_some() || self.spec.rejects || !plan.keywords.is_empty() || plan.mapping.rewrites() {
            return false;
        }
        // Events without an id are the same event when all of it is the same, in another file.
        self.spec.inputs.len() == 1 || self.have_ids(source, head)
    }

    fn have_ids(&mut self, source: usize, records: &[serde_json::Value]) -> bool {
        let mut bytes = Vec::new();
        let mut spans = Vec::new();
        for record in records {
            let start = bytes.len();
            bytes.extend_from_slice(record.to_string().as_bytes());
            spans.push((start, bytes.len()));
        }
        let batch = self.batch(source);
        batch.clear();
        batch.begin_chunk(&bytes);
        let chunk = Chunk::new(&bytes);
        for span in spans {
            let _ = batch.add(&chunk, span, 1, 0);
        }
        batch.compute(&chunk);
        let all = (0..batch.len() as u32).all(|row| batch.event_id(row).is_some());
        batch.clear();
        all
    }

    /// Reads a row group; its parts are jobs of their own.
    fn stretch(&mut self, file: u32, stretch: &Stretch, source: Option<usize>) {
        let columns = stretch.columns.as_ref().map(|c| c.as_slice());
        let partial = stretch.columns.as_ref().map(|_| stretch.table.clone());
        stretch.table.read(stretch.group, columns, stretch.as_columns, &mut |part| {
            let (piece, columns) = match part {
                Part::Records(piece) => (piece, None),
                Part::Columns(columns) => (Piece::default(), Some(Box::new(columns))),
            };
            self.offer(Job { file, piece, columns, source, partial: partial.clone(), ..Job::default() });
        });
    }

    /// The source whose records stand in the file as they are; none where they are to be told one by one.
    fn source_of(&self, bytes: &[u8], shape: Shape) -> Option<usize> {
        let sources = self.spec.sources;
        first_records(bytes, shape, sources).iter().find_map(|r| serde_json::from_slice(r).ok().and_then(|json| sources.detect(&json)))
    }

    fn whole(&mut self, file: u32, bytes: &[u8], cut: bool) {
        let shape = shape(bytes, self.spec.sources);
        let at = bom(bytes);
        let body = &bytes[at..];
        let source = self.source_of(bytes, shape);
        self.stat(file).containers.insert(shape.describe().into());
        self.stat(file).shape = Some(shape);
        match shape {
            Shape::Empty => {
                self.stat(file).empty = true;
                self.reject(file, None, "the file is empty".into(), &[]);
            }
            Shape::NotALog => self.not_a_log(file),
            Shape::Csv => self.csv(file, std::io::Cursor::new(bytes.to_vec()), source),
            Shape::Lines => self.records(file, body, Layout::Lines(1), source),
            Shape::Array | Shape::Container if !cut && self.document(file, body, source) => {}
            Shape::Array | Shape::Container | Shape::Concatenated => {
                let mut spans = Vec::new();
                let level = level_of(shape);
                let mut scanner = Scanner::new(level, &self.spec.sources.containers.arrays);
                scanner.scan(body, 0, &mut |s, e| spans.push((s, e)));
                if let Some(start) = scanner.unfinished() {
                    if level == Level::Top && scanner_can_end(body, start) {
                        spans.push((start, body.len()));
                    } else {
                        self.reject(file, Some(spans.len() as u32 + 1), "the record is cut off at the end of the file".into(), &body[start..]);
                    }
                } else if !scanner.is_balanced() {
                    self.reject(file, None, "the file ends inside the document: it was cut off".into(), &[]);
                }
                if shape == Shape::Container {
                    self.look_for_page(file, body, &spans);
                }
                let records: Vec<u32> = (1..=spans.len() as u32).collect();
                self.records(file, body, Layout::Spans(&spans, &records), source);
            }
        }
    }

    fn not_a_log(&mut self, file: u32) {
        self.stat(file).not_a_log = true;
        if self.spec.inputs[file as usize].named {
            self.reject(file, None, "not a log: neither JSON, CSV with a header, nor lines that a source knows".into(), &[]);
        }
    }

    fn csv(&mut self, file: u32, reader: impl std::io::Read, source: Option<usize>) {
        csv_pieces(reader, &mut |mut csv| {
            let lines = std::mem::take(&mut csv.lines);
            self.offer(Job { file, piece: csv.into(), lines, source, ..Job::default() });
            true
        });
    }

    fn stream(&mut self, file: u32, mut head: Vec<u8>, rest: Box<dyn std::io::Read + Send>) {
        let containers = &self.spec.sources.containers.arrays;
        let shape = shape(&head, self.spec.sources);
        let source = self.source_of(&head, shape);
        self.stat(file).containers.insert(shape.describe().into());
        head.drain(..bom(&head));
        self.stat(file).shape = Some(shape);
        let mut emit = |piece: Piece, by_lines: bool| self.offer(Job { file, piece, by_lines, source, ..Job::default() });
        match shape {
            Shape::Lines => split_lines(head, rest, &mut |p| emit(p, true)),
            Shape::Csv => self.csv(file, std::io::Read::chain(std::io::Cursor::new(head), rest), source),
            Shape::Array | Shape::Container | Shape::Concatenated => split_json(head, rest, level_of(shape), containers, &mut |p| emit(p, false)),
            Shape::Empty => self.reject(file, None, "the file is nothing but white space".into(), &[]),
            Shape::NotALog => self.not_a_log(file),
        }
    }

    fn piece(&mut self, job: Job) {
        if let Some(stretch) = &job.stretch {
            return self.stretch(job.file, stretch, job.source);
        }
        self.partial = job.partial;
        self.faults(job.file, job.piece.faults);
        if let (Some(columns), Some(source)) = (&job.columns, job.source) {
            self.columns(job.file, columns, source);
        } else if job.by_lines {
            self.records(job.file, &job.piece.bytes, Layout::Lines(job.piece.first), job.source);
        } else {
            let numbers = if job.lines.is_empty() { (0..job.piece.spans.len() as u32).map(|i| job.piece.first + i).collect() } else { job.lines };
            self.records(job.file, &job.piece.bytes, Layout::Spans(&job.piece.spans, &numbers), job.source);
        }
        self.partial = None;
    }

    /// Rows of one source, as they stand in a table.
    fn columns(&mut self, file: u32, columns: &Columns, source: usize) {
        let hasher = self.hasher;
        let batch = self.batch(source);
        batch.clear();
        batch.begin_chunk(&[]);
        batch.add_columns(columns, &|name, value| hasher.hash_one((name, value.kind as u8, value.text)));
        // No text is asked for: where it is, rows come as records.
        self.finish_batch(file, source, &Chunk::of(""));
    }

    /// The fast way: one walk over a whole document. Gives up (false) when anything is out of the ordinary.
    fn document(&mut self, file: u32, bytes: &[u8], source: Option<usize>) -> bool {
        let Some(source) = source else { return false };
        let Ok(text) = simdutf8::basic::from_utf8(bytes) else { return false };
        let containers = &self.spec.sources.containers.arrays;
        let batch = self.batch(source);
        if !walk_document(batch, text, containers) {
            batch.clear();
            return false;
        }
        let spans = std::mem::take(&mut batch.spans);
        self.look_for_page(file, bytes, &spans);
        self.batch(source).spans = spans;
        self.finish_batch(file, source, &Chunk::of(text));
        true
    }

    /// Notes what a document says of itself as a page of an API.
    fn look_for_page(&mut self, file: u32, bytes: &[u8], spans: &[(usize, usize)]) {
        let (first, last) = spans.first().zip(spans.last()).map_or((bytes.len(), bytes.len()), |(a, b)| (a.0, b.1));
        self.stat(file).page = Page::read(bytes, first, last, spans.len() as u64);
    }

    /// Record by record: each fault costs only its own record.
    fn records(&mut self, file: u32, bytes: &[u8], layout: Layout<'_>, source: Option<usize>) {
        let mut odd: Vec<Placed> = Vec::new();
        if let Some(s) = source {
            let batch = self.batch(s);
            batch.clear();
            batch.begin_chunk(bytes);
        }
        let chunk = Chunk::new(bytes);
        let mut each = |worker: &mut Worker<'_>, start: usize, end: usize, record: u32| {
            let raw = &bytes[start..end];
            if raw.len() > MAX_RECORD {
                return worker.reject(file, Some(record), too_long(), &[]);
            }
            if chunk.text(start, end).is_none() {
                return worker.reject(file, Some(record), "the record is not valid UTF-8".into(), raw);
            }
            match source {
                // What the walk cannot read may be a line with an event in it.
                Some(s) if worker.batch(s).add(&chunk, (start, end), record, 0).is_ok() => {}
                _ => odd.push(((start, end), record, 0)),
            }
        };
        match layout {
            Layout::Lines(first) => {
                let mut start = 0;
                for (i, end) in memchr::memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len())).enumerate() {
                    let line = &bytes[start..end];
                    let trimmed = line.trim_ascii();
                    if !trimmed.is_empty() {
                        let at = start + (line.len() - line.trim_ascii_start().len());
                        each(self, at, at + trimmed.len(), first + i as u32);
                    }
                    start = end + 1;
                }
            }
            Layout::Spans(spans, records) => {
                for (&(start, end), &record) in spans.iter().zip(records) {
                    let raw = bytes[start..end].trim_ascii_end();
                    each(self, start, start + raw.len(), record);
                }
            }
        }
        if let Some(s) = source {
            self.finish_batch(file, s, &chunk);
        }
        if !odd.is_empty() {
            self.odd(file, bytes, odd, None, false);
        }
    }

    /// Records that are not of the file's source as they stand, or of none: each is unwrapped and told by itself. `not` is the
    /// source that did not take them; what was `settled` then cannot be read in another way.
    fn odd(&mut self, file: u32, bytes: &[u8], odd: Vec<Placed>, not: Option<usize>, settled: bool) {
        if let Some(table) = self.partial.take() {
            return self.odd_whole(file, &table, odd, not);
        }
        let sources = self.spec.sources;
        // Events by source: those that stand in the chunk as they are, and those that were unwrapped.
        let mut standing: BTreeMap<usize, Vec<Placed>> = BTreeMap::new();
        let mut unwrapped: BTreeMap<usize, Vec<Placed>> = BTreeMap::new();
        let mut texts = Vec::new();
        for ((start, end), record, part) in odd {
            let raw = &bytes[start..end];
            let Ok(text) = simdutf8::basic::from_utf8(raw) else {
                self.reject(file, Some(record), "the record is not valid UTF-8".into(), raw);
                continue;
            };
            let found = unwrap(text, sources);
            if !found.through.iter().all(|t| self.stat(file).containers.contains(t)) {
                self.stat(file).containers.extend(found.through);
            }
            for reason in found.faults {
                // In a file of a known source the likely fault is named first.
                let reason = match not.map(|s| self.spec.plans.of(s)).filter(|plan| !has_time(plan, text)) {
                    Some(plan) => format!("{}; {reason}", no_time(plan)),
                    None => reason,
                };
                self.reject(file, Some(record), reason, raw);
            }
            // A record that was unwrapped before is one event by now.
            let mut next = part;
            for event in found.events {
                match event.text {
                    Cow::Borrowed(_) if settled && Some(event.source) == not => self.reject(file, Some(record), no_time(self.spec.plans.of(event.source)), raw),
                    Cow::Borrowed(_) => standing.entry(event.source).or_default().push(((start, end), record, part)),
                    Cow::Owned(text) => {
                        let at = texts.len();
                        texts.extend_from_slice(text.as_bytes());
                        texts.push(b'\n');
                        unwrapped.entry(event.source).or_default().push(((at, texts.len() - 1), record, next));
                    }
                }
                next = next.saturating_add(1);
            }
        }
        for (source, records) in standing {
            self.one_source(file, bytes, source, records);
        }
        for (source, records) in unwrapped {
            self.one_source(file, &texts, source, records);
        }
    }

    /// Which source a record is of shows in all of its columns only.
    fn odd_whole(&mut self, file: u32, table: &Table, odd: Vec<Placed>, not: Option<usize>) {
        let mut left: BTreeSet<u32> = odd.into_iter().map(|(_, record, _)| record).collect();
        let (Some(&first), Some(&last)) = (left.first(), left.last()) else { return };
        let read = table.reread(first, last, &mut |piece| {
            let placed = piece.spans.iter().zip(piece.first..).filter(|(_, record)| left.remove(record)).map(|(span, record)| (*span, record, 0)).collect();
            self.odd(file, &piece.bytes, placed, not, false);
            self.faults(file, piece.faults.into_iter().filter(|f| f.record.is_some_and(|r| left.remove(&r))).collect());
        });
        let reason = read.err().unwrap_or_else(|| "it is not there any more".into());
        for record in left {
            self.reject(file, Some(record), format!("the row cannot be read with all of its columns: {reason}"), &[]);
        }
    }

    /// Events of one source, unwrapped as far as they can be.
    fn one_source(&mut self, file: u32, bytes: &[u8], source: usize, records: Vec<Placed>) {
        let batch = self.batch(source);
        batch.clear();
        batch.settled = true;
        batch.begin_chunk(bytes);
        let chunk = Chunk::new(bytes);
        for ((start, end), record, part) in records {
            if let Err(reason) = self.batch(source).add(&chunk, (start, end), record, part) {
                self.reject(file, Some(record), reason, &bytes[start..end]);
            }
        }
        self.finish_batch(file, source, &chunk);
    }

    fn finish_batch(&mut self, file: u32, source: usize, chunk: &Chunk<'_>) {
        let Some(mut batch) = self.batches[source].take() else { return };
        batch.compute(chunk);
        batch.search_keywords(chunk.bytes);
        let odd = self.gather(file, source, chunk, &mut batch);
        batch.clear();
        let settled = std::mem::take(&mut batch.settled);
        self.batches[source] = Some(batch);
        if !odd.is_empty() {
            self.odd(file, chunk.bytes, odd, Some(source), settled);
        }
    }

    fn finish(mut self) -> Gathered {
        self.out.seen = self.batches.iter().map(|b| b.iter().flat_map(Batch::seen).collect()).collect();
        self.out
    }
}

fn write_spool(spool: &mut Option<std::fs::File>, line: &[u8], broken: &mut Option<String>) {
    use std::io::Write;
    if let Some(Err(e)) = spool.as_mut().map(|s| s.write_all(line)) {
        broken.get_or_insert_with(|| format!("the temporary file cannot be written: {e}"));
    }
}

/// An event's span in its chunk, its record, and which of the record's events it is.
type Placed = ((usize, usize), u32, u16);

enum Layout<'a> {
    /// One record a line; the number of the first line.
    Lines(u32),
    /// Given spans and record numbers.
    Spans(&'a [(usize, usize)], &'a [u32]),
}

/// The last document of a concatenation may end with the file.
fn scanner_can_end(bytes: &[u8], start: usize) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes[start..]).is_ok()
}

fn has_time(plan: &SourcePlan, record: &str) -> bool {
    use crate::rule::detection::{Fields, JsonRecord};
    let Ok(json) = serde_json::from_str(record) else { return true };
    let mut found = false;
    for time in &plan.mapping.reading().time {
        JsonRecord(&json).values(&plan.mapping.reading().paths[time.path].path, &mut |_| found = true);
    }
    found
}

fn no_time(plan: &SourcePlan) -> String {
    let names: Vec<&str> = plan.mapping.reading().time.iter().take(3).map(|t| plan.mapping.reading().paths[t.path].path.as_str()).collect();
    format!("no time: expected the field {}", names.join(" or "))
}
