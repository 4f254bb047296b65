//! As much of Thrift's compact protocol as it takes to look at a Parquet footer and at page headers before anything trusts them.
//!
//! The library allocates what a footer or a page header says, however large; a file that lies would end the whole run.

/// Most schema elements, groups included.
const MAX_ELEMENTS: usize = 20_000;
/// Deepest nesting of a schema.
const MAX_DEPTH: usize = 48;
/// Longest value of a column of fixed length, in bytes.
const MAX_FIXED: i64 = 1 << 14;
/// Deepest nesting of structs that are skipped.
const MAX_SKIP: u8 = 16;

/// Types of the compact protocol that are looked at.
mod kind {
    pub const STOP: u8 = 0;
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const BYTE: u8 = 3;
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const SET: u8 = 10;
    pub const MAP: u8 = 11;
    pub const STRUCT: u8 = 12;
    pub const UUID: u8 = 13;
}

/// A place in Thrift bytes. `None` from any of its functions: the bytes end there, or are not Thrift.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let (value, at) = varint(self.bytes, self.at)?;
        self.at = at;
        Some(value)
    }

    fn integer(&mut self) -> Option<i64> {
        self.varint().map(zigzag)
    }

    /// The next field of a struct: its number and type; the type is [`kind::STOP`] at the end.
    fn field(&mut self, last: &mut i64) -> Option<u8> {
        let head = self.byte()?;
        let kind = head & 0x0f;
        if kind != kind::STOP {
            *last = if head >> 4 == 0 { self.integer()? } else { last.checked_add(i64::from(head >> 4))? };
        }
        Some(kind)
    }

    fn list(&mut self) -> Option<(u8, u64)> {
        let head = self.byte()?;
        let size = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Some((head & 0x0f, size))
    }

    fn pass(&mut self, bytes: u64) -> Option<()> {
        let at = self.at.checked_add(usize::try_from(bytes).ok()?)?;
        self.at = at;
        (at <= self.bytes.len()).then_some(())
    }

    fn skip(&mut self, kind: u8, in_list: bool, depth: u8) -> Option<()> {
        if depth > MAX_SKIP {
            return None;
        }
        match kind {
            kind::TRUE | kind::FALSE => self.pass(u64::from(in_list)),
            kind::BYTE => self.pass(1),
            4..=6 => self.varint().map(|_| ()),
            kind::DOUBLE => self.pass(8),
            kind::UUID => self.pass(16),
            kind::BINARY => {
                let size = self.varint()?;
                self.pass(size)
            }
            kind::LIST | kind::SET => {
                let (kind, size) = self.list()?;
                for _ in 0..size {
                    self.skip(kind, true, depth + 1)?;
                }
                Some(())
            }
            kind::MAP => {
                let size = self.varint()?;
                let kinds = if size == 0 { 0 } else { self.byte()? };
                for _ in 0..size {
                    self.skip(kinds >> 4, true, depth + 1)?;
                    self.skip(kinds & 0x0f, true, depth + 1)?;
                }
                Some(())
            }
            kind::STRUCT => self.fields(depth + 1, &mut |_, _, _| Some(false)),
            _ => None,
        }
    }

    /// Calls `each` with every field of a struct; those that it does not read (false) are skipped.
    fn fields(&mut self, depth: u8, each: &mut dyn FnMut(&mut Self, i64, u8) -> Option<bool>) -> Option<()> {
        let mut number = 0;
        loop {
            let kind = self.field(&mut number)?;
            if kind == kind::STOP {
                return Some(());
            }
            if !each(self, number, kind)? {
                self.skip(kind, false, depth)?;
            }
        }
    }
}

/// A number of seven bits a byte and the place after it.
pub fn varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
    }
    None
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Checks a footer's schema; gives whether the file is encrypted.
pub fn check_footer(footer: &[u8]) -> Result<bool, String> {
    let mut cursor = Cursor { bytes: footer, at: 0 };
    let mut fault = None;
    let (mut encrypted, mut schema) = (false, false);
    let read = cursor.fields(0, &mut |cursor, number, kind| {
        encrypted |= number == 8;
        if number != 2 || kind != kind::LIST {
            return Some(false);
        }
        schema = true;
        fault = check_schema(cursor)?;
        Some(true)
    });
    match (fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Some(())) if schema => Ok(encrypted),
        _ => Err("its footer is damaged".into()),
    }
}

