//! Where the parts of a JSON text end, told strictly by RFC 8259: what is passed over here is valid. `None` says that the text is
//! not, or that it is out of the ordinary (a lone surrogate, nesting without end) and another reader should tell.
//!
//! Positions are in bytes. The text is valid UTF-8: its readers hold it as `str`.

use std::borrow::Cow;

/// Deepest nesting of objects and arrays that is read: as deep as serde_json goes.
pub const MAX_DEPTH: u8 = 127;

/// The first position from `at` on that holds no white space.
#[inline]
pub fn after_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The closing quote of a string whose first character stands at `at`, and whether an escape stands before it.
#[inline]
pub fn string_end(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        at = special(bytes, at)?;
        match bytes[at] {
            b'"' => return Some((at, escaped)),
            b'\\' => {
                escaped = true;
                at = escape_end(bytes, at)?;
            }
            _ => return None,
        }
    }
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// The first position from `at` on that holds a quote, a backslash or a control character.
#[inline]
fn special(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        // The lowest bit that is set is exact: a borrow only reaches the bytes above one that is meant.
        let zero = |x: u64| x.wrapping_sub(ONES) & !x;
        let found = (zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64)) | (word.wrapping_sub(ONES * 0x20) & !word)) & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).map(|i| at + i)
}

/// The position after the escape that begins at `at`; a surrogate and its other half are one.
fn escape_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => match hex4(bytes, at + 2)? {
            0xd800..0xdc00 if bytes.get(at + 6..at + 8) == Some(b"\\u") => matches!(hex4(bytes, at + 8)?, 0xdc00..0xe000).then_some(at + 12),
            0xd800..0xe000 => None,
            _ => Some(at + 6),
        },
        _ => None,
    }
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |n, b| Some(n << 4 | (*b as char).to_digit(16)?))
}

/// Appends what a string stands for, given what [`string_end`] found between its quotes.
pub fn unescape(raw: &str, out: &mut String) -> Option<()> {
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let bytes = rest.as_bytes();
        let end = escape_end(bytes, at)?;
        out.push(match bytes[at + 1] {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' if end == at + 12 => char::from_u32(0x10000 + ((hex4(bytes, at + 2)? - 0xd800) << 10 | (hex4(bytes, at + 8)? - 0xdc00)))?,
            b'u' => char::from_u32(hex4(bytes, at + 2)?)?,
            plain => plain as char,
        });
        rest = &rest[end..];
    }
    out.push_str(rest);
    Some(())
}

/// The position after a number that begins at `at`, and whether it is an integer.
pub fn number_end(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let first = at + usize::from(bytes.get(at) == Some(&b'-'));
    let n = digits(first.min(bytes.len()));
    if n == 0 || (n > 1 && bytes[first] == b'0') {
        return None;
    }
    let mut end = first + n;
    let mut is_integer = true;
    if bytes.get(end) == Some(&b'.') {
        let n = digits(end + 1);
        if n == 0 {
            return None;
        }
        (end, is_integer) = (end + 1 + n, false);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let from = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let n = digits(from.min(bytes.len()));
        if n == 0 {
            return None;
        }
        (end, is_integer) = (from + n, false);
    }
    Some((end, is_integer))
}

/// The position after `true`, `false` or `null` at `at`.
#[inline]
pub fn word_end(bytes: &[u8], at: usize, word: &str) -> Option<usize> {
    let end = at + word.len();
    (bytes.get(at..end)? == word.as_bytes()).then_some(end)
}

/// The position after the value that begins at `at`, in as many objects and arrays as `depth` says.
pub fn value_end(bytes: &[u8], at: usize, depth: u8) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at + 1).map(|(quote, _)| quote + 1),
        b'{' | b'[' if depth == MAX_DEPTH => None,
        b'{' => keyed(bytes, at, &mut |_, value| value_end(bytes, value, depth + 1)),
        b'[' => elements(bytes, at, &mut |value| value_end(bytes, value, depth + 1)),
        b't' => word_end(bytes, at, "true"),
        b'f' => word_end(bytes, at, "false"),
        b'n' => word_end(bytes, at, "null"),
        _ => number_end(bytes, at).map(|(end, _)| end),
    }
}

/// The position of the first part of the object or array that begins at `at`, or the one after its end where it has none.
#[inline]
fn first_part(bytes: &[u8], at: usize, close: u8) -> Result<usize, usize> {
    let at = after_space(bytes, at + 1);
    if bytes.get(at) == Some(&close) { Err(at + 1) } else { Ok(at) }
}

