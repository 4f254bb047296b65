//! Opens an input and unpacks it by its content, never by its name; every size is bounded.

use super::discover::{Input, Origin};
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

/// An opened input.
pub enum Opened {
    /// All of it, and what went wrong at its end.
    Whole(Vec<u8>, Option<String>),
    /// Its beginning and the rest to be read.
    Stream(Vec<u8>, Box<dyn Read + Send>),
}

/// Opens and begins to unpack an input. `buffer` is reused for the bytes.
pub fn open(input: &Input, mut buffer: Vec<u8>) -> Result<Opened, String> {
    buffer.clear();
    let (mut reader, hint) = reader(input)?;
    buffer.reserve(hint.min(WHOLE_LIMIT) + 64);
    match reader.by_ref().take(WHOLE_LIMIT as u64 + 1).read_to_end(&mut buffer) {
        Err(e) => Ok(Opened::Whole(buffer, Some(describe(&e)))),
        Ok(_) if buffer.len() > WHOLE_LIMIT => Ok(Opened::Stream(buffer, reader)),
        Ok(_) => Ok(Opened::Whole(buffer, None)),
    }
}

/// An I/O or unpacking error in words.
pub fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the packed data ends early: the file was cut off".into(),
        io::ErrorKind::PermissionDenied => "cannot be read: permission denied".into(),
        _ => format!("cannot be read further: {error}"),
    }
}

fn reader(input: &Input) -> Result<(Box<dyn Read + Send>, usize), String> {
    match &input.origin {
        Origin::Stdin => unpack(Box::new(io::stdin()), 0),
        Origin::Bytes(bytes) => unpack(Box::new(Cursor::new(bytes.to_vec())), bytes.len() as u64),
        Origin::File(path) => {
            let mut file = File::open(path).map_err(|e| describe(&e))?;
            let size = file.metadata().map(|m| m.len()).unwrap_or(0);
            if size <= PACKED_WHOLE_LIMIT {
                let mut bytes = Vec::with_capacity(size as usize + 1);
                file.read_to_end(&mut bytes).map_err(|e| describe(&e))?;
                unpack(Box::new(Cursor::new(bytes)), size)
            } else {
                unpack(Box::new(BufReader::with_capacity(1 << 20, file)), size)
            }
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
            unpack(Box::new(Cursor::new(bytes)), packed)
        }
    }
}

fn unpack(mut raw: Box<dyn Read + Send>, packed: u64) -> Result<(Box<dyn Read + Send>, usize), String> {
    let mut magic = Vec::with_capacity(4);
    raw.by_ref().take(4).read_to_end(&mut magic).map_err(|e| describe(&e))?;
    let counted = Counted { inner: Cursor::new(magic.clone()).chain(raw), read: std::sync::Arc::default() };
    let read = counted.read.clone();
    match magic.as_slice() {
        [0x1f, 0x8b, ..] => {
            let decoder = flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, counted));
            Ok((Box::new(LiveGuard { inner: decoder, packed: read, out: 0 }), (packed as usize).saturating_mul(12)))
        }
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let decoder = zstd::stream::read::Decoder::new(counted).map_err(|e| describe(&e))?;
            Ok((Box::new(LiveGuard { inner: decoder, packed: read, out: 0 }), (packed as usize).saturating_mul(12)))
        }
        [b'P', b'K', 3, 4] => Err("a zip archive inside an archive or a stream is not opened: unpack it first".into()),
        _ => Ok((Box::new(counted), packed as usize)),
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
