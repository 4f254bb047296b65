//! Parquet files: told by their content, read row group by row group, each row as the JSON text of one record.
//!
//! Only the columns that someone asks for are read. A file that lies about itself must cost no more than its own records: sizes
//! and counts are checked before the library sees them, and what still panics in it is caught here.

mod columns;
mod pages;
mod rows;
mod thrift;

use super::split::{CHUNK, Fault, MAX_RECORD, Piece, too_long};
use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use bytes::Bytes;
use pages::{Budget, OneChunk, Pages, is_supported, unsupported};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups, RowSelection, RowSelector};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema};
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::page::PageIterator;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use rows::Rows;
use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};

pub use columns::{Column, Columns};
pub use pages::Contents;

/// First and last bytes of a file, and those of one whose footer is encrypted.
const MAGIC: &[u8; 4] = b"PAR1";
const ENCRYPTED: &[u8; 4] = b"PARE";
/// Largest footer, in bytes.
const MAX_FOOTER: u64 = 64 << 20;
/// Most rows of a batch, and about how many bytes its columns may take.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: u64 = 16 << 20;
/// Rows looked at to tell a file's source.
const LOOK_RECORDS: usize = 20;
/// From this many bytes of JSON on, the ratio to the file's size is watched.
const BOMB_FLOOR: u64 = 256 << 20;
/// Bytes of JSON for each byte of the file beyond which it is taken for a decompression bomb.
const BOMB_RATIO: u64 = 400;

/// What to do about a file that cannot be read.
const ADVICE: &str = "copy or export the file again";

/// Whether bytes begin a Parquet file.
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Whether these bytes are a Parquet file whose footer is encrypted: a CSV header may begin alike.
pub fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.len() > 8 && bytes.starts_with(ENCRYPTED) && bytes.ends_with(ENCRYPTED)
}

/// A large file as it stands, where it is Parquet.
pub fn of_file(file: File, size: u64) -> Result<Option<Contents>, String> {
    let contents = Contents::File(Arc::new(file), size);
    let head = contents.read(0, 4)?;
    if head == ENCRYPTED[..] && contents.read(size - 4, 4)? == ENCRYPTED[..] {
        return Err(encrypted());
    }
    Ok(begins(&head).then_some(contents))
}

/// What is said of an encrypted file.
pub fn encrypted() -> String {
    "the Parquet file is encrypted, which is not supported: export it without encryption".into()
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic on hostile bytes; the panic becomes a reason and prints nothing.
fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(false);
    result.unwrap_or_else(|_| Err("its bytes contradict each other".into()))
}

