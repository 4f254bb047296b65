//! Opens an input and unpacks it by its content, never by its name; every size is bounded.

use super::discover::{Input, Origin};
use super::parquet;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};

/// Inputs that unpack to at most this many bytes are held whole.
pub const WHOLE_LIMIT: usize = 12 << 20;
/// A packed file of at most this many bytes is read in one piece.
const PACKED_WHOLE_LIMIT: u64 = 64 << 20;
/// From this many unpacked bytes on, the ratio is watched.
const BOMB_FLOOR: u64 = 256 << 20;
/// Unpacked bytes for each packed byte, beyond which an input is taken for a decompression bomb.
const BOMB_RATIO: u64 = 400;

const LARGE_PARQUET: &str = "a Parquet file of more than 1 GiB in an archive or a stream is not read: unpack it first";
const NESTED_ARCHIVE: &str = "a zip archive inside an archive or a stream is not opened: unpack it first";

/// An opened input.
pub enum Opened {
    /// All of it, and what went wrong at its end.
    Whole(Vec<u8>, Option<String>),
    /// Its beginning and the rest to be read.
    Stream(Vec<u8>, Box<dyn Read + Send>),
    /// A Parquet file: what it holds is told at its end.
    Parquet(parquet::Contents),
}

/// Opens and begins to unpack an input. `buffer` is reused for the bytes, `packed` for the file as it stands.
pub fn open(input: &Input, mut buffer: Vec<u8>, packed: &mut Vec<u8>) -> Result<Opened, String> {
    if let Origin::File(path) = &input.origin
        && let Some(opened) = open_small_file(path, &mut buffer, packed)?
    {
        return told(opened);
    }
    let mut reader = reader(input)?;
    told(match fill(&mut *reader, UNKNOWN_SIZE, &mut buffer) {
        Err(fault) => Opened::Whole(buffer, Some(fault)),
        Ok(()) if buffer.len() > WHOLE_LIMIT => Opened::Stream(buffer, reader),
        Ok(()) => Opened::Whole(buffer, None),
    })
}

/// What is neither text nor packed is told by its first bytes.
fn told(opened: Opened) -> Result<Opened, String> {
    match opened {
        Opened::Whole(bytes, _) if parquet::is_encrypted(&bytes) => Err(parquet::encrypted()),
        Opened::Whole(head, fault) if parquet::begins(&head) => fault.map_or_else(|| Ok(Opened::Parquet(head.into())), Err),
        Opened::Stream(mut head, rest) if parquet::begins(&head) => {
            let limit = PACKED_WHOLE_LIMIT * 16;
            rest.take(limit).read_to_end(&mut head).map_err(|e| describe(&e))?;
            if head.len() as u64 > limit { Err(LARGE_PARQUET.into()) } else { Ok(Opened::Parquet(head.into())) }
        }
        text => Ok(in_utf8(text)),
    }
}

/// UTF-16, as PowerShell and some portals write it, becomes UTF-8; what is no UTF-16 in it becomes U+FFFD.
fn in_utf8(opened: Opened) -> Opened {
    let (Opened::Whole(head, _) | Opened::Stream(head, _)) = &opened else { return opened };
    // Without a byte order mark the zero beside the first bracket tells.
    let encoding = match head.as_slice() {
        [0xff, 0xfe, ..] | [b'{' | b'[', 0, ..] => encoding_rs::UTF_16LE,
        [0xfe, 0xff, ..] | [0, b'{' | b'[', ..] => encoding_rs::UTF_16BE,
        _ => return opened,
    };
    let decoder = |raw| encoding_rs_io::DecodeReaderBytesBuilder::new().encoding(Some(encoding)).build(raw);
    match opened {
        Opened::Whole(bytes, fault) => Opened::Whole(encoding.decode(&bytes).0.into_owned().into_bytes(), fault),
        Opened::Stream(head, rest) => {
            let raw: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(rest));
            let mut reader = decoder(raw);
            let mut buffer = Vec::new();
            match fill(&mut reader, UNKNOWN_SIZE, &mut buffer) {
                Ok(()) if buffer.len() > WHOLE_LIMIT => Opened::Stream(buffer, Box::new(reader)),
                ended => Opened::Whole(buffer, ended.err()),
            }
        }
        Opened::Parquet(_) => opened,
    }
}

/// What a reader may give, where nothing tells, in bytes.
const UNKNOWN_SIZE: usize = 1 << 20;

/// Reads into the buffer until it holds more than [`WHOLE_LIMIT`] or all. Its old bytes are overwritten: a buffer that is
/// used again is not zeroed again.
fn fill(reader: &mut dyn Read, hint: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
    let mut filled = 0;
    if buffer.len() < hint {
        buffer.resize(hint, 0);
    }
    let result = loop {
        if filled == buffer.len() {
            if filled > WHOLE_LIMIT {
                break Ok(());
            }
            buffer.resize((filled * 2).min(WHOLE_LIMIT + 64), 0);
        }
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break Ok(()),
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => break Err(describe(&e)),
        }
    };
    buffer.truncate(filled);
    result
}

