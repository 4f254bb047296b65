//! Pages of a column, unpacked within bounds: what a page says of itself is checked before it is handed to the library,
//! which takes sizes and counts at their word.

use super::thrift::{PageHeader, PageKind, page_header, varint};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Largest page, unpacked, in bytes.
const MAX_PAGE: usize = 256 << 20;
/// Unpacked bytes of all pages that one batch of rows may touch.
const MAX_BATCH: usize = 1 << 30;
/// Values of lists that one batch of rows may touch.
const MAX_VALUES: usize = 1 << 24;
/// How much of a page header is read at first; it is longer where it holds long statistics.
const HEADER: usize = 4 << 10;

/// The bytes of a file.
#[derive(Debug, Clone)]
pub enum Contents {
    /// At hand.
    Bytes(Bytes),
    /// To be read, with its length.
    File(Arc<File>, u64),
}

impl Contents {
    /// Number of bytes.
    pub fn size(&self) -> u64 {
        match self {
            Contents::Bytes(bytes) => bytes.len() as u64,
            Contents::File(_, len) => *len,
        }
    }

    /// Some of them, all or an error.
    pub fn read(&self, at: u64, len: usize) -> std::result::Result<Bytes, String> {
        let end = at.checked_add(len as u64).filter(|end| *end <= self.size()).ok_or("it ends early: the file was cut off")?;
        match self {
            Contents::Bytes(bytes) => Ok(bytes.slice(at as usize..end as usize)),
            Contents::File(file, _) => {
                let mut bytes = vec![0; len];
                read_at(file, &mut bytes, at).map_err(|e| crate::source::unpack::describe(&e))?;
                Ok(bytes.into())
            }
        }
    }
}

/// Reads at a place without moving the file's own: several workers read one file.
#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

/// Reads at a place without moving the file's own: several workers read one file.
#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, at)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => {
                bytes = &mut bytes[n..];
                at += n as u64;
            }
        }
    }
    Ok(())
}

/// What the pages of a batch of rows may still unpack to.
#[derive(Debug, Default)]
pub struct Budget {
    bytes: AtomicUsize,
    values: AtomicUsize,
}

impl Budget {
    /// A new batch begins.
    pub fn renew(&self) {
        self.bytes.store(0, Ordering::Relaxed);
        self.values.store(0, Ordering::Relaxed);
    }

    fn take(spent: &AtomicUsize, amount: usize, most: usize, what: &str) -> Result<()> {
        let sum = spent.fetch_add(amount, Ordering::Relaxed).saturating_add(amount);
        if sum > most { Err(fault(format!("its rows unpack to more than {what}: it looks like a decompression bomb"))) } else { Ok(()) }
    }
}

fn fault(text: impl Into<String>) -> ParquetError {
    ParquetError::General(text.into())
}

/// A column chunk's pages, one after another.
pub struct Pages {
    contents: Contents,
    at: u64,
    end: u64,
    name: String,
    codec: Compression,
    physical: Type,
    width: usize,
    /// The highest definition and repetition level.
    levels: (i16, i16),
    budget: Arc<Budget>,
    /// The header of the page to come, and where its bytes begin.
    next: Option<(PageHeader, u64)>,
}

impl Pages {
    /// The pages of a column chunk.
    pub fn new(contents: Contents, column: &ColumnChunkMetaData, budget: Arc<Budget>) -> Result<Pages> {
        let described = column.column_descr();
        let name = column.column_path().string();
        // Some writers say zero where there is no dictionary.
        let data = column.data_page_offset();
        let start = column.dictionary_page_offset().filter(|d| (1..data).contains(d)).unwrap_or(data);
        let range = u64::try_from(start).ok().zip(u64::try_from(column.compressed_size()).ok());
        let end = range.and_then(|(start, len)| start.checked_add(len)).filter(|end| *end <= contents.size());
        let (Some((at, _)), Some(end)) = (range, end) else {
            return Err(fault(format!("the column `{name}` is said to stand beyond the file's end")));
        };
        let width = match column.column_type() {
            Type::BOOLEAN => 0,
            Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::FIXED_LEN_BYTE_ARRAY => usize::try_from(described.type_length()).unwrap_or(0),
        };
        Ok(Pages {
            contents,
            at,
            end,
            name,
            codec: column.compression(),
            physical: column.column_type(),
            width,
            levels: (described.max_def_level(), described.max_rep_level()),
            budget,
            next: None,
        })
    }

