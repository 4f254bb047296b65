//! ArcSight Common Event Format: one line as a JSON object.
//!
//! The header is `CEF:version|vendor|product|version|class id|name|severity|`, then an extension of `key=value` pairs whose values
//! may hold blanks; `\|`, `\=`, `\\`, `\n` and `\r` are escapes ("Implementing ArcSight Common Event Format", 2.1 and 2.2).

use serde_json::{Map, Value as Json};

/// Names of the header fields after the version.
const HEADER: [&str; 6] = ["deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId", "name", "severity"];
/// Most pairs of an extension.
const MAX_PAIRS: usize = 4096;

/// The object of a line that begins with `CEF:`; an error says what is missing. `before` is what stood in front of it.
pub fn parse(line: &str, before: &str) -> Result<Json, String> {
    let mut rest = line.strip_prefix("CEF:").ok_or("the line does not begin with CEF:")?;
    let mut out = Map::new();
    let mut parts: Vec<String> = Vec::with_capacity(7);
    while parts.len() < 7 {
        let Some((part, after)) = header_part(rest) else {
            // Without an extension the last bar may be left out.
            if parts.len() == 6 {
                parts.push(unescape(rest.trim_end()));
                rest = "";
                break;
            }
            return Err(format!("a CEF header has 7 parts between bars, this one has {}", parts.len()));
        };
        parts.push(part);
        rest = after;
    }
    let mut parts = parts.into_iter();
    out.insert("cefVersion".into(), Json::String(parts.next().unwrap_or_default().trim().to_owned()));
    for (name, part) in HEADER.iter().zip(parts) {
        out.insert((*name).to_owned(), Json::String(part));
    }
    let before = before.trim();
    if !before.is_empty() {
        out.insert("syslogHeader".into(), Json::String(before.to_owned()));
    }
    for (key, value) in pairs(rest) {
        if !value.is_empty() {
            out.entry(key.to_owned()).or_insert(Json::String(unescape(value)));
        }
    }
    Ok(Json::Object(out))
}

/// The text up to the next bar that is not escaped, and what follows.
fn header_part(text: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '|' => return Some((unescape(&text[..at]), &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// Key and value of each pair: a value ends before the last word in front of the next unescaped `=`.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    let mut equals = Vec::new();
    let mut escaped = false;
    for (at, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            // `a==b` and a value such as `x=1&y=2` go on: a key is a word that stands after a blank.
            b'=' => {
                let start = text[..at].rfind([' ', '\t']).map_or(0, |p| p + 1);
                let is_key = start < at && text[start..at].bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-[]".contains(&b));
                if is_key && equals.last().is_none_or(|&(_, last)| start > last) && equals.len() < MAX_PAIRS {
                    equals.push((start, at));
                }
            }
            _ => {}
        }
    }
    let ends = equals.iter().skip(1).map(|e| e.0).chain([text.len()]);
    equals.iter().zip(ends).map(|(&(start, at), end)| (&text[start..at], text[at + 1..end].trim_matches([' ', '\t', '\r', '\n']))).collect()
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some(e @ ('|' | '=' | '\\')) => out.push(e),
            // Writers that do not escape, such as Windows paths.
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn header_and_extension() {
        let line = r"CEF:0|Acme \| Co|Wall\\Gate|1.0|100|login failed|5|src=203.0.113.7 suser=ana b msg=two words a\=b cs1Label=x y cs1=  z act=";
        let event = parse(line, "<13>Jan 15 host ").expect("CEF");
        let get = |key: &str| event.get(key).and_then(Json::as_str);
        assert_eq!((get("deviceVendor"), get("deviceProduct"), get("severity")), (Some("Acme | Co"), Some(r"Wall\Gate"), Some("5")));
        assert_eq!((get("suser"), get("msg"), get("cs1Label"), get("cs1"), get("act")), (Some("ana b"), Some("two words a=b"), Some("x y"), Some("z"), None));
        assert_eq!(get("syslogHeader"), Some("<13>Jan 15 host"));
        assert_eq!(parse(r"CEF:0|a|b|c|d|e|9", "").expect("CEF").get("severity"), Some(&Json::from("9")));
        assert!(parse("CEF:0|a|b", "").is_err() && parse("LEEF:1", "").is_err());
        let url = parse("CEF:0|a|b|c|d|e|9|request=https://x/?a=1&b=2 outcome=ok", "").expect("CEF");
        assert_eq!((url.get("request"), url.get("outcome")), (Some(&Json::from("https://x/?a=1&b=2")), Some(&Json::from("ok"))));
    }

    fn escape(text: &str, also: char) -> String {
        text.replace('\\', "\\\\").replace(also, &format!("\\{also}")).replace('\n', "\\n")
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(vendor in "[ -~]{0,12}", value in "[ -~é\n]{0,20}", other in "[ -~]{0,12}") {
            let line = format!("CEF:0|{}|p|1|2|n|3|suser={} fname={}", escape(&vendor, '|'), escape(&value, '='), escape(&other, '='));
            let event = parse(&line, "").expect("CEF");
            prop_assert_eq!(event.get("deviceVendor").and_then(Json::as_str), Some(vendor.as_str()));
            // Blanks at the ends of a value belong to the separator.
            let trimmed = |t: &str| Some(t.trim_matches([' ', '\t', '\r']).to_owned()).filter(|t| !t.is_empty());
            prop_assert_eq!(event.get("suser").and_then(Json::as_str).map(str::to_owned), trimmed(&value));
            prop_assert_eq!(event.get("fname").and_then(Json::as_str).map(str::to_owned), trimmed(&other));
        }

        #[test]
        fn any_line_is_parsed_or_refused(line in "\\PC{0,80}") {
            let _ = parse(&format!("CEF:{line}"), &line);
        }
    }
}
