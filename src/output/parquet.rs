//! `events --format parquet`: the columns of NDJSON under the same names, sorted by time, as one file that other tools read and
//! that auditmill reads again.

use crate::engine::gathered::Spooled;
use crate::event::Column;
use crate::event::derived::Derived;
use crate::finding::columns::read_spooled;
use crate::finding::scan::Scan;
use arrow::array::builder::{BooleanBuilder, StringBuilder, TimestampMicrosecondBuilder, UInt32Builder};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Most rows of a row group, and most bytes of its texts: readers work on row groups in parallel.
const GROUP_ROWS: usize = 1 << 16;
const GROUP_BYTES: usize = 128 << 20;
/// Rows, and bytes of their lines, that are handed over at one time, and how many such stretches are read while as many are written.
const BATCH_ROWS: usize = 2048;
const BATCH_BYTES: usize = 8 << 20;
const BATCHES: usize = 4;
/// How often a bloom filter may say that a row group holds a value that it does not.
const FALSE_POSITIVES: f64 = 0.01;

/// Writes the rendered events of the period in the order of time, file, record.
pub fn write_parquet(scan: &Scan<'_>, spools: Vec<Option<File>>, out: &mut dyn Write) -> io::Result<()> {
    let derived = if scan.databases.is_empty() { &[] } else { Derived::OF_ADDRESS };
    let schema = Arc::new(schema(derived));
    let mut groups = Groups::new(&schema, properties(scan))?;
    let read = |lines: &Lines| -> io::Result<(RecordBatch, usize)> {
        let mut batch = Batch::new(derived);
        lines.each().try_for_each(|(time, file, line)| batch.push(time, &scan.files[file as usize].name, line))?;
        Ok((batch.finish(&schema)?, lines.bytes.len()))
    };
    let mut ready: Vec<(RecordBatch, usize)> = Vec::new();
    // While some batches are written the lines of the next are read.
    let mut step = |wave: &[Lines]| -> io::Result<()> {
        let mut coming = Ok(Vec::new());
        let written = scan.pool.in_place_scope(|scope| {
            scope.spawn(|_| coming = wave.par_iter().map(read).collect());
            ready.drain(..).try_for_each(|(batch, bytes)| groups.write(&batch, bytes, out))
        });
        ready = written.and(coming)?;
        Ok(())
    };
    let mut wave: Vec<Lines> = vec![Lines::default()];
    read_spooled(scan.spooled_in_period(), spools, &mut |spooled, line| {
        let full = wave.last_mut().is_none_or(|lines| lines.push(spooled, line));
        if full && wave.len() == BATCHES {
            step(&wave)?;
            wave.clear();
        }
        if full {
            wave.push(Lines::default());
        }
        Ok(())
    })?;
    wave.retain(|lines| !lines.rows.is_empty());
    step(&wave)?;
    step(&[])?;
    groups.close(out)
}

/// Lines of the spool.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Time (UTC microseconds), file, and where the line ends.
    rows: Vec<(i64, u32, usize)>,
}

impl Lines {
    /// Adds a line; whether that is enough.
    fn push(&mut self, at: &Spooled, line: &[u8]) -> bool {
        // The line begins with the comma after its file.
        self.bytes.push(b'{');
        self.bytes.extend_from_slice(line.get(1..).unwrap_or_default());
        self.rows.push((at.time, at.file, self.bytes.len()));
        self.rows.len() >= BATCH_ROWS || self.bytes.len() >= BATCH_BYTES
    }

    /// Time, file and text of each.
    fn each(&self) -> impl Iterator<Item = (i64, u32, &[u8])> {
        let starts = std::iter::once(0).chain(self.rows.iter().map(|r| r.2));
        self.rows.iter().zip(starts).map(|(&(time, file, end), start)| (time, file, &self.bytes[start..end]))
    }
}

/// The row groups of a file, each handed to the output as it ends.
struct Groups {
    writer: ArrowWriter<Buffer>,
    buffer: Buffer,
    rows: usize,
    bytes: usize,
}

impl Groups {
    fn new(schema: &Arc<Schema>, properties: WriterProperties) -> io::Result<Groups> {
        let buffer = Buffer::default();
        let writer = ArrowWriter::try_new(buffer.clone(), schema.clone(), Some(properties)).map_err(plain)?;
        Ok(Groups { writer, buffer, rows: 0, bytes: 0 })
    }

    /// Writes rows whose lines had so many bytes.
    fn write(&mut self, batch: &RecordBatch, bytes: usize, out: &mut dyn Write) -> io::Result<()> {
        self.writer.write(batch).map_err(plain)?;
        self.rows += batch.num_rows();
        self.bytes += bytes;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            (self.rows, self.bytes) = (0, 0);
            self.writer.flush().map_err(plain)?;
            self.buffer.pour(out)?;
        }
        Ok(())
    }

    fn close(self, out: &mut dyn Write) -> io::Result<()> {
        self.writer.close().map_err(plain)?;
        self.buffer.pour(out)
    }
}