    fn bad(&self, what: &str) -> ParquetError {
        fault(format!("the column `{}` is damaged: {what}", self.name))
    }

    /// The next page's header, read once.
    fn header(&mut self) -> Result<Option<(PageHeader, u64)>> {
        while self.next.is_none() && self.at < self.end {
            let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            let mut want = HEADER;
            let (header, len) = loop {
                let bytes = self.contents.read(self.at, want.min(left)).map_err(|e| self.bad(&e))?;
                match page_header(&bytes) {
                    Some(read) => break read,
                    None if want >= left.min(MAX_PAGE) => return Err(self.bad("a page's header cannot be read")),
                    None => want *= 16,
                }
            };
            let body = self.at + len as u64;
            if header.packed as u64 > self.end - body {
                return Err(self.bad("a page is larger than its column"));
            }
            if header.kind == PageKind::Other {
                self.at = body + header.packed as u64;
                continue;
            }
            if header.size > MAX_PAGE {
                return Err(self.bad("a page unpacks to more than 256 MiB"));
            }
            self.next = Some((header, body));
        }
        Ok(self.next)
    }

    fn pass(&mut self, header: &PageHeader, body: u64) {
        self.at = body + header.packed as u64;
        self.next = None;
    }

    fn read(&mut self, header: &PageHeader, body: u64) -> Result<Page> {
        Budget::take(&self.budget.bytes, header.size, MAX_BATCH, "1 GiB")?;
        if self.levels.1 > 0 && header.kind != PageKind::Dictionary {
            Budget::take(&self.budget.values, header.values as usize, MAX_VALUES, "16 million list elements")?;
        }
        let packed = self.contents.read(body, header.packed).map_err(|e| self.bad(&e))?;
        if header.crc.is_some_and(|crc| crc != crc32fast::hash(&packed)) {
            return Err(self.bad("the checksum of a page does not fit"));
        }
        let encoding = encoding(header.encoding).ok_or_else(|| self.bad("a page has an unknown encoding"))?;
        let level_bytes = if header.kind == PageKind::Data2 { header.level_bytes.0 as usize + header.level_bytes.1 as usize } else { 0 };
        if level_bytes > packed.len() || level_bytes > header.size {
            return Err(self.bad("a page's levels are longer than the page"));
        }
        let buf = if self.codec == Compression::UNCOMPRESSED || (header.kind == PageKind::Data2 && !header.is_packed) {
            packed
        } else if level_bytes == 0 {
            self.unpack(&packed, header.size)?.into()
        } else {
            // The second version's levels are never packed.
            let values = self.unpack(&packed[level_bytes..], header.size - level_bytes)?;
            [&packed[..level_bytes], &values].concat().into()
        };
        match header.kind {
            PageKind::Dictionary => {
                if (header.values as usize).saturating_mul(self.width.max(1)) > buf.len() {
                    return Err(self.bad("its dictionary holds fewer values than it says"));
                }
                Ok(Page::DictionaryPage { buf, num_values: header.values, encoding, is_sorted: false })
            }
            PageKind::Data2 => {
                self.check_lengths(&buf, level_bytes, header, encoding)?;
                Ok(Page::DataPageV2 {
                    buf,
                    num_values: header.values,
                    encoding,
                    num_nulls: header.nulls.min(header.values),
                    num_rows: header.rows,
                    def_levels_byte_len: header.level_bytes.0,
                    rep_levels_byte_len: header.level_bytes.1,
                    is_compressed: header.is_packed,
                    statistics: None,
                })
            }
            _ => {
                let levels = encoding_of_levels(header.levels).ok_or_else(|| self.bad("a page's levels have an unknown encoding"))?;
                if is_delta(encoding) {
                    let at = self.values_at(&buf, header.values, levels).ok_or_else(|| self.bad("a page's levels are longer than the page"))?;
                    self.check_lengths(&buf, at, header, encoding)?;
                }
                Ok(Page::DataPage { buf, num_values: header.values, encoding, def_level_encoding: levels.0, rep_level_encoding: levels.1, statistics: None })
            }
        }
    }