/// A file of moderate size is read in one piece and unpacked from there; `None` when it unpacks to too much to be held.
fn open_small_file(path: &std::path::Path, buffer: &mut Vec<u8>, packed: &mut Vec<u8>) -> Result<Option<Opened>, String> {
    let mut file = File::open(path).map_err(|e| describe(&e))?;
    let size = file.metadata().map(|m| m.len()).unwrap_or(u64::MAX);
    if size > PACKED_WHOLE_LIMIT {
        let is_regular = file.metadata().is_ok_and(|m| m.is_file());
        return if is_regular { parquet::of_file(file, size).map(|found| found.map(Opened::Parquet)) } else { Ok(None) };
    }
    packed.clear();
    packed.reserve(size as usize + 1);
    file.read_to_end(packed).map_err(|e| describe(&e))?;
    let filled = match packed.as_slice() {
        [0x1f, 0x8b, .., a, b, c, d] => {
            // ISIZE is a hint that may lie: it is capped, and the decoder checks length and CRC.
            // A byte more than that: where it tells the truth the end is met before the buffer grows.
            let hint = (u32::from_le_bytes([*a, *b, *c, *d]) as usize).min(WHOLE_LIMIT) + 64;
            fill(&mut flate2::bufread::MultiGzDecoder::new(packed.as_slice()), hint, buffer)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => match zstd::stream::read::Decoder::with_buffer(packed.as_slice()) {
            Ok(mut decoder) => fill(&mut decoder, UNKNOWN_SIZE, buffer),
            Err(e) => Err(describe(&e)),
        },
        [b'P', b'K', 3, 4, ..] => return Err(NESTED_ARCHIVE.into()),
        _ if parquet::begins(packed) => return Ok(Some(Opened::Parquet(std::mem::take(packed).into()))),
        _ if packed.len() > WHOLE_LIMIT => return Ok(None),
        _ => {
            std::mem::swap(buffer, packed);
            Ok(())
        }
    };
    if buffer.len() > WHOLE_LIMIT {
        return Ok(None);
    }
    Ok(Some(Opened::Whole(std::mem::take(buffer), filled.err())))
}

/// An I/O or unpacking error in words.
pub fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the packed data ends early: the file was cut off".into(),
        io::ErrorKind::PermissionDenied => "cannot be read: permission denied".into(),
        _ => format!("cannot be read further: {error}"),
    }
}

fn reader(input: &Input) -> Result<Box<dyn Read + Send>, String> {
    match &input.origin {
        Origin::Stdin => unpack(Box::new(io::stdin())),
        Origin::Bytes(bytes) => unpack(Box::new(Cursor::new(bytes.to_vec()))),
        Origin::File(path) => {
            let file = File::open(path).map_err(|e| describe(&e))?;
            unpack(Box::new(BufReader::with_capacity(1 << 20, file)))
        }
        Origin::ZipMember(path, index) => {
            let file = File::open(path).map_err(|e| describe(&e))?;
            let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| e.to_string())?;
            let mut member = archive.by_index(*index).map_err(|e| format!("cannot be unpacked: {e}"))?;
            let packed = member.compressed_size();
            let mut bytes = Vec::new();
            let guarded = Guard { inner: &mut member, packed: packed.max(1), out: 0 };
            // A member is held whole: the archive's reader cannot leave this function.
            guarded.take(PACKED_WHOLE_LIMIT * 16).read_to_end(&mut bytes).map_err(|e| describe(&e))?;
            unpack(Box::new(Cursor::new(bytes)))
        }
    }
}

fn unpack(mut raw: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>, String> {
    let mut magic = Vec::with_capacity(4);
    raw.by_ref().take(4).read_to_end(&mut magic).map_err(|e| describe(&e))?;
    let counted = Counted { inner: Cursor::new(magic.clone()).chain(raw), read: std::sync::Arc::default() };
    let read = counted.read.clone();
    match magic.as_slice() {
        [0x1f, 0x8b, ..] => {
            let decoder = flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, counted));
            Ok(Box::new(LiveGuard { inner: decoder, packed: read, out: 0 }))
        }
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let decoder = zstd::stream::read::Decoder::new(counted).map_err(|e| describe(&e))?;
            Ok(Box::new(LiveGuard { inner: decoder, packed: read, out: 0 }))
        }
        [b'P', b'K', 3, 4] => Err(NESTED_ARCHIVE.into()),
        _ => Ok(Box::new(counted)),
    }
}

fn bomb() -> io::Error {
    io::Error::other(format!("it unpacks to more than {BOMB_RATIO} times its size and looks like a decompression bomb"))
}

struct Guard<R> {
    inner: R,
    packed: u64,
    out: u64,
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.out += n as u64;
        if self.out > BOMB_FLOOR && self.out / self.packed > BOMB_RATIO { Err(bomb()) } else { Ok(n) }
    }
}

struct Counted<R> {
    inner: R,
    read: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.read.fetch_add(n as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(n)
    }
}

struct LiveGuard<R> {
    inner: R,
    packed: std::sync::Arc<std::sync::atomic::AtomicU64>,
    out: u64,
}

impl<R: Read> Read for LiveGuard<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.out += n as u64;
        let packed = self.packed.load(std::sync::atomic::Ordering::Relaxed).max(1);
        if self.out > BOMB_FLOOR && self.out / packed > BOMB_RATIO { Err(bomb()) } else { Ok(n) }
    }
}
