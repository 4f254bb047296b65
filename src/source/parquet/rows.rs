//! Rows of a batch as JSON objects: null fields are left out, text is copied and escaped only where it must be.

use crate::event::time::push_time;
use crate::source::split::MAX_RECORD;
use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrowPrimitiveType, BinaryViewArray, PrimitiveArray, RecordBatch, StringViewArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::*;
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Display;
use std::io::Write;

/// Writes the value of a row.
type Put<'a> = Box<dyn Fn(usize, &mut Vec<u8>) + 'a>;

/// Where the values of a row stand among the values of all lists.
type Range<'a> = Box<dyn Fn(usize) -> (usize, usize) + 'a>;

enum Values<'a> {
    Nothing,
    Text(&'a StringViewArray),
    /// Text that is JSON itself.
    Json(&'a StringViewArray),
    Binary(&'a BinaryViewArray),
    /// A number, or anything else that takes few bytes.
    Small(Put<'a>),
    List(Range<'a>, Box<Cells<'a>>),
    Struct(Vec<(Vec<u8>, Cells<'a>)>),
    Map(Range<'a>, Box<Cells<'a>>, Box<Cells<'a>>),
}

/// The cells of a column.
pub struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

/// A batch whose rows can be written.
pub struct Rows<'a> {
    columns: Vec<(Vec<u8>, Cells<'a>)>,
}

/// The row is larger than a record may be.
pub struct TooLong;

impl<'a> Rows<'a> {
    /// Looks at a batch; `is_json` and `is_uuid` tell of top-level columns what their type does not.
    pub fn new(batch: &'a RecordBatch, is_json: &dyn Fn(&str) -> bool, is_uuid: &dyn Fn(&str) -> bool) -> Rows<'a> {
        let columns = batch
            .schema_ref()
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| {
                let cells = match column.data_type() {
                    DataType::Utf8View if is_json(field.name()) => Cells { nulls: column.nulls(), values: Values::Json(column.as_string_view()) },
                    DataType::FixedSizeBinary(16) if is_uuid(field.name()) => {
                        let bytes = column.as_fixed_size_binary();
                        Cells { nulls: column.nulls(), values: Values::Small(Box::new(move |i, out| put_uuid(bytes.value(i), out))) }
                    }
                    _ => cells(column),
                };
                (key(field.name()), cells)
            })
            .collect();
        Rows { columns }
    }

    /// Appends a row; what it began is taken back when it grows too long.
    pub fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let start = out.len();
        let mut put = Writer { out, limit: start + MAX_RECORD };
        let done = put.object(&self.columns, row);
        if done.is_err() {
            out.truncate(start);
        }
        done
    }
}

fn key(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_text(name, &mut out);
    out.push(b':');
    out
}

/// A text in quotes.
fn put_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let odd = bytes.iter().fold(false, |odd, b| odd | (*b < 0x20) | (*b == b'"') | (*b == b'\\'));
    if odd {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(out, text);
    } else {
        out.reserve(bytes.len() + 2);
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    }
}

/// Text where the bytes are text, else base64.
fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => put_text(text, out),
        Err(_) => put_text(&STANDARD.encode(bytes), out),
    }
}

fn put_uuid(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for (i, b) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        let _ = write!(out, "{b:02x}");
    }
    out.push(b'"');
}

fn numbers<'a, T: ArrowPrimitiveType>(array: &'a dyn Array, put: impl Fn(T::Native, &mut Vec<u8>) + 'a) -> Values<'a> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    Values::Small(Box::new(move |i, out| put(array.value(i), out)))
}

fn plain<T: ArrowPrimitiveType>(array: &dyn Array) -> Values<'_>
where
    T::Native: Display,
{
    numbers::<T>(array, |n, out| {
        let _ = write!(out, "{n}");
    })
}

/// JSON has no infinities; what is not a number is how many tools write null.
fn put_float<N: Into<f64> + Copy + Display + serde::Serialize>(n: N, out: &mut Vec<u8>) {
    let wide: f64 = n.into();
    let _ = match () {
        () if wide.is_nan() => out.write_all(b"null"),
        () if wide.is_infinite() => write!(out, "\"{n}\""),
        () => serde_json::to_writer(out, &n).map_err(std::io::Error::from),
    };
}

