//! A proposal as a mapping file.

use super::{Guess, Proposal};
use std::fmt::Write as _;

/// Action names that are listed.
const MAX_ACTIONS: usize = 40;
/// Longest line of text that is taken from names and values, in characters.
const MAX_SHOWN: usize = 120;

/// Words that YAML of some version reads as something else than text.
const RESERVED: &[&str] = &["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"];

/// A text as a scalar of YAML, in quotes where it needs them.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { in_quotes(text) }
}

/// A text in quotes: single ones, and double ones with escapes for what cannot be seen.
pub(super) fn in_quotes(text: &str) -> String {
    let is_seen = |c: char| !c.is_control() && !is_hidden(c);
    if text.chars().all(is_seen) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if is_seen(c) => out.push(c),
            c if (c as u32) <= 0xffff => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push('"');
    out
}

/// Characters that are not seen, or turn the text around them, or are none of YAML's.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text for a comment: one line of what can be seen.
fn comment(text: &str) -> String {
    text.chars().take(MAX_SHOWN).map(|c| if c.is_control() || is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// An id that is not taken, and a title, from a file's name.
pub(super) fn names(file: &str, taken: &[&str]) -> (String, String) {
    let name = file.rsplit('/').next().unwrap_or(file);
    let stem = name.split('.').find(|s| !s.is_empty()).unwrap_or(name);
    let words = super::fields::words(stem);
    // Dates and counters of an export say nothing about whose it is.
    let telling: Vec<&str> = words.iter().map(String::as_str).filter(|w| !w.chars().all(char::is_numeric)).collect();
    let ascii: Vec<String> =
        telling.iter().map(|w| w.chars().filter(char::is_ascii_alphanumeric).take(24).collect::<String>()).filter(|w| !w.is_empty()).take(5).collect();
    let mut base = ascii.join("_");
    if !base.starts_with(|c: char| c.is_ascii_lowercase()) {
        base = if base.is_empty() { "own_log".into() } else { format!("log_{base}") };
    }
    let mut id = base.clone();
    let mut n = 2;
    while taken.contains(&id.as_str()) {
        id = format!("{base}_{n}");
        n += 1;
    }
    let capital = |w: &&str| {
        let mut chars = w.chars();
        chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect::<String>())
    };
    let title: String = telling.iter().take(6).map(capital).collect::<Vec<_>>().join(" ").chars().take(60).collect();
    (id, if title.is_empty() { "Own Log".into() } else { title })
}

/// The whole file.
pub(super) fn mapping(p: &Proposal, file: &str, records: usize, each: Option<&str>, actions: &[(String, usize)]) -> String {
    let mut out = String::new();
    let name = comment(file.rsplit('/').next().unwrap_or(file));
    let _ = writeln!(out, "# Proposed by `auditmill inspect` from {records} records of\n# {name}\n# Check each line before you rely on it.");
    let _ = writeln!(out, "# sure: name and values agree; likely: one of them says so; guess: the best\n# that there is.");
    let _ = writeln!(out, "id: {}\ntitle: {}\nlogsource:\n  - {{product: {}}}", p.id, quoted(&p.title), p.id);
    let _ = writeln!(out, "detect:\n  # Every one of the records has these; take those that no other system's have.");
    let has: Vec<String> = p.detect.iter().map(|d| quoted(d)).collect();
    let _ = writeln!(out, "  - has: [{}]", has.join(", "));
    if let Some(path) = each {
        let _ = writeln!(out, "# Each element of this array is an event.\neach: {}", quoted(path));
    }
    let line = |out: &mut String, start: &str, g: &Guess| {
        let _ = writeln!(out, "  # {}: {}\n{start}{}", g.sure.name(), comment(&g.why), g.expression);
    };
    let (times, columns): (Vec<&Guess>, Vec<&Guess>) = p.guesses.iter().partition(|g| g.column == "time");
    out.push_str("time:\n");
    times.iter().for_each(|g| line(&mut out, "  - ", g));
    out.push_str(if columns.is_empty() { "columns: {}\n" } else { "columns:\n" });
    columns.iter().for_each(|g| line(&mut out, &format!("  {}: ", g.column), g));
    if !p.without.is_empty() {
        let _ = writeln!(out, "  # No field was found for {}.", p.without.join(", "));
    }
    if actions.is_empty() {
        return out;
    }
    out.push_str("activity:\n  key: action\n  # What the names mean, so that rules for every source see them;\n  # `auditmill sources list --activities` names all activities. Names seen:\n  map: {}\n");
    for (action, n) in actions.iter().take(MAX_ACTIONS) {
        let shown: String = action.chars().take(MAX_SHOWN).collect();
        let _ = writeln!(out, "  #  {}: {{activity: , category: }}   # {n} of {records}", in_quotes(&shown));
    }
    if actions.len() > MAX_ACTIONS {
        let _ = writeln!(out, "  #  and {} more", actions.len() - MAX_ACTIONS);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_and_titles() {
        assert_eq!(names("logs/Acme-Vault_2024-01-15.csv.gz", &[]), ("acme_vault".into(), "Acme Vault".into()));
        assert_eq!(names("vault.csv", &["vault", "vault_2"]).0, "vault_3");
        assert_eq!(names("2024-01.csv", &[]), ("own_log".into(), "Own Log".into()));
        assert_eq!(names("журнал.csv", &[]).0, "own_log");
        assert_eq!(names("-", &[]).0, "own_log");
    }

    proptest! {
        #[test]
        fn quoted_text_is_read_back(text in "\\PC{0,12}|[\\x00-\\x7f]{0,12}|[\u{80}-\u{ffff}]{0,6}") {
            for form in [quoted(&text), in_quotes(&text)] {
                let back: Result<String, _> = yaml_serde::from_str(&form);
                prop_assert_eq!(back.ok(), Some(text.clone()), "{}", form);
            }
        }
    }
}