    /// Where the values of a page of the first version begin.
    fn values_at(&self, page: &[u8], values: u32, encodings: (Encoding, Encoding)) -> Option<usize> {
        let mut at = 0usize;
        for (highest, encoding) in [(self.levels.1, encodings.1), (self.levels.0, encodings.0)] {
            if highest > 0 {
                let bits = u64::from(u16::BITS - highest.unsigned_abs().leading_zeros());
                let packed = (u64::from(values) * bits).div_ceil(8);
                at = match encoding {
                    Encoding::RLE => at.checked_add(4)?.checked_add(u32::from_le_bytes(*page.get(at..)?.first_chunk()?) as usize)?,
                    _ => at.checked_add(usize::try_from(packed).ok()?)?,
                };
            }
        }
        (at <= page.len()).then_some(at)
    }

    /// The library makes room for as many lengths as a page of delta-encoded texts says, and for texts that repeat each other.
    fn check_lengths(&self, page: &[u8], at: usize, header: &PageHeader, encoding: Encoding) -> Result<()> {
        if !is_delta(encoding) || self.physical == Type::INT32 || self.physical == Type::INT64 || header.values == 0 {
            return Ok(());
        }
        let most = header.values as usize;
        let run = |at: usize| delta_run(page, at, most).ok_or_else(|| self.bad("a page's lengths cannot be read"));
        let (first, then) = run(at)?;
        if encoding == Encoding::DELTA_BYTE_ARRAY {
            let (second, _) = run(then)?;
            let total = usize::try_from(first.saturating_add(second)).unwrap_or(usize::MAX);
            Budget::take(&self.budget.bytes, total, MAX_BATCH, "1 GiB")?;
        }
        Ok(())
    }

    fn unpack(&self, packed: &[u8], size: usize) -> Result<Vec<u8>> {
        let wrong = || self.bad("a page cannot be unpacked");
        let out = match self.codec {
            // Nothing but nulls.
            _ if size == 0 => Vec::new(),
            Compression::SNAPPY => {
                let told = snap::raw::decompress_len(packed).map_err(|_| wrong())?;
                if told != size {
                    return Err(wrong());
                }
                snap::raw::Decoder::new().decompress_vec(packed).map_err(|_| wrong())?
            }
            Compression::GZIP(_) => {
                let mut out = Vec::with_capacity(size);
                flate2::bufread::MultiGzDecoder::new(packed).take(size as u64 + 1).read_to_end(&mut out).map_err(|_| wrong())?;
                out
            }
            Compression::ZSTD(_) => zstd::bulk::decompress(packed, size).map_err(|_| wrong())?,
            Compression::LZ4_RAW => lz4_flex::block::decompress(packed, size).map_err(|_| wrong())?,
            Compression::LZ4 => unpack_hadoop(packed, size).ok_or_else(wrong)?,
            other => return Err(fault(unsupported(&self.name, other))),
        };
        if out.len() == size { Ok(out) } else { Err(wrong()) }
    }
}

/// Whether pages packed so can be read.
pub fn is_supported(codec: Compression) -> bool {
    !matches!(codec, Compression::BROTLI(_) | Compression::LZO)
}

/// What is said of a packing that is not read.
pub fn unsupported(column: &str, codec: Compression) -> String {
    let name = codec.to_string();
    let name = name.split('(').next().unwrap_or_default();
    format!("the column `{column}` is packed with {name}, which is not supported: write the file with ZSTD, SNAPPY or GZIP")
}

/// The old LZ4: blocks, each behind its two sizes; or, by some writers, one bare block.
fn unpack_hadoop(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let blocks = || {
        let mut out = Vec::with_capacity(size);
        let mut rest = packed;
        while !rest.is_empty() {
            let (unpacked, after) = rest.split_first_chunk::<4>()?;
            let (len, after) = after.split_first_chunk::<4>()?;
            let unpacked = u32::from_be_bytes(*unpacked) as usize;
            let block = after.get(..u32::from_be_bytes(*len) as usize)?;
            if unpacked > size - out.len() {
                return None;
            }
            out.extend(lz4_flex::block::decompress(block, unpacked).ok()?);
            rest = &after[block.len()..];
        }
        (out.len() == size).then_some(out)
    };
    blocks().or_else(|| lz4_flex::block::decompress(packed, size).ok())
}

