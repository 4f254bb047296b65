//! Reads all inputs in parallel with a bounded number of chunks in flight; what a worker gathers is merged in a total order.

use super::batch::{Batch, RowState};
use super::gathered::{FileStat, Gathered, IndexEntry, Spooled};
use super::plan::SourcePlan;
use crate::event::dict::ABSENT;
use crate::event::time::SECOND;
use crate::event::value::{Kind, Value};
use crate::rule::FieldRef;
use crate::source::SourceSet;
use crate::source::chunk::{Shape, bom, csv_pieces, first_records, level_of, shape};
use crate::source::discover::Input;
use crate::source::split::{Level, MAX_RECORD, Piece, Scanner, split_json, split_lines, too_long};
use crate::source::unpack::{Opened, open};
use crate::source::walk::{DocumentSeed, Element, ElementSink, KeyMemory, RecordSeed, Trie};
use foldhash::quality::RandomState;
use serde::de::{DeserializeSeed, Deserializer, Error as _};
use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Condvar, Mutex, PoisonError};

/// Chunks that wait for a worker at one time.
const QUEUE: usize = 4;

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
    /// One plan for each mapping.
    pub plans: &'a [SourcePlan],
    /// Fields kept for kept rows.
    pub retained: &'a [FieldRef],
    /// Which rows are kept.
    pub keep: Keep,
    /// Workers.
    pub pool: &'a rayon::ThreadPool,
    /// Renders every accepted row, into a spool that is read back in order.
    pub render: Option<Render<'a>>,
    /// Told after each file.
    pub progress: &'a (dyn Fn(usize) + Sync),
}

struct Job {
    file: u32,
    piece: Piece,
    lines: Vec<u32>,
    by_lines: bool,
    source: Option<usize>,
}

#[derive(Default)]
struct Queue {
    next_file: usize,
    jobs: VecDeque<Job>,
    producers: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Work {
    File(usize),
    Piece(Job),
}

/// Runs all workers and gives what each gathered.
pub fn run(spec: &Spec<'_>) -> Vec<Gathered> {
    let shared = Shared { queue: Mutex::default(), changed: Condvar::new() };
    let hasher = RandomState::default();
    spec.pool.broadcast(|context| {
        let mut worker = Worker::new(spec, &shared, &hasher, context.index() as u32);
        worker.work();
        worker.finish()
    })
}

struct Worker<'a> {
    spec: &'a Spec<'a>,
    shared: &'a Shared,
    hasher: &'a RandomState,
    number: u32,
    batches: Vec<Batch<'a>>,
    buffer: Vec<u8>,
    packed: Vec<u8>,
    line: Vec<u8>,
    spool_at: u64,
    /// For each source the codes of the kept values, by retained field and code in the batch.
    recode: Vec<Recode>,
    out: Gathered,
}

/// Codes of a batch in terms of the kept values; they hold for one epoch of the batch's dictionaries.
#[derive(Default)]
struct Recode {
    epoch: u32,
    codes: Vec<Vec<u32>>,
}