/// An instant since 1970 in units of which a second has so many.
fn put_instant(n: i64, per_second: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (n.div_euclid(per_second), n.rem_euclid(per_second));
    let Some(micros) = seconds.checked_mul(1_000_000) else {
        let _ = write!(out, "{n}");
        return;
    };
    out.push(b'"');
    push_time(micros, out);
    if fraction != 0 && out.last() == Some(&b'Z') {
        out.pop();
        let digits = per_second.ilog10() as usize;
        let _ = write!(out, ".{fraction:0digits$}Z");
    }
    out.push(b'"');
}

fn put_date(days: i64, out: &mut Vec<u8>) {
    match days.checked_mul(86_400_000_000) {
        Some(micros) => {
            out.push(b'"');
            push_time(micros, out);
            if let Some(date) = out.len().checked_sub("T00:00:00Z".len()).filter(|at| out[*at] == b'T') {
                out.truncate(date);
            }
            out.push(b'"');
        }
        None => {
            let _ = write!(out, "{days}");
        }
    }
}

fn put_time_of_day(n: i64, per_second: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (n.div_euclid(per_second), n.rem_euclid(per_second));
    let _ = write!(out, "\"{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let digits = per_second.ilog10() as usize;
        let _ = write!(out, ".{fraction:0digits$}");
    }
    out.push(b'"');
}

fn per_second(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

fn timestamps<'a>(array: &'a dyn Array, unit: &TimeUnit) -> Values<'a> {
    let per = per_second(unit);
    let put = move |n, out: &mut Vec<u8>| put_instant(n, per, out);
    match unit {
        TimeUnit::Second => numbers::<TimestampSecondType>(array, put),
        TimeUnit::Millisecond => numbers::<TimestampMillisecondType>(array, put),
        TimeUnit::Microsecond => numbers::<TimestampMicrosecondType>(array, put),
        TimeUnit::Nanosecond => numbers::<TimestampNanosecondType>(array, put),
    }
}

fn durations<'a>(array: &'a dyn Array, unit: &TimeUnit) -> Values<'a> {
    match unit {
        TimeUnit::Second => plain::<DurationSecondType>(array),
        TimeUnit::Millisecond => plain::<DurationMillisecondType>(array),
        TimeUnit::Microsecond => plain::<DurationMicrosecondType>(array),
        TimeUnit::Nanosecond => plain::<DurationNanosecondType>(array),
    }
}

fn decimals<T: DecimalType>(array: &dyn Array) -> Values<'_> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    Values::Small(Box::new(move |i, out| out.extend_from_slice(array.value_as_string(i).as_bytes())))
}

/// Offsets of a list as numbers; those of the library are valid or it did not make the array.
fn span(offsets: &[i32], i: usize) -> (usize, usize) {
    (offsets[i] as usize, offsets[i + 1] as usize)
}

