//! The words of the mapping language, for the lint and the JSON Schema.

/// Keys of a mapping file.
pub const TOP_LEVEL: &[&str] = &[
    "id",
    "title",
    "logsource",
    "aliases",
    "detect",
    "containers",
    "time",
    "each",
    "json_text",
    "columns",
    "activity",
    "retention",
    "delivery_lag",
    "export_limits",
    "classes",
    "tests",
];
/// Keys of an alternative of `detect`.
pub const DETECT: &[&str] = &["has", "where", "without"];
/// Keys of an entry of `logsource`.
pub const LOGSOURCE: &[&str] = &["product", "service", "category"];
/// Keys of an expression that give a value; an expression has one of them.
pub const BASES: &[&str] = &["path", "first", "const", "json", "template", "cases", "column"];
/// Keys of an expression that do something to the value, in the order in which they are applied.
pub const STEPS: &[&str] = &["skip", "null_if", "capture", "as", "map", "default"];
/// Keys of an entry of `time`.
pub const TIME: &[&str] = &["path", "format", "zone", "first"];
/// Keys of `activity`.
pub const ACTIVITY: &[&str] = &["key", "map", "patterns", "default_category"];
/// Keys of an entry of the activity map.
pub const ENTRY: &[&str] = &["when", "activity", "category"];
/// Keys of an entry of `classes`.
pub const CLASS: &[&str] = &["id", "title", "when", "activities", "actions"];
/// Keys of an entry of `tests`.
pub const TEST: &[&str] = &["name", "event", "expect", "events", "source"];
/// Conversions of `as`.
pub const CONVERSIONS: &[&str] = &["ip", "lower", "trim", "trim_brackets", "bool", "last_segment", "first_item"];
/// Named formats of `time`.
pub const EPOCHS: &[&str] = &["text", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"];

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