impl<'a> Worker<'a> {
    fn new(spec: &'a Spec<'a>, shared: &'a Shared, hasher: &'a RandomState, number: u32) -> Worker<'a> {
        let mut out = Gathered { by_source: vec![0; spec.plans.len()], ..Gathered::default() };
        out.kept.columns = vec![Vec::new(); spec.retained.len()];
        if spec.render.is_some() {
            match tempfile::tempfile() {
                Ok(f) => out.spool = Some(f),
                Err(e) => out.broken = Some(format!("no temporary file can be made: {e}")),
            }
        }
        Worker {
            spec,
            shared,
            hasher,
            number,
            batches: spec.plans.iter().map(|p| Batch::new(p, spec.render.is_some())).collect(),
            buffer: Vec::new(),
            packed: Vec::new(),
            line: Vec::new(),
            spool_at: 0,
            recode: spec.plans.iter().map(|_| Recode::default()).collect(),
            out,
        }
    }

    fn work(&mut self) {
        while let Some(work) = self.next() {
            match work {
                Work::File(i) => {
                    self.file(i);
                    {
                        let mut queue = self.shared.lock();
                        queue.producers -= 1;
                    }
                    self.shared.changed.notify_all();
                    (self.spec.progress)(1);
                }
                Work::Piece(job) => {
                    self.shared.changed.notify_all();
                    self.piece(job);
                }
            }
        }
        self.shared.changed.notify_all();
    }

    fn next(&self) -> Option<Work> {
        let mut queue = self.shared.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(Work::Piece(job));
            }
            if queue.next_file < self.spec.inputs.len() {
                queue.next_file += 1;
                queue.producers += 1;
                return Some(Work::File(queue.next_file - 1));
            }
            if queue.producers == 0 {
                return None;
            }
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Hands a piece to a waiting worker, or does it here when enough wait already.
    fn offer(&mut self, job: Job) {
        {
            let mut queue = self.shared.lock();
            if self.spec.pool.current_num_threads() > 1 && queue.jobs.len() < QUEUE {
                queue.jobs.push_back(job);
                drop(queue);
                self.shared.changed.notify_all();
                return;
            }
        }
        self.piece(job);
    }

    fn stat(&mut self, file: u32) -> &mut FileStat {
        self.out.files.entry(file).or_default()
    }

    fn file(&mut self, index: usize) {
        let file = index as u32;
        let input = &self.spec.inputs[index];
        self.stat(file);
        let buffer = std::mem::take(&mut self.buffer);
        match open(input, buffer, &mut self.packed) {
            Err(reason) => self.stat(file).reject(None, reason),
            Ok(Opened::Whole(bytes, fault)) => {
                self.whole(file, &bytes, fault.is_some());
                if let Some(reason) = fault {
                    self.stat(file).reject(None, reason);
                }
                self.buffer = bytes;
            }
            Ok(Opened::Stream(head, rest)) => self.stream(file, head, rest),
        }
    }

    fn source_of(&self, bytes: &[u8], shape: Shape) -> Option<usize> {
        let sources = self.spec.sources;
        first_records(bytes, shape, &sources.containers).iter().find_map(|r| sources.detect(r))
    }

    fn whole(&mut self, file: u32, bytes: &[u8], cut: bool) {
        let containers = &self.spec.sources.containers;
        let shape = shape(bytes, containers);
        let at = bom(bytes);
        let body = &bytes[at..];
        let source = self.source_of(bytes, shape);
        match shape {
            Shape::Empty => {
                let stat = self.stat(file);
                stat.empty = true;
                stat.reject(None, "the file is empty".into());
            }
            Shape::Utf16 => self.stat(file).reject(None, "the text is UTF-16; convert it to UTF-8".into()),
            Shape::NotALog => self.not_a_log(file),
            Shape::Csv => self.csv(file, std::io::Cursor::new(bytes.to_vec()), source),
            Shape::Lines => self.records(file, body, Layout::Lines(1), source),
            Shape::Array | Shape::Container if !cut && self.document(file, body, source) => {}
            Shape::Array | Shape::Container | Shape::Concatenated => {
                let mut spans = Vec::new();
                let level = level_of(shape);
                let mut scanner = Scanner::new(level, containers);
                scanner.scan(body, 0, &mut |s, e| spans.push((s, e)));
                if let Some(start) = scanner.unfinished() {
                    if level == Level::Top && scanner_can_end(body, start) {
                        spans.push((start, body.len()));
                    } else {
                        self.stat(file).reject(Some(spans.len() as u32 + 1), "the record is cut off at the end of the file".into());
                    }
                } else if !scanner.is_balanced() {
                    self.stat(file).reject(None, "the file ends inside the document: it was cut off".into());
                }
                let records: Vec<u32> = (1..=spans.len() as u32).collect();
                self.records(file, body, Layout::Spans(&spans, &records), source);
            }
        }
    }

    fn not_a_log(&mut self, file: u32) {
        let named = self.spec.inputs[file as usize].named;
        let stat = self.stat(file);
        stat.not_a_log = true;
        if named {
            stat.reject(None, "not a log: neither JSON nor CSV with a header".into());
        }
    }

    fn csv(&mut self, file: u32, reader: impl std::io::Read, source: Option<usize>) {
        csv_pieces(reader, &mut |mut csv| {
            let lines = std::mem::take(&mut csv.lines);
            self.offer(Job { file, piece: csv.into(), lines, by_lines: false, source });
            true
        });
    }

    fn stream(&mut self, file: u32, mut head: Vec<u8>, rest: Box<dyn std::io::Read + Send>) {
        let containers = &self.spec.sources.containers;
        let shape = shape(&head, containers);
        let source = self.source_of(&head, shape);
        head.drain(..bom(&head));
        let mut emit = |piece: Piece, by_lines: bool| self.offer(Job { file, piece, lines: Vec::new(), by_lines, source });
        match shape {
            Shape::Lines => split_lines(head, rest, &mut |p| emit(p, true)),
            Shape::Csv => self.csv(file, std::io::Read::chain(std::io::Cursor::new(head), rest), source),
            Shape::Array | Shape::Container | Shape::Concatenated => split_json(head, rest, level_of(shape), containers, &mut |p| emit(p, false)),
            Shape::Empty => self.stat(file).reject(None, "the file is nothing but white space".into()),
            Shape::Utf16 => self.stat(file).reject(None, "the text is UTF-16; convert it to UTF-8".into()),
            Shape::NotALog => self.not_a_log(file),
        }
    }

    fn piece(&mut self, job: Job) {
        for (record, reason) in job.piece.faults {
            self.stat(job.file).reject(record, reason);
        }
        if job.by_lines {
            self.records(job.file, &job.piece.bytes, Layout::Lines(job.piece.first), job.source);
        } else {
            let numbers = if job.lines.is_empty() { (0..job.piece.spans.len() as u32).map(|i| job.piece.first + i).collect() } else { job.lines };
            self.records(job.file, &job.piece.bytes, Layout::Spans(&job.piece.spans, &numbers), job.source);
        }
    }

    /// The fast way: one walk over a whole document. Gives up (false) when anything is out of the ordinary.
    fn document(&mut self, file: u32, bytes: &[u8], source: Option<usize>) -> bool {
        let Some(source) = source else { return false };
        let Ok(text) = simdutf8::basic::from_utf8(bytes) else { return false };
        let batch = &mut self.batches[source];
        batch.clear();
        batch.begin_chunk(bytes);
        let trie = &batch.plan.trie;
        let memory = batch.take_memory();
        let mut walk = ElementWalk { trie, memory, batch, starts: Vec::new(), base: text.as_ptr() as usize };
        let mut deserializer = sonic_rs::Deserializer::from_str(text);
        let done =
            DocumentSeed { containers: &self.spec.sources.containers, each: &mut walk }.deserialize(&mut deserializer).is_ok() && deserializer.end().is_ok();
        let ElementWalk { starts, memory, .. } = walk;
        self.batches[source].remember(memory);
        if !done || !record_spans(bytes, &starts, &mut self.batches[source].spans) {
            self.batches[source].clear();
            return false;
        }
        self.finish_batch(file, source, bytes);
        true
    }

    /// Record by record: each fault costs only its own record.
    fn records(&mut self, file: u32, bytes: &[u8], layout: Layout<'_>, source: Option<usize>) {
        let mut odd: Vec<Placed> = Vec::new();
        if let Some(s) = source {
            self.batches[s].clear();
            self.batches[s].begin_chunk(bytes);
        }
        let mut each = |worker: &mut Worker<'_>, start: usize, end: usize, record: u32| {
            let raw = &bytes[start..end];
            if raw.len() > MAX_RECORD {
                return worker.stat(file).reject(Some(record), too_long());
            }
            if simdutf8::basic::from_utf8(raw).is_err() {
                return worker.stat(file).reject(Some(record), "the record is not valid UTF-8".into());
            }
            match source {
                Some(s) => {
                    if let Err(reason) = worker.batches[s].add(raw, (start, end), record) {
                        worker.stat(file).reject(Some(record), reason);
                    }
                }
                None => odd.push(((start, end), record)),
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
            self.finish_batch(file, s, bytes);
        }
        if !odd.is_empty() {
            self.odd(file, bytes, odd, None);
        }
    }

    /// Records that are not of the file's source, or of none: each is told by itself.
    fn odd(&mut self, file: u32, bytes: &[u8], odd: Vec<Placed>, not: Option<usize>) {
        let mut by_source: BTreeMap<usize, Vec<Placed>> = BTreeMap::new();
        for ((start, end), record) in odd {
            let parsed = serde_json::from_slice::<serde_json::Value>(&bytes[start..end]);
            match parsed {
                Err(e) => self.stat(file).reject(Some(record), format!("not valid JSON: {}", plain_reason(&e))),
                Ok(serde_json::Value::Object(map)) => {
                    let value = serde_json::Value::Object(map);
                    match self.spec.sources.detect(&value) {
                        Some(s) if Some(s) == not => {
                            let reason = no_time(&self.spec.plans[s]);
                            self.stat(file).reject(Some(record), reason);
                        }
                        Some(s) => by_source.entry(s).or_default().push(((start, end), record)),
                        _ => {
                            let keys: Vec<String> =
                                value.as_object().map(|m| m.keys().take(6).map(|k| k.chars().take(40).collect()).collect()).unwrap_or_default();
                            let unknown = format!("no source knows this record (its fields: {})", keys.join(", "));
                            // In a file of a known source the likely fault is named first.
                            let timeless = not.map(|s| &self.spec.plans[s]).filter(|plan| !has_time(plan, &value));
                            let reason = timeless.map_or(unknown.clone(), |plan| format!("{}; {unknown}", no_time(plan)));
                            self.stat(file).reject(Some(record), reason);
                        }
                    }
                }
                Ok(_) => self.stat(file).reject(Some(record), "not a record: expected a JSON object".into()),
            }
        }
        for (source, records) in by_source {
            self.batches[source].clear();
            self.batches[source].begin_chunk(bytes);
            for (span, record) in records {
                if let Err(reason) = self.batches[source].add(&bytes[span.0..span.1], span, record) {
                    self.stat(file).reject(Some(record), reason);
                }
            }
            self.finish_batch(file, source, bytes);
        }
    }

    fn finish_batch(&mut self, file: u32, source: usize, bytes: &[u8]) {
        let mut batches = std::mem::take(&mut self.batches);
        let batch = &mut batches[source];
        batch.compute(bytes);
        batch.search_keywords(bytes);
        let odd = self.gather(file, source, bytes, batch);
        batch.clear();
        self.batches = batches;
        if !odd.is_empty() {
            self.odd(file, bytes, odd, Some(source));
        }
    }

    /// Takes what outlives the chunk; gives the records that are of another source.
    fn gather(&mut self, file: u32, source: usize, bytes: &[u8], batch: &mut Batch<'_>) -> Vec<Placed> {
        let mut odd = Vec::new();
        let mut stat = std::mem::take(self.stat(file));
        let mut rows: Vec<u32> = vec![u32::MAX; batch.len()];
        for (row, kept) in rows.iter_mut().enumerate() {
            let record = batch.records[row];
            match batch.states[row] {
                RowState::OtherShape => {
                    odd.push((batch.spans[row], record));
                    continue;
                }
                RowState::NoTime => {
                    let found = batch.plan.time.iter().find_map(|&f| batch.text(f, row as u32));
                    let reason = match found {
                        Some(text) => format!("the time `{}` cannot be read", text.chars().take(40).collect::<String>()),
                        None => no_time(batch.plan),
                    };
                    stat.reject(Some(record), reason);
                    continue;
                }
                RowState::Accepted => {}
            }
            let time = batch.times[row];
            stat.read += 1;
            stat.source = stat.source.or(Some(source as u8));
            stat.cover(time);
            self.out.by_source[source] += 1;
            let (start, end) = batch.spans[row];
            let content = self.hasher.hash_one((source as u8, &bytes[start..end]));
            let id = batch.event_id(row as u32).map_or(0, |id| self.hasher.hash_one((source as u8, id.as_ref())).max(1));
            let seconds = u32::try_from(time.div_euclid(SECOND).max(0)).unwrap_or(u32::MAX);
            self.out.index.push(IndexEntry { id, content, file, record, seconds, outcome: batch.outcome(row as u32) });
            let active = match self.spec.keep {
                Keep::Matched => false,
                Keep::Active => batch.plan.activity.is_some_and(|f| batch.text(f, row as u32).is_some()),
                Keep::All => true,
            };
            if active {
                *kept = self.keep_row(file, batch, row as u32, bytes);
            }
            if let Some(render) = self.spec.render {
                self.line.clear();
                render(batch, row as u32, bytes, &mut self.line);
                self.spool(time, file, record);
            }
        }
        self.out.files.insert(file, stat);
        let mut hits: Vec<(u32, u32)> = Vec::new();
        batch.matches(&mut |rule, row| hits.push((rule, row)));
        for (rule, row) in hits {
            if rows[row as usize] == u32::MAX {
                rows[row as usize] = self.keep_row(file, batch, row, bytes);
            }
            self.out.matches.push((rule, rows[row as usize]));
        }
        odd
    }

    fn keep_row(&mut self, file: u32, batch: &mut Batch<'_>, row: u32, bytes: &[u8]) -> u32 {
        let kept = &mut self.out.kept;
        let number = kept.time.len() as u32;
        kept.time.push(batch.times[row as usize]);
        kept.file.push(file);
        kept.record.push(batch.records[row as usize]);
        kept.source.push(batch.plan.source);
        if let Some(id) = batch.event_id(row) {
            kept.ids.push_str(&id);
        }
        kept.id_ends.push(kept.ids.len() as u32);
        let recode = &mut self.recode[batch.plan.source as usize];
        if recode.codes.is_empty() || recode.epoch != batch.epoch() {
            *recode = Recode { epoch: batch.epoch(), codes: vec![Vec::new(); batch.plan.retained.len()] };
        }
        for (k, field) in batch.plan.retained.iter().enumerate() {
            let mut first = ABSENT;
            let mut more: Vec<u32> = Vec::new();
            if let Some(field) = *field {
                let (known, dict) = (&mut recode.codes[k], &mut kept.dict);
                batch.each_kept_code(field, row, bytes, &mut |batch, code| {
                    if known.len() <= code as usize {
                        known.resize(code as usize + 1, UNKNOWN);
                    }
                    if known[code as usize] == UNKNOWN {
                        // A null or an object is no value to group or show.
                        known[code as usize] = match batch.value(field, code) {
                            Some(v) if v.kind == Kind::Json => dict.intern(v).0,
                            Some(v) if v.kind.is_text() => dict.intern(Value::str(v.text)).0,
                            _ => ABSENT,
                        };
                    }
                    match known[code as usize] {
                        ABSENT => {}
                        code if first == ABSENT => first = code,
                        code => more.push(code),
                    }
                });
            }
            kept.columns[k].push(first);
            if !more.is_empty() {
                kept.extras.insert((number, k as u16), more);
            }
        }
        number
    }

    fn spool(&mut self, time: i64, file: u32, record: u32) {
        use std::io::Write;
        let Some(spool) = self.out.spool.as_mut() else { return };
        if let Err(e) = spool.write_all(&self.line) {
            self.out.broken.get_or_insert_with(|| format!("the temporary file cannot be written: {e}"));
        }
        self.out.spooled.push(Spooled { time, file, record, worker: self.number, offset: self.spool_at, len: self.line.len() as u32 });
        self.spool_at += self.line.len() as u64;
    }

    fn finish(mut self) -> Gathered {
        self.out.seen = self.batches.iter().map(|b| b.seen().collect()).collect();
        self.out
    }
}