/// Looks at a column.
pub fn cells(array: &dyn Array) -> Cells<'_> {
    let values = match array.data_type() {
        DataType::Boolean => {
            let array = array.as_boolean();
            Values::Small(Box::new(move |i, out| out.extend_from_slice(if array.value(i) { b"true" } else { b"false" })))
        }
        DataType::Int8 => plain::<Int8Type>(array),
        DataType::Int16 => plain::<Int16Type>(array),
        DataType::Int32 => plain::<Int32Type>(array),
        DataType::Int64 => plain::<Int64Type>(array),
        DataType::UInt8 => plain::<UInt8Type>(array),
        DataType::UInt16 => plain::<UInt16Type>(array),
        DataType::UInt32 => plain::<UInt32Type>(array),
        DataType::UInt64 => plain::<UInt64Type>(array),
        DataType::Float16 => numbers::<Float16Type>(array, |n, out| put_float(n.to_f64(), out)),
        DataType::Float32 => numbers::<Float32Type>(array, put_float),
        DataType::Float64 => numbers::<Float64Type>(array, put_float),
        DataType::Decimal32(..) => decimals::<Decimal32Type>(array),
        DataType::Decimal64(..) => decimals::<Decimal64Type>(array),
        DataType::Decimal128(..) => decimals::<Decimal128Type>(array),
        DataType::Decimal256(..) => decimals::<Decimal256Type>(array),
        DataType::Timestamp(unit, _) => timestamps(array, unit),
        DataType::Date32 => numbers::<Date32Type>(array, |n, out| put_date(i64::from(n), out)),
        DataType::Date64 => numbers::<Date64Type>(array, |n, out| put_date(n.div_euclid(86_400_000), out)),
        DataType::Time32(TimeUnit::Second) => numbers::<Time32SecondType>(array, |n, out| put_time_of_day(i64::from(n), 1, out)),
        DataType::Time32(_) => numbers::<Time32MillisecondType>(array, |n, out| put_time_of_day(i64::from(n), 1_000, out)),
        DataType::Time64(TimeUnit::Microsecond) => numbers::<Time64MicrosecondType>(array, |n, out| put_time_of_day(n, 1_000_000, out)),
        DataType::Time64(_) => numbers::<Time64NanosecondType>(array, |n, out| put_time_of_day(n, 1_000_000_000, out)),
        DataType::Duration(unit) => durations(array, unit),
        DataType::Interval(IntervalUnit::YearMonth) => numbers::<IntervalYearMonthType>(array, |n, out| {
            let _ = write!(out, "\"P{n}M\"");
        }),
        DataType::Interval(IntervalUnit::DayTime) => numbers::<IntervalDayTimeType>(array, |n, out| {
            let _ = write!(out, "\"P{}DT{}S\"", n.days, f64::from(n.milliseconds) / 1000.0);
        }),
        DataType::Interval(IntervalUnit::MonthDayNano) => numbers::<IntervalMonthDayNanoType>(array, |n, out| {
            let _ = write!(out, "\"P{}M{}DT{}S\"", n.months, n.days, n.nanoseconds as f64 / 1e9);
        }),
        DataType::Utf8View => Values::Text(array.as_string_view()),
        DataType::BinaryView => Values::Binary(array.as_binary_view()),
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            Values::Small(Box::new(move |i, out| put_text(array.value(i), out)))
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            Values::Small(Box::new(move |i, out| put_bytes(array.value(i), out)))
        }
        DataType::FixedSizeBinary(_) => {
            let array = array.as_fixed_size_binary();
            Values::Small(Box::new(move |i, out| put_bytes(array.value(i), out)))
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            Values::List(Box::new(|i| span(list.value_offsets(), i)), Box::new(cells(list.values())))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let range = |i: usize| (list.value_offsets()[i] as usize, list.value_offsets()[i + 1] as usize);
            Values::List(Box::new(range), Box::new(cells(list.values())))
        }
        DataType::FixedSizeList(_, _) => {
            let list = array.as_fixed_size_list();
            let length = usize::try_from(list.value_length()).unwrap_or(0);
            let first = list.value_offset_at(0);
            Values::List(Box::new(move |i| (first + i * length, first + (i + 1) * length)), Box::new(cells(list.values())))
        }
        DataType::Struct(fields) => {
            let parts = array.as_struct();
            Values::Struct(fields.iter().zip(parts.columns()).map(|(f, column)| (key(f.name()), cells(column))).collect())
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            Values::Map(Box::new(|i| span(map.value_offsets(), i)), Box::new(cells(map.keys())), Box::new(cells(map.values())))
        }
        _ => Values::Nothing,
    };
    Cells { nulls: array.nulls(), values }
}

/// Whether a type is written at all.
pub fn is_known(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) | DataType::Map(f, _) => is_known(f.data_type()),
        DataType::Struct(fields) => fields.iter().all(|f| is_known(f.data_type())),
        DataType::LargeUtf8 | DataType::LargeBinary | DataType::Dictionary(..) | DataType::RunEndEncoded(..) | DataType::Union(..) => false,
        DataType::ListView(_) | DataType::LargeListView(_) => false,
        _ => true,
    }
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    limit: usize,
}

