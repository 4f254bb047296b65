//! Values as a log spells them, small enough to be kept once per distinct value.

/// What kind of JSON value a text was. Together with the text it identifies a distinct value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A string.
    Str,
    /// An integer; the text is its decimal form.
    Int,
    /// A number with a fraction or exponent; the text is Rust's shortest form.
    Float,
    /// `true` or `false`.
    Bool,
    /// JSON null as the value of a field.
    Null,
    /// JSON null as an element of an array: it is not the same as the field being null.
    NullElement,
    /// An array without elements.
    EmptyArray,
    /// An object; the text is empty.
    Object,
    /// An object or array whose JSON text is kept.
    Json,
}

impl Kind {
    /// Whether string matchers see a text in this value.
    pub fn is_text(self) -> bool {
        matches!(self, Kind::Str | Kind::Int | Kind::Float | Kind::Bool)
    }
}

/// A borrowed value: kind and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// Kind of value.
    pub kind: Kind,
    /// Its text (see [`Kind`]).
    pub text: &'a str,
}

impl<'a> Value<'a> {
    /// A string value.
    pub fn str(text: &'a str) -> Value<'a> {
        Value { kind: Kind::Str, text }
    }

    /// The text where the value is a scalar other than null.
    pub fn scalar(self) -> Option<&'a str> {
        self.kind.is_text().then_some(self.text)
    }
}

/// Whether two texts are equal; short ones, which keys and most values are, without a call.
#[inline]
pub fn same_text(a: &str, b: &str) -> bool {
    same_bytes(a.as_bytes(), b.as_bytes())
}

/// As [`same_text`].
#[inline]
pub fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    // Two chunks that may overlap cover the text.
    match a.len() {
        n if n != b.len() => false,
        8..16 => a.first_chunk::<8>() == b.first_chunk::<8>() && a.last_chunk::<8>() == b.last_chunk::<8>(),
        16..=32 => a.first_chunk::<16>() == b.first_chunk::<16>() && a.last_chunk::<16>() == b.last_chunk::<16>(),
        4..8 => a.first_chunk::<4>() == b.first_chunk::<4>() && a.last_chunk::<4>() == b.last_chunk::<4>(),
        _ => a == b,
    }
}

/// A number compared exactly: integers as integers, never through a float.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer.
    Int(i128),
    /// A decimal.
    Float(f64),
}

impl Number {
    /// Parses JSON number grammar only: no `Infinity`, no leading `+`, no leading zeros.
    pub fn parse(text: &str) -> Option<Number> {
        let bytes = text.as_bytes();
        let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
        let int_len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        if int_len == 0 || (int_len > 1 && digits[0] == b'0') {
            return None;
        }
        if int_len == digits.len() {
            return match text.parse::<i128>() {
                Ok(n) => Some(Number::Int(n)),
                Err(_) => text.parse().ok().map(Number::Float),
            };
        }
        let mut rest = &digits[int_len..];
        if let Some(after) = rest.strip_prefix(b".") {
            let n = after.iter().take_while(|b| b.is_ascii_digit()).count();
            if n == 0 {
                return None;
            }
            rest = &after[n..];
        }
        if let [b'e' | b'E', after @ ..] = rest {
            let after = after.strip_prefix(b"-").or_else(|| after.strip_prefix(b"+")).unwrap_or(after);
            if after.is_empty() || !after.iter().all(u8::is_ascii_digit) {
                return None;
            }
            rest = &[];
        }
        if !rest.is_empty() {
            return None;
        }
        let f: f64 = text.parse().ok()?;
        f.is_finite().then_some(Number::Float(f))
    }

    /// Total order over finite numbers.
    pub fn compare(self, other: Number) -> std::cmp::Ordering {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(&b),
            (Number::Float(a), Number::Float(b)) => a.total_cmp(&b),
            (Number::Int(a), Number::Float(b)) => compare_int_float(a, b),
            (Number::Float(a), Number::Int(b)) => compare_int_float(b, a).reverse(),
        }
    }
}

fn compare_int_float(a: i128, b: f64) -> std::cmp::Ordering {
    if b >= 1.7e38 {
        return std::cmp::Ordering::Less;
    }
    if b <= -1.7e38 {
        return std::cmp::Ordering::Greater;
    }
    let floor = b.floor();
    a.cmp(&(floor as i128)).then(if b > floor { std::cmp::Ordering::Less } else { std::cmp::Ordering::Equal })
}

/// One simple (character by character) case fold, the same one that `(?i)` uses in regular expressions.
///
/// `ß` does not fold to `ss`; `ſ`, `K` (kelvin) and final sigma fold to `s`, `k` and `σ`'s class.
pub fn fold_case(text: &str) -> std::borrow::Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return std::borrow::Cow::Owned(text.to_ascii_lowercase());
        }
        return std::borrow::Cow::Borrowed(text);
    }
    std::borrow::Cow::Owned(text.chars().map(fold_char).collect())
}

fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    // The class of all characters that (?i) takes as equal; its smallest member stands for all of them.
    let mut class = regex_syntax::hir::ClassUnicode::new([regex_syntax::hir::ClassUnicodeRange::new(c, c)]);
    if class.try_case_fold_simple().is_err() {
        return c;
    }
    let least = class.ranges().first().map_or(c, |r| r.start());
    least.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering;

    #[test]
    fn numbers_take_json_grammar_only() {
        assert_eq!(Number::parse("9007199254740993"), Some(Number::Int(9007199254740993)));
        assert_eq!(Number::parse("1.0"), Some(Number::Float(1.0)));
        for bad in ["Infinity", "NaN", "+1", "012345678901", "", "-", "1.", ".5", "1e", "0x1", " 1"] {
            assert_eq!(Number::parse(bad), None, "{bad}");
        }
        assert_eq!(Number::Int(9007199254740993).compare(Number::Int(9007199254740992)), Ordering::Greater);
        assert_eq!(Number::Int(1).compare(Number::Float(1.0)), Ordering::Equal);
        assert_eq!(Number::Int(9007199254740993).compare(Number::Float(9007199254740992.0)), Ordering::Greater);
        assert_eq!(Number::Float(1.5).compare(Number::Int(1)), Ordering::Greater);
    }

    proptest::proptest! {
        #[test]
        fn short_texts_are_compared_whole(a in "[ab]{0,40}", at in 0usize..40, other in "[ab]{0,40}") {
            let mut changed = a.clone().into_bytes();
            if let Some(b) = changed.get_mut(at) {
                *b = b'c';
            }
            let changed = String::from_utf8(changed).expect("ascii");
            proptest::prop_assert!(same_text(&a, &a.clone()));
            proptest::prop_assert_eq!(same_text(&a, &changed), a == changed);
            proptest::prop_assert_eq!(same_text(&a, &other), a == other);
        }
    }

    #[test]
    fn folding_agrees_with_case_insensitive_regex() {
        for (a, b) in [("ΟΔΟΣ", "οδος"), ("ſ", "S"), ("K", "k"), ("ÀÉ", "àé"), ("Straße", "STRAßE")] {
            assert_eq!(fold_case(a), fold_case(b), "{a} {b}");
            let re = regex::Regex::new(&format!("(?i)^{}$", regex::escape(a))).expect("pattern");
            assert!(re.is_match(b), "{a} {b}");
        }
        assert_ne!(fold_case("ß"), fold_case("ss"));
    }
}