/// A code whose counterpart is not known yet.
const UNKNOWN: u32 = u32::MAX;

/// A record's span in its chunk, and its number.
type Placed = ((usize, usize), u32);

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

fn has_time(plan: &SourcePlan, record: &serde_json::Value) -> bool {
    use crate::rule::detection::{Fields, JsonRecord};
    let mut found = false;
    for path in &plan.mapping.time {
        JsonRecord(record).values(&plan.mapping.paths[*path], &mut |_| found = true);
    }
    found
}

fn no_time(plan: &SourcePlan) -> String {
    let names: Vec<&str> = plan.mapping.time.iter().take(3).map(|p| plan.mapping.paths[*p].as_str()).collect();
    format!("no time: expected the field {}", names.join(" or "))
}

/// serde_json's reason without its position, which is of the record and not of the file.
fn plain_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line").next().unwrap_or(&text).to_owned()
}

struct ElementWalk<'b, 'p> {
    trie: &'p Trie,
    memory: KeyMemory,
    batch: &'b mut Batch<'p>,
    starts: Vec<usize>,
    base: usize,
}

impl ElementSink for ElementWalk<'_, '_> {
    #[inline]
    fn element<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        match (RecordSeed { trie: self.trie, memory: &mut self.memory, sink: &mut *self.batch }).deserialize(deserializer)? {
            Element::Object(Some(address)) => {
                self.starts.push(address - self.base);
                self.batch.end_row(self.starts.len() as u32);
                Ok(())
            }
            // Left to the slow way, which names each record.
            Element::Object(None) | Element::Other => Err(D::Error::custom("out of the ordinary")),
        }
    }
}

/// Record spans from the positions of their first keys: a record ends before the comma that leads to the next one.
fn record_spans(bytes: &[u8], first_keys: &[usize], spans: &mut Vec<(usize, usize)>) -> bool {
    let open = |key: usize| bytes[..key].iter().rposition(|b| *b == b'{');
    let Some(starts) = first_keys.iter().map(|k| open(*k)).collect::<Option<Vec<_>>>() else { return false };
    spans.clear();
    for (i, &start) in starts.iter().enumerate() {
        let trimmed = starts.get(i + 1).and_then(|&next| {
            let mut end = next;
            while end > start && (bytes[end - 1].is_ascii_whitespace() || bytes[end - 1] == b',') {
                end -= 1;
            }
            (bytes[end - 1] == b'}').then_some(end)
        });
        let end = trimmed.or_else(|| {
            let mut found = None;
            Scanner::new(Level::Top, &[]).scan_while(&bytes[start..], 0, &mut |_, e| {
                found = Some(start + e);
                false
            });
            found
        });
        let Some(end) = end else { return false };
        spans.push((start, end));
    }
    true
}