impl Writer<'_> {
    fn room(&self, bytes: usize) -> Result<(), TooLong> {
        if self.out.len() + bytes > self.limit { Err(TooLong) } else { Ok(()) }
    }

    fn object(&mut self, fields: &[(Vec<u8>, Cells<'_>)], row: usize) -> Result<(), TooLong> {
        self.out.push(b'{');
        let start = self.out.len();
        for (key, cells) in fields {
            if cells.is_null(row) {
                continue;
            }
            let before = self.out.len();
            if before > start {
                self.out.push(b',');
            }
            self.out.extend_from_slice(key);
            let at = self.out.len();
            self.value(cells, row)?;
            if self.out[at..] == *b"null" {
                self.out.truncate(before);
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn list(&mut self, range: (usize, usize), cells: &Cells<'_>) -> Result<(), TooLong> {
        self.out.push(b'[');
        for i in range.0..range.1 {
            if i > range.0 {
                self.out.push(b',');
            }
            self.value(cells, i)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, range: (usize, usize), keys: &Cells<'_>, values: &Cells<'_>) -> Result<(), TooLong> {
        self.out.push(b'{');
        let mut first = true;
        for i in (range.0..range.1).filter(|i| !values.is_null(*i)) {
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            let at = self.out.len();
            self.value(keys, i)?;
            if self.out.get(at) != Some(&b'"') {
                let text = String::from_utf8_lossy(&self.out[at..]).into_owned();
                self.out.truncate(at);
                put_text(&text, self.out);
            }
            self.out.push(b':');
            self.value(values, i)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn value(&mut self, cells: &Cells<'_>, i: usize) -> Result<(), TooLong> {
        if cells.is_null(i) {
            self.room(4)?;
            self.out.extend_from_slice(b"null");
            return Ok(());
        }
        match &cells.values {
            Values::Nothing => self.out.extend_from_slice(b"null"),
            Values::Text(array) => {
                let text = array.value(i);
                self.room(text.len())?;
                put_text(text, self.out);
            }
            Values::Json(array) => {
                let text = array.value(i);
                self.room(text.len())?;
                let nested = text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
                if nested {
                    self.out.extend_from_slice(text.as_bytes());
                } else {
                    put_text(text, self.out);
                }
            }
            Values::Binary(array) => {
                let bytes = array.value(i);
                self.room(bytes.len())?;
                put_bytes(bytes, self.out);
            }
            Values::Small(put) => {
                self.room(0)?;
                put(i, self.out);
            }
            Values::List(range, cells) => self.list(range(i), cells)?,
            Values::Struct(fields) => {
                self.room(0)?;
                self.object(fields, i)?;
            }
            Values::Map(range, keys, values) => self.map(range(i), keys, values)?,
        }
        Ok(())
    }
}

impl Cells<'_> {
    /// Appends a value that takes few bytes; `false` where there is none.
    pub fn put(&self, row: usize, out: &mut Vec<u8>) -> bool {
        match &self.values {
            Values::Small(put) if !self.is_null(row) => {
                put(row, out);
                true
            }
            _ => false,
        }
    }

    fn is_null(&self, i: usize) -> bool {
        matches!(self.values, Values::Nothing) || self.nulls.is_some_and(|n| n.is_null(i))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(put: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn times_keep_their_precision() {
        let at = |n, per| written(|out| put_instant(n, per, out));
        assert_eq!(at(1_705_312_800, 1), "\"2024-01-15T10:00:00Z\"");
        assert_eq!(at(1_705_312_800_500, 1_000), "\"2024-01-15T10:00:00.500Z\"");
        assert_eq!(at(1_705_312_800_000_000, 1_000_000), "\"2024-01-15T10:00:00Z\"");
        assert_eq!(at(1_705_312_800_000_000_007, 1_000_000_000), "\"2024-01-15T10:00:00.000000007Z\"");
        assert_eq!(at(-1, 1_000), "\"1969-12-31T23:59:59.999Z\"");
        assert_eq!(at(i64::MAX, 1), i64::MAX.to_string());
        assert_eq!(written(|out| put_date(19_737, out)), "\"2024-01-15\"");
        assert_eq!(written(|out| put_time_of_day(36_000_250, 1_000, out)), "\"10:00:00.250\"");
        assert_eq!(written(|out| put_bytes(&[0xff, 0x00], out)), "\"/wA=\"");
        assert_eq!(written(|out| put_bytes(b"a\"b\n", out)), "\"a\\\"b\\n\"");
    }
}