/// The columns, and after them the derived fields of addresses where databases tell of them.
fn schema(derived: &[Derived]) -> Schema {
    let field = |c: &Column| {
        let (data_type, nullable) = match c {
            Column::Time => (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
            Column::Record => (DataType::UInt32, false),
            Column::Source | Column::File => (DataType::Utf8, false),
            Column::Mfa => (DataType::Boolean, true),
            _ => (DataType::Utf8, true),
        };
        Field::new(c.name(), data_type, nullable)
    };
    let more = derived.iter().map(|d| Field::new(d.name(), DataType::Utf8, true));
    Schema::new(Column::ALL.iter().map(field).chain(more).collect::<Vec<_>>())
}

fn properties(scan: &Scan<'_>) -> WriterProperties {
    let path = |c: Column| ColumnPath::from(c.name());
    let mut about = vec![
        KeyValue::new("auditmill.tool".into(), env!("CARGO_PKG_NAME").to_owned()),
        KeyValue::new("auditmill.version".into(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let used = scan.sources.mappings().iter().zip(&scan.by_source).filter(|(_, events)| **events > 0);
    about.extend(used.map(|(m, _)| KeyValue::new(format!("auditmill.mapping.{}", m.id), m.hash.clone())));
    let time = Column::ALL.iter().position(|c| *c == Column::Time).unwrap_or(0);
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("auditmill version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()))
        // Row groups are ended here, not by the library.
        .set_max_row_group_row_count(Some(GROUP_ROWS * 2))
        .set_key_value_metadata(Some(about))
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: time as i32, descending: false, nulls_first: false }]));
    for column in [Column::User, Column::Ip, Column::EventId] {
        properties = properties
            .set_column_bloom_filter_enabled(path(column), true)
            .set_column_bloom_filter_fpp(path(column), FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(path(column), GROUP_ROWS as u64);
    }
    // Where no text repeats, a dictionary costs and gives nothing; smallest and largest of long texts neither.
    for column in [Column::EventId, Column::Raw] {
        properties = properties.set_column_dictionary_enabled(path(column), false);
    }
    for column in [Column::Changes, Column::Request, Column::Response, Column::Raw, Column::ErrorMessage, Column::UserAgent] {
        properties = properties.set_column_statistics_enabled(path(column), EnabledStatistics::None);
    }
    properties.build()
}

/// What the writer wrote and the output did not take yet: a row group at most.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn pour(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(&bytes)?;
        bytes.clear();
        Ok(())
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn plain(error: ParquetError) -> io::Error {
    io::Error::other(error.to_string())
}

enum Builder {
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
    Number(UInt32Builder),
    Flag(BooleanBuilder),
}

/// Rows that are gathered column by column.
struct Batch {
    names: Vec<&'static str>,
    columns: Vec<Builder>,
}

impl Batch {
    fn new(derived: &[Derived]) -> Batch {
        let builder = |c: &Column| match c {
            Column::Time => Builder::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Column::Record => Builder::Number(UInt32Builder::new()),
            Column::Mfa => Builder::Flag(BooleanBuilder::new()),
            _ => Builder::Text(StringBuilder::new()),
        };
        let more = derived.iter().map(|_| Builder::Text(StringBuilder::new()));
        Batch {
            names: Column::ALL.iter().map(|c| c.name()).chain(derived.iter().map(|d| d.name())).collect(),
            columns: Column::ALL.iter().map(builder).chain(more).collect(),
        }
    }

    /// Adds a line of NDJSON; its file stands beside it.
    fn push(&mut self, time: i64, file: &str, line: &[u8]) -> io::Result<()> {
        let mut cells: Vec<Cell<'_>> = self.names.iter().map(|_| Cell::Null).collect();
        serde_json::Deserializer::from_slice(line).deserialize_map(Line { names: &self.names, cells: &mut cells })?;
        for ((name, builder), cell) in self.names.iter().zip(&mut self.columns).zip(cells) {
            match (builder, cell) {
                (Builder::Time(b), _) => b.append_value(time),
                (Builder::Number(b), Cell::Number(n)) => b.append_value(u32::try_from(n).map_err(io::Error::other)?),
                (Builder::Number(b), _) => b.append_value(0),
                (Builder::Flag(b), Cell::Flag(f)) => b.append_value(f),
                (Builder::Flag(b), _) => b.append_null(),
                (Builder::Text(b), _) if *name == Column::File.name() => b.append_value(file),
                (Builder::Text(b), Cell::Text(text)) => b.append_value(text),
                (Builder::Text(b), _) => b.append_null(),
            }
        }
        Ok(())
    }

    fn finish(&mut self, schema: &Arc<Schema>) -> io::Result<RecordBatch> {
        let columns: Vec<ArrayRef> = self
            .columns
            .iter_mut()
            .map(|b| -> ArrayRef {
                match b {
                    Builder::Text(b) => Arc::new(b.finish()),
                    Builder::Time(b) => Arc::new(b.finish()),
                    Builder::Number(b) => Arc::new(b.finish()),
                    Builder::Flag(b) => Arc::new(b.finish()),
                }
            })
            .collect();
        RecordBatch::try_new(schema.clone(), columns).map_err(|e: ArrowError| io::Error::other(e.to_string()))
    }
}

enum Cell<'a> {
    Null,
    Flag(bool),
    Number(u64),
    Text(Cow<'a, str>),
}

impl<'de> serde::Deserialize<'de> for Cell<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cell<'de>, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Cell<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a column's value")
            }
            fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
                Ok(Cell::Null)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Cell<'de>, E> {
                Ok(Cell::Flag(v))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Cell<'de>, E> {
                Ok(Cell::Number(v))
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Owned(v.to_owned())))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Puts each value of a line where its column is; lines hold the columns in their order, without the file.
struct Line<'c, 'de> {
    names: &'c [&'static str],
    cells: &'c mut Vec<Cell<'de>>,
}

impl<'de> Visitor<'de> for Line<'_, 'de> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an event")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(name) = map.next_key::<&str>()? {
            let ahead = self.names[at..].iter().position(|n| *n == name).map(|n| at + n);
            match ahead.and_then(|i| self.cells.get_mut(i).map(|slot| (i, slot))) {
                Some((i, slot)) => {
                    *slot = map.next_value()?;
                    at = i + 1;
                }
                None => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
