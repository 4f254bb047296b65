//! The words of the mapping language, for the lint and the JSON Schema: told by the types that the loader reads them into.

use super::mapping::expr::Convert;
use super::mapping::spec::{ActivityEntry, ActivitySpec, CaseSpec, ClassSpec, DetectSpec, Document, FullSpec, FullTime, ZonedTimes};
use super::names::LogSourceSpec;
use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

/// Words that mean something at one place.
pub type Words = &'static [&'static str];

/// Keys of a mapping file.
pub fn top_level() -> Words {
    words::<Document>()
}

/// Keys of an alternative of `detect`.
pub fn detect() -> Words {
    words::<DetectSpec>()
}

/// Keys of an entry of `logsource`.
pub fn logsource() -> Words {
    words::<LogSourceSpec>()
}

/// Keys of an expression: [`BASES`] and steps.
pub fn expression() -> Words {
    words::<FullSpec>()
}

/// Keys of an expression that give a value; an expression has one of them.
pub const BASES: Words = &["path", "first", "const", "json", "template", "cases", "column"];

/// Keys of an expression that do something to the value, in the order in which they are applied.
pub fn steps() -> impl Iterator<Item = &'static str> {
    expression().iter().copied().filter(|k| !BASES.contains(k))
}

/// Keys of a case.
pub fn case() -> Words {
    words::<CaseSpec>()
}

/// Keys of an entry of `time`.
pub fn time() -> Words {
    words::<FullTime>()
}

/// Keys of `time` where it is no list.
pub fn zoned_times() -> Words {
    words::<ZonedTimes>()
}

/// Keys of `activity`.
pub fn activity() -> Words {
    words::<ActivitySpec>()
}

/// Keys of an entry of the activity map.
pub fn entry() -> Words {
    words::<ActivityEntry>()
}

/// Keys of an entry of `classes`.
pub fn class() -> Words {
    words::<ClassSpec>()
}

/// Keys of an entry of `tests`.
pub const TEST: Words = &["name", "event", "expect", "events", "source"];

/// Conversions of `as`.
pub fn conversions() -> Words {
    words::<Convert>()
}

/// Named formats of `time`.
pub const EPOCHS: Words = &["text", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"];

/// The fields of a struct, or the variants of an enum, by the names that serde reads.
fn words<'de, T: Deserialize<'de>>() -> Words {
    let mut found: Words = &[];
    // The names are told when reading begins; there is nothing to read.
    let _ = T::deserialize(Asked(&mut found));
    found
}

/// Takes the names that a type asks for, and gives it nothing.
struct Asked<'w>(&'w mut Words);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: Words, _: V) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("nothing to read"))
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, variants: Words, _: V) -> Result<V::Value, Error> {
        *self.0 = variants;
        Err(Error::custom("nothing to read"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("nothing to read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

/// The texts that a column with a closed list may have.
pub fn closed_values(column: &str) -> Option<&'static [&'static str]> {
    match column {
        "status" => Some(&["success", "failed"]),
        "actor_type" => Some(&["human", "service", "role", "system", "root"]),
        "mfa" => Some(&["true", "false"]),
        _ => None,
    }
}

/// What is wrong with a path where brackets mean nothing, if anything is.
pub fn plain_path_fault(path: &str) -> Option<&'static str> {
    if path.contains('[') { Some("brackets are not read here") } else { path_fault(path) }
}

/// What is wrong with a path of a record, if anything is.
pub fn path_fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    let mut rest = path;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        if end == 0 {
            return Some(if rest.starts_with('.') || rest.is_empty() { "a part between dots is empty" } else { "a bracket stands without a name before it" });
        }
        rest = &rest[end..];
        while let Some(inside) = rest.strip_prefix('[') {
            let Some(close) = inside.find(']') else { return Some("a bracket is not closed") };
            let choice = &inside[..close];
            let number = !choice.is_empty() && choice.bytes().all(|b| b.is_ascii_digit());
            let pair = choice.split_once('=').is_some_and(|(k, _)| !k.is_empty());
            if !number && !pair {
                return Some("a bracket holds neither a number nor key=value");
            }
            rest = &inside[close + 1..];
        }
        if rest.is_empty() {
            return None;
        }
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None => return Some("text follows a bracket without a dot"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_loader() {
        assert_eq!(detect(), ["has", "without", "where"]);
        assert_eq!(time(), ["path", "capture", "format", "zone"]);
        assert!(conversions().contains(&"last_segment") && top_level().contains(&"tests"));
        assert!(BASES.iter().all(|b| expression().contains(b)));
        assert_eq!(steps().collect::<Vec<_>>(), ["skip", "null_if", "capture", "as", "map", "default"]);
    }

    #[test]
    fn paths() {
        for good in ["a", "a.b.c", "target[0].id", "details[key=User-Agent].value", "events[0].parameters[name=A.B].value", "Event ID", "ünï", "a[0][1]", "a]"]
        {
            assert_eq!(path_fault(good), None, "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "[0]", "a[0]b", "a[0].", "a[=x]"] {
            assert!(path_fault(bad).is_some(), "{bad}");
        }
    }
}