/// After a part of an object or array: the position of the next part, or the one after its end where there is none.
#[inline]
pub fn next_part(bytes: &[u8], at: usize, close: u8) -> Option<Result<usize, usize>> {
    let at = after_space(bytes, at);
    match bytes.get(at)? {
        b',' => Some(Ok(after_space(bytes, at + 1))),
        b if *b == close => Some(Err(at + 1)),
        _ => None,
    }
}

/// Calls `each` with every key of the object that begins at `at` (where its first character and its closing quote stand, and
/// whether an escape stands between), and the position of its value; `each` gives the position after the value. Gives the position
/// after the object.
#[inline]
fn keyed(bytes: &[u8], at: usize, each: &mut dyn FnMut((usize, usize, bool), usize) -> Option<usize>) -> Option<usize> {
    let mut part = first_part(bytes, at, b'}');
    while let Ok(at) = part {
        let (quote, escaped) = (bytes.get(at) == Some(&b'"')).then(|| string_end(bytes, at + 1)).flatten()?;
        let colon = after_space(bytes, quote + 1);
        let value = (bytes.get(colon) == Some(&b':')).then(|| after_space(bytes, colon + 1))?;
        part = next_part(bytes, each((at + 1, quote, escaped), value)?, b'}')?;
    }
    part.err()
}

/// Calls `each` with the position of every element of the array that begins at `at`; `each` gives the position after the element.
/// Gives the position after the array.
#[inline]
fn elements(bytes: &[u8], at: usize, each: &mut dyn FnMut(usize) -> Option<usize>) -> Option<usize> {
    let mut part = first_part(bytes, at, b']');
    while let Ok(at) = part {
        part = next_part(bytes, each(at)?, b']')?;
    }
    part.err()
}

/// What is wrong where [`is_too_deep`] holds.
pub fn too_deep() -> String {
    format!("nested too deeply: objects and arrays in more than {MAX_DEPTH} levels")
}

/// Whether objects and arrays are nested deeper than [`MAX_DEPTH`], whatever else is wrong with the text.
pub fn is_too_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0u32, false, false);
    bytes.iter().any(|b| {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > u32::from(MAX_DEPTH)
    })
}

/// Calls `each` with the position of every element of a document, an array or the arrays under these keys of an object, until the
/// end of its text; `each` gives the position after the element. `None` where the document is not so, or `each` gives it.
pub fn each_element(text: &str, keys: &[String], each: &mut dyn FnMut(usize) -> Option<usize>) -> Option<()> {
    let bytes = text.as_bytes();
    let at = after_space(bytes, 0);
    let end = match bytes.get(at)? {
        b'[' => elements(bytes, at, each)?,
        b'{' => members(text, at, &mut |key, value| match keys.iter().any(|k| **k == *key) {
            true if bytes.get(value) == Some(&b'[') => elements(bytes, value, each),
            true => None,
            false => value_end(bytes, value, 1),
        })?,
        _ => return None,
    };
    (after_space(bytes, end) == bytes.len()).then_some(())
}

/// Keys and values of an object, as slices of its text; none of what follows something out of the ordinary, or where it is none.
pub fn entries(object: &str) -> Vec<(Cow<'_, str>, &str)> {
    let bytes = object.as_bytes();
    let at = after_space(bytes, 0);
    let mut found = Vec::new();
    if bytes.get(at) == Some(&b'{') {
        members(object, at, &mut |key, value| {
            let end = value_end(bytes, value, 1)?;
            found.push((key, object.get(value..end)?));
            Some(end)
        });
    }
    found
}

/// Elements of an array, as [`entries`].
pub fn items(array: &str) -> Vec<&str> {
    let bytes = array.as_bytes();
    let at = after_space(bytes, 0);
    let mut found = Vec::new();
    if bytes.get(at) == Some(&b'[') {
        elements(bytes, at, &mut |value| {
            let end = value_end(bytes, value, 1)?;
            found.push(array.get(value..end)?);
            Some(end)
        });
    }
    found
}

/// Calls `each` with the key and the position of the value of every member of the object that begins at `at`; `each` gives the
/// position after the value. Gives the position after the object.
fn members<'t>(text: &'t str, at: usize, each: &mut dyn FnMut(Cow<'t, str>, usize) -> Option<usize>) -> Option<usize> {
    keyed(text.as_bytes(), at, &mut |(start, quote, escaped), value| {
        let raw = text.get(start..quote)?;
        let mut key = Cow::Borrowed(raw);
        if escaped {
            let mut plain = String::new();
            unescape(raw, &mut plain)?;
            key = Cow::Owned(plain);
        }
        each(key, value)
    })
}
