//! What the rows of a batch were read from.

/// The bytes that the records of a batch are spans of.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'c> {
    /// All of them.
    pub bytes: &'c [u8],
    /// The same where all of it is valid UTF-8: then no part is looked at again for that.
    text: Option<&'c str>,
}

impl<'c> Chunk<'c> {
    /// Looks at all bytes once.
    pub fn new(bytes: &'c [u8]) -> Chunk<'c> {
        Chunk { bytes, text: simdutf8::basic::from_utf8(bytes).ok() }
    }

    /// Text it is.
    pub fn of(text: &'c str) -> Chunk<'c> {
        Chunk { bytes: text.as_bytes(), text: Some(text) }
    }

    /// The text between two positions; `None` where it is no valid UTF-8.
    #[inline]
    pub fn text(&self, start: usize, end: usize) -> Option<&'c str> {
        match self.text {
            Some(text) => text.get(start..end),
            None => self.bytes.get(start..end).and_then(|b| simdutf8::basic::from_utf8(b).ok()),
        }
    }
}