fn reason(error: ParquetError) -> String {
    let text = match error {
        ParquetError::General(text) | ParquetError::EOF(text) | ParquetError::NYI(text) | ParquetError::ArrowError(text) => text,
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

/// An opened file.
pub struct Table {
    contents: Contents,
    metadata: Arc<ParquetMetaData>,
    /// All columns as they are to be read: texts as views, which repeat a value without copying it.
    fields: Option<Fields>,
    /// Tells copies of one file from other files.
    pub digest: u64,
    /// JSON written so far, in bytes.
    written: AtomicU64,
}

/// A row group to read.
pub struct Stretch {
    /// The file.
    pub table: Arc<Table>,
    /// Index of the row group.
    pub group: usize,
    /// Top-level columns to read; all where there is no list.
    pub columns: Option<Arc<Vec<usize>>>,
    /// They are handed over as columns; else as the text of records.
    pub as_columns: bool,
}

/// Some rows of a row group.
pub enum Part {
    /// As the text of records.
    Records(Piece),
    /// As they are.
    Columns(Columns),
}

impl Table {
    /// Reads a file's footer.
    pub fn open(contents: Contents) -> Result<Table, String> {
        let broken = |why: String| format!("the Parquet file cannot be read: {why}; {ADVICE}");
        let size = contents.size();
        let tail = size.checked_sub(8).filter(|at| *at >= 4).map(|at| contents.read(at, 8)).transpose().map_err(broken)?;
        let tail = tail.filter(|t| t.ends_with(MAGIC)).ok_or_else(|| broken("its end is missing: the file was cut off".into()))?;
        let len = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        if len > MAX_FOOTER {
            return Err(broken(format!("its footer is larger than {} MiB", MAX_FOOTER >> 20)));
        }
        let at = (size - 8).checked_sub(len).filter(|at| *at >= 4).ok_or_else(|| broken("its footer is damaged".into()))?;
        let footer = contents.read(at, len as usize).map_err(broken)?;
        if thrift::check_footer(&footer).map_err(broken)? {
            return Err(encrypted());
        }
        let (metadata, fields) = guarded(|| {
            let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(reason)?;
            let fields = view_fields(&metadata);
            Ok((metadata, fields))
        })
        .map_err(broken)?;
        let rows = metadata.row_groups().iter().try_fold(0u32, |sum, g| u32::try_from(g.num_rows()).ok().and_then(|n| sum.checked_add(n)));
        if rows.is_none() {
            return Err(broken("it says that it holds more than four billion rows".into()));
        }
        let digest = {
            use sha2::Digest;
            let hash = sha2::Sha256::digest(&footer);
            hash.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
        };
        Ok(Table { contents, metadata: Arc::new(metadata), fields, digest, written: AtomicU64::new(0) })
    }

    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    fn rows(&self, group: usize) -> usize {
        usize::try_from(self.metadata.row_group(group).num_rows()).unwrap_or(0)
    }

    /// Rows before a row group.
    fn before(&self, group: usize) -> usize {
        (0..group).map(|g| self.rows(g)).sum()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.metadata.file_metadata().schema_descr().root_schema().get_fields().iter().map(|f| f.name())
    }

    /// The top-level columns of these names; `None` for all: where none is named, rows would be nothing.
    pub fn columns(&self, wanted: &dyn Fn(&str) -> bool) -> Option<Arc<Vec<usize>>> {
        let found: Vec<usize> = self.names().enumerate().filter(|(_, name)| wanted(name)).map(|(i, _)| i).collect();
        (!found.is_empty()).then(|| Arc::new(found))
    }

    /// The first rows with every column that can be read, as JSON.
    pub fn head(&self) -> Vec<serde_json::Map<String, serde_json::Value>> {
        let Some(group) = (0..self.groups()).find(|g| self.rows(*g) > 0) else { return Vec::new() };
        let look = |columns: Option<&[usize]>| -> Result<Vec<serde_json::Map<String, serde_json::Value>>, String> {
            let mut out = Vec::new();
            self.read_rows(group, columns, 0, LOOK_RECORDS.min(self.rows(group)), &mut |piece| {
                out.extend(piece.spans.iter().filter_map(|(s, e)| serde_json::from_slice(&piece.bytes[*s..*e]).ok()));
            })?;
            Ok(out)
        };
        if let Ok(rows) = look(None) {
            return rows;
        }
        // A damaged column does not hide the others.
        let mut out: Vec<serde_json::Map<String, serde_json::Value>> = Vec::new();
        for column in 0..self.names().count() {
            for (i, row) in look(Some(&[column])).unwrap_or_default().into_iter().enumerate() {
                match out.get_mut(i) {
                    Some(known) => known.extend(row),
                    None => out.push(row),
                }
            }
        }
        out
    }

    /// The names of these columns where all of them are scalars of different names, which can be handed over as they are.
    pub fn scalars(&self, columns: &[usize]) -> Option<Vec<&str>> {
        let fields = self.fields.as_ref()?;
        let mut names = Vec::new();
        for field in columns.iter().map(|c| fields.get(*c)) {
            let name = field.filter(|f| columns::is_scalar(f.data_type()) && !self.is(f.name(), LogicalType::Json))?.name();
            if names.contains(&name.as_str()) {
                return None;
            }
            names.push(name.as_str());
        }
        Some(names)
    }

    /// Calls `emit` with the rows of a row group as the text of records, with all columns.
    pub fn read_records(&self, group: usize, emit: &mut dyn FnMut(Piece)) {
        self.read(group, None, false, &mut |part| {
            if let Part::Records(piece) = part {
                emit(piece);
            }
        });
    }

    /// Calls `emit` with the rows of a row group, part by part; the last may hold why the rest could not be read.
    pub fn read(&self, group: usize, columns: Option<&[usize]>, as_columns: bool, emit: &mut dyn FnMut(Part)) {
        let (rows, before) = (self.rows(group), self.before(group));
        let mut done = 0usize;
        let result = self.read_parts(group, columns, (0, rows), as_columns, &mut |part| {
            let (height, bytes) = match &part {
                Part::Records(piece) => (piece.spans.len() + piece.faults.len(), piece.bytes.len() as u64),
                Part::Columns(columns) => (columns.len(), columns.weight()),
            };
            done += height;
            let written = self.written.fetch_add(bytes + height as u64 * 16, Ordering::Relaxed);
            emit(part);
            if written > BOMB_FLOOR && written / self.contents.size().max(1) > BOMB_RATIO {
                return Err(format!("it unpacks to more than {BOMB_RATIO} times its size and looks like a decompression bomb"));
            }
            Ok(())
        });
        if let Err(why) = result {
            let (from, to) = (before + done + 1, before + rows);
            let reason = format!("the Parquet file's rows {from} to {to} (row group {} of {}) were not read: {why}; {ADVICE}", group + 1, self.groups());
            emit(Part::Records(Piece { faults: vec![Fault::of(None, reason)], ..Piece::default() }));
        }
    }

    /// Calls `emit` with some rows of the file, numbered from 1, with all columns.
    pub fn reread(&self, first: u32, last: u32, emit: &mut dyn FnMut(Piece)) -> Result<(), String> {
        let (first, last) = (first as usize - 1, last as usize);
        let Some(group) = (0..self.groups()).rev().find(|g| self.before(*g) <= first) else { return Ok(()) };
        let from = first - self.before(group);
        self.read_rows(group, None, from, (last - first).min(self.rows(group) - from), emit)
    }

    fn read_rows(&self, group: usize, columns: Option<&[usize]>, from: usize, rows: usize, emit: &mut dyn FnMut(Piece)) -> Result<(), String> {
        self.read_parts(group, columns, (from, rows), false, &mut |part| {
            if let Part::Records(piece) = part {
                emit(piece);
            }
            Ok(())
        })
    }

    /// So many rows from one on.
    fn read_parts(&self, group: usize, columns: Option<&[usize]>, (from, rows): (usize, usize), as_columns: bool, emit: Emit<'_>) -> Result<(), String> {
        let budget = Arc::new(Budget::default());
        let mut reader = guarded(|| self.reader(group, columns, from, rows, &budget))?;
        let (is_json, is_uuid) = (|name: &str| self.is(name, LogicalType::Json), |name: &str| self.is(name, LogicalType::Uuid));
        let first = self.before(group) + from + 1;
        let mut piece = Piece { first: first as u32, ..Piece::default() };
        let mut done = 0;
        let mut fault = None;
        while done < rows {
            budget.renew();
            let batch = match guarded(|| reader.next().transpose().map_err(|e| of_arrow(&e))) {
                Ok(Some(batch)) => batch,
                Ok(None) => {
                    fault = Some("it holds fewer rows than it says".into());
                    break;
                }
                Err(why) => {
                    fault = Some(why);
                    break;
                }
            };
            let height = batch.num_rows().min(rows - done);
            if as_columns {
                let columns = Columns::new(batch.slice(0, height), first + done);
                // No row is too long where all of them together are not.
                if columns.weight() <= MAX_RECORD as u64 {
                    done += height;
                    if !piece.spans.is_empty() {
                        emit(Part::Records(std::mem::take(&mut piece)))?;
                    }
                    emit(Part::Columns(columns))?;
                    piece.first = (first + done) as u32;
                    continue;
                }
            }
            let mut at = 0;
            while at < height {
                let filled = guarded(|| fill(&batch, &mut at, height, first + done, &mut piece, &is_json, &is_uuid));
                if let Err(why) = filled {
                    fault = Some(why);
                    break;
                }
                if piece.bytes.len() >= CHUNK || !piece.faults.is_empty() {
                    let next = Piece { first: (first + done + at) as u32, ..Piece::default() };
                    emit(Part::Records(std::mem::replace(&mut piece, next)))?;
                }
            }
            done += at;
            if fault.is_some() {
                break;
            }
        }
        if !piece.spans.is_empty() {
            emit(Part::Records(piece))?;
        }
        fault.map_or(Ok(()), Err)
    }

    fn reader(&self, group: usize, columns: Option<&[usize]>, from: usize, rows: usize, budget: &Arc<Budget>) -> Result<ParquetRecordBatchReader, String> {
        let schema = self.metadata.file_metadata().schema_descr();
        let mask = match columns {
            Some(columns) => ProjectionMask::roots(schema, columns.iter().copied()),
            None => ProjectionMask::all(),
        };
        let about = self.metadata.row_group(group);
        if about.num_columns() != schema.num_columns() {
            return Err("a row group has other columns than the file".into());
        }
        let mut width = 0u64;
        for (_, column) in about.columns().iter().enumerate().filter(|(i, _)| mask.leaf_included(*i)) {
            if !is_supported(column.compression()) {
                return Err(unsupported(&column.column_path().string(), column.compression()));
            }
            let fixed = u64::try_from(column.column_descr().type_length()).unwrap_or(0).max(16);
            width += fixed + u64::try_from(column.uncompressed_size()).unwrap_or(0) / self.rows(group).max(1) as u64;
        }
        let batch = usize::try_from(BATCH_BYTES / width.max(1)).unwrap_or(1).clamp(1, BATCH_ROWS).min(rows.max(1));
        let levels = parquet_to_arrow_field_levels(schema, mask.clone(), self.fields.as_ref())
            .or_else(|_| parquet_to_arrow_field_levels(schema, mask, None))
            .map_err(reason)?;
        let selection = (from > 0).then(|| RowSelection::from(vec![RowSelector::skip(from), RowSelector::select(rows)]));
        let source = Group { table: self, group, budget: budget.clone() };
        let reader = ParquetRecordBatchReader::try_new_with_row_groups(&levels, &source, batch, selection).map_err(reason)?;
        match reader.schema().fields().iter().find(|f| !rows::is_known(f.data_type())) {
            Some(field) => Err(format!("the column `{}` is of a type that is not supported", field.name())),
            None => Ok(reader),
        }
    }

    /// Whether a top-level column is annotated so.
    fn is(&self, name: &str, logical: LogicalType) -> bool {
        let fields = self.metadata.file_metadata().schema_descr().root_schema().get_fields();
        fields.iter().find(|f| f.name() == name).is_some_and(|f| {
            let info = f.get_basic_info();
            info.logical_type_ref() == Some(&logical) || logical == LogicalType::Json && info.converted_type() == ConvertedType::JSON
        })
    }
}

/// Takes a piece, or says why no more are wanted.
type Emit<'e> = &'e mut dyn FnMut(Part) -> Result<(), String>;

/// Writes rows from `at` on until the piece is full or a row was too long.
fn fill(
    batch: &RecordBatch,
    at: &mut usize,
    height: usize,
    first: usize,
    piece: &mut Piece,
    is_json: &dyn Fn(&str) -> bool,
    is_uuid: &dyn Fn(&str) -> bool,
) -> Result<(), String> {
    let rows = Rows::new(batch, is_json, is_uuid);
    while *at < height && piece.bytes.len() < CHUNK && piece.faults.is_empty() {
        let start = piece.bytes.len();
        match rows.put(*at, &mut piece.bytes) {
            Ok(()) => piece.spans.push((start, piece.bytes.len())),
            Err(rows::TooLong) => piece.faults.push(Fault::of(Some((first + *at) as u32), too_long())),
        }
        *at += 1;
    }
    Ok(())
}

fn of_arrow(error: &arrow::error::ArrowError) -> String {
    let text = error.to_string();
    let text = ["Parquet argument error: ", "External error: ", "Parquet error: ", "EOF: "].iter().fold(text.as_str(), |t, p| t.strip_prefix(p).unwrap_or(t));
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

/// The file's fields with each text and binary as a view. `None` when the library cannot tell the types at all: it says why when
/// rows are read.
fn view_fields(metadata: &ParquetMetaData) -> Option<Fields> {
    let file = metadata.file_metadata();
    let schema =
        parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()).or_else(|_| parquet_to_arrow_schema(file.schema_descr(), None)).ok()?;
    let mut leaves = file.schema_descr().columns().iter().map(|c| c.physical_type());
    Some(schema.fields().iter().map(|f| view_field(f, &mut leaves)).collect())
}

fn view_field(field: &Field, leaves: &mut dyn Iterator<Item = Physical>) -> Field {
    field.clone().with_data_type(view_type(field.data_type(), leaves))
}

fn view_type(data_type: &DataType, leaves: &mut dyn Iterator<Item = Physical>) -> DataType {
    let mut inner = |f: &Arc<Field>| Arc::new(view_field(f, leaves));
    match data_type {
        DataType::List(f) | DataType::ListView(f) => DataType::List(inner(f)),
        DataType::LargeList(f) | DataType::LargeListView(f) => DataType::LargeList(inner(f)),
        DataType::FixedSizeList(f, n) => DataType::FixedSizeList(inner(f), *n),
        DataType::Map(f, sorted) => DataType::Map(inner(f), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        leaf => view_leaf(leaf, leaves.next()),
    }
}

fn view_leaf(leaf: &DataType, physical: Option<Physical>) -> DataType {
    match leaf {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, value) => view_leaf(value, physical),
        // Nanoseconds of 64 bits hold no more than 1677 to 2262, and what lies beyond would wrap.
        DataType::Timestamp(TimeUnit::Nanosecond, zone) if physical == Some(Physical::INT96) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        other => other.clone(),
    }
}

/// One row group as the library's reader sees it.
struct Group<'a> {
    table: &'a Table,
    group: usize,
    budget: Arc<Budget>,
}

impl RowGroups for Group<'_> {
    fn num_rows(&self) -> usize {
        self.table.rows(self.group)
    }

    fn column_chunks(&self, i: usize) -> parquet::errors::Result<Box<dyn PageIterator>> {
        let column = self.table.metadata.row_group(self.group).column(i);
        Ok(Box::new(OneChunk::new(Pages::new(self.table.contents.clone(), column, self.budget.clone())?)))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.table.metadata.row_group(self.group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.table.metadata
    }
}

impl From<Vec<u8>> for Contents {
    fn from(bytes: Vec<u8>) -> Contents {
        Contents::Bytes(Bytes::from(bytes))
    }
}