/// What is wrong with a schema, if anything is.
fn check_schema(cursor: &mut Cursor<'_>) -> Option<Option<String>> {
    let (_, count) = cursor.list()?;
    if count > MAX_ELEMENTS as u64 {
        return Some(Some(format!("it has {count} columns; {MAX_ELEMENTS} are read at most")));
    }
    // Children still to come, of each group that is open.
    let mut open: Vec<u64> = Vec::new();
    for i in 0..count {
        let (mut physical, mut length, mut children) = (0, 0, 0);
        cursor.fields(0, &mut |cursor, number, _| {
            let slot = match number {
                1 => &mut physical,
                2 => &mut length,
                5 => &mut children,
                _ => return Some(false),
            };
            *slot = cursor.integer()?;
            Some(true)
        })?;
        const FIXED: i64 = 7;
        if physical == FIXED && children == 0 && !(1..=MAX_FIXED).contains(&length) {
            return Some(Some(format!("a column's values are {length} bytes long; {MAX_FIXED} are read at most")));
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        match open.last_mut() {
            Some(left) => *left -= 1,
            None if i > 0 => return Some(Some("its schema is damaged".into())),
            None => {}
        }
        let children = u64::try_from(children).unwrap_or(u64::MAX);
        if children > count - i - 1 {
            return Some(Some("its schema is damaged".into()));
        }
        if children > 0 {
            open.push(children);
        }
        if open.len() > MAX_DEPTH {
            return Some(Some(format!("its columns are nested more than {MAX_DEPTH} deep")));
        }
    }
    Some(open.iter().any(|left| *left > 0).then(|| "its schema is damaged".into()))
}

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// Data, first version.
    Data,
    /// Distinct values.
    Dictionary,
    /// Data, second version.
    Data2,
    /// Something that is passed over.
    Other,
}

/// A page's header.
#[derive(Debug, Clone, Copy)]
pub struct PageHeader {
    /// What the page is.
    pub kind: PageKind,
    /// Size unpacked.
    pub size: usize,
    /// Size as it stands in the file.
    pub packed: usize,
    /// CRC-32 of the bytes in the file.
    pub crc: Option<u32>,
    /// Values, nulls included.
    pub values: u32,
    /// Number of the encoding.
    pub encoding: i64,
    /// Numbers of the encodings of levels, first version.
    pub levels: (i64, i64),
    /// Rows and nulls, second version.
    pub rows: u32,
    /// Nulls, second version.
    pub nulls: u32,
    /// Bytes of the definition and repetition levels, second version.
    pub level_bytes: (u32, u32),
    /// The values are packed, second version.
    pub is_packed: bool,
}

/// Reads a page header and gives its length; `None` when the bytes end in it or are none.
pub fn page_header(bytes: &[u8]) -> Option<(PageHeader, usize)> {
    let mut header = PageHeader {
        kind: PageKind::Other,
        size: 0,
        packed: 0,
        crc: None,
        values: 0,
        encoding: -1,
        levels: (3, 3),
        rows: 0,
        nulls: 0,
        level_bytes: (0, 0),
        is_packed: true,
    };
    let (mut kind, mut size, mut packed) = (-1, -1, -1);
    let mut inner = false;
    let mut cursor = Cursor { bytes, at: 0 };
    cursor.fields(0, &mut |cursor, number, field_kind| {
        match (number, field_kind) {
            (1, _) => kind = cursor.integer()?,
            (2, _) => size = cursor.integer()?,
            (3, _) => packed = cursor.integer()?,
            (4, _) => header.crc = Some(cursor.integer()? as u32),
            (5 | 7 | 8, kind::STRUCT) => {
                inner = true;
                page_fields(cursor, number, &mut header)?;
            }
            _ => return Some(false),
        }
        Some(true)
    })?;
    header.kind = match kind {
        0 => PageKind::Data,
        2 => PageKind::Dictionary,
        3 => PageKind::Data2,
        _ => PageKind::Other,
    };
    header.size = usize::try_from(size).ok()?;
    header.packed = usize::try_from(packed).ok()?;
    (inner || header.kind == PageKind::Other).then_some((header, cursor.at))
}

fn page_fields(cursor: &mut Cursor<'_>, page: i64, header: &mut PageHeader) -> Option<()> {
    let small = |n: i64| u32::try_from(n).ok();
    cursor.fields(1, &mut |cursor, number, kind| {
        match (page, number, kind) {
            (8, 7, kind::TRUE | kind::FALSE) => header.is_packed = kind == kind::TRUE,
            (_, 1, _) => header.values = small(cursor.integer()?)?,
            (5 | 7, 2, _) | (8, 4, _) => header.encoding = cursor.integer()?,
            (5, 3, _) => header.levels.0 = cursor.integer()?,
            (5, 4, _) => header.levels.1 = cursor.integer()?,
            (8, 2, _) => header.nulls = small(cursor.integer()?)?,
            (8, 3, _) => header.rows = small(cursor.integer()?)?,
            (8, 5, _) => header.level_bytes.0 = small(cursor.integer()?)?,
            (8, 6, _) => header.level_bytes.1 = small(cursor.integer()?)?,
            _ => return Some(false),
        }
        Some(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_schema_that_lies_is_refused() {
        // FileMetaData { version: 1, schema: [root with `children`] }
        let footer = |children: &[u8]| [&[0x15, 2, 0x19, 0x1c, 0x48, 1, b'r', 0x15][..], children, &[0, 0]].concat();
        assert_eq!(check_footer(&footer(&[0])), Ok(false));
        assert!(check_footer(&footer(&[0xfe, 0xff, 0xff, 0xff, 0x0f])).is_err(), "two billion children of one element");
        assert!(check_footer(&[]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = check_footer(&bytes);
            if let Some((_, len)) = page_header(&bytes) {
                prop_assert!(len <= bytes.len());
            }
        }
    }
}