fn is_delta(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY)
}

fn encoding(number: i64) -> Option<Encoding> {
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}

#[expect(deprecated, reason = "old files still have levels of that encoding")]
fn encoding_of_levels(numbers: (i64, i64)) -> Option<(Encoding, Encoding)> {
    let one = |number| match number {
        3 => Some(Encoding::RLE),
        4 => Some(Encoding::BIT_PACKED),
        _ => None,
    };
    one(numbers.0).zip(one(numbers.1))
}

/// Reads a run of at most `most` delta-encoded lengths: their sum and where the run ends. `None` when it holds more, or a
/// length below zero.
fn delta_run(page: &[u8], at: usize, most: usize) -> Option<(u64, usize)> {
    let (block, at) = varint(page, at)?;
    let (minis, at) = varint(page, at)?;
    let (count, at) = varint(page, at)?;
    let (first, mut at) = varint(page, at)?;
    let unzigzag = |n: u64| (n >> 1) as i64 ^ -((n & 1) as i64);
    if count > most as u64 || minis == 0 || block > 1 << 20 || minis > 1 << 10 || !block.is_multiple_of(128) || !block.is_multiple_of(minis) {
        return None;
    }
    let (per_mini, minis) = ((block / minis) as usize, minis as usize);
    if !per_mini.is_multiple_of(32) || per_mini == 0 {
        return None;
    }
    let mut value = unzigzag(first);
    let mut left = count as usize;
    if left == 0 {
        return Some((0, at));
    }
    let mut sum = u64::from(u32::try_from(value).ok()?);
    left -= 1;
    while left > 0 {
        let (least, after) = varint(page, at)?;
        let least = unzigzag(least);
        let widths = page.get(after..after + minis)?;
        at = after + minis;
        for &width in widths {
            if left == 0 {
                break;
            }
            let width = usize::from(width);
            if width > 32 {
                return None;
            }
            let bytes = page.get(at..at + per_mini * width / 8)?;
            for i in 0..per_mini.min(left) {
                let delta = bits(bytes, i * width, width);
                // Lengths are 32-bit numbers that wrap.
                value = i64::from(value.wrapping_add(least).wrapping_add(delta as i64) as i32);
                sum += u64::from(u32::try_from(value).ok()?);
            }
            left -= per_mini.min(left);
            at += bytes.len();
        }
    }
    Some((sum, at))
}

/// `width` bits (at most 32) from a bit on, lowest first.
fn bits(bytes: &[u8], from: usize, width: usize) -> u64 {
    let mut word = [0; 8];
    let rest = bytes.get(from / 8..).unwrap_or_default();
    let len = rest.len().min(8);
    word[..len].copy_from_slice(&rest[..len]);
    u64::from_le_bytes(word) >> (from % 8) & ((1 << width) - 1)
}

impl Iterator for Pages {
    type Item = Result<Page>;
    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some((header, body)) = self.header()? else { return Ok(None) };
        let page = self.read(&header, body)?;
        self.pass(&header, body);
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        let flat = self.levels.1 == 0;
        Ok(self.header()?.map(|(header, _)| PageMetadata {
            num_rows: match header.kind {
                PageKind::Data2 => Some(header.rows as usize),
                PageKind::Data if flat => Some(header.values as usize),
                _ => None,
            },
            num_levels: Some(header.values as usize),
            is_dict: header.kind == PageKind::Dictionary,
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        if let Some((header, body)) = self.header()? {
            self.pass(&header, body);
        }
        Ok(())
    }
}

/// The one chunk of a column in a row group.
pub struct OneChunk(Option<Pages>);

impl OneChunk {
    /// From its pages.
    pub fn new(pages: Pages) -> OneChunk {
        OneChunk(Some(pages))
    }
}

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>>;
    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|pages| Ok(Box::new(pages) as Box<dyn PageReader>))
    }
}

impl PageIterator for OneChunk {}
