//! Outputs: one file a format. Everything that comes from a log is escaped for where it goes.

pub mod baseline;
pub mod behaviour;
pub mod completeness;
pub mod coverage;
pub mod csv;
pub mod events;
pub mod evidence;
pub mod explain;
pub mod inspect;
pub mod json;
pub mod junit;
pub mod lint;
pub mod matches;
pub mod parquet;
pub mod risk;
pub mod rules;
pub mod sources;
pub mod table;
pub mod timeline;
pub mod write;

use crate::event::secrets::mask;
use std::borrow::Cow;

/// What outputs say beside the findings.
pub struct About<'a> {
    /// How complete the logs are.
    pub coverage: &'a crate::finding::completeness::Coverage,
    /// Whom to look at first.
    pub risk: &'a crate::finding::risk::Risk,
}

/// Text for a terminal or one line of text: control and direction-changing characters are shown, not obeyed.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_unsafe) {
        Cow::Owned(text.chars().map(|c| if is_unsafe(c) { format!("\\u{{{:x}}}", c as u32) } else { c.to_string() }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Text for a cell of Markdown: no construct of it is obeyed, HTML neither.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            // These begin a list, a heading or a rule, at a line's start only.
            '-' | '+' | '=' | '#' if out.is_empty() => {
                out.push('\\');
                out.push(c);
            }
            // Bare addresses become links in many renderers.
            ':' if out.ends_with("http") || out.ends_with("https") || out.ends_with("ftp") => out.push_str("&#58;"),
            c => out.push(c),
        }
    }
    out
}

/// Text for a CSV cell: a spreadsheet must not run it as a formula.
pub fn spreadsheet(text: &str) -> Cow<'_, str> {
    let first = text.trim_start_matches([' ', '\u{a0}']).chars().next();
    match first {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠') => Cow::Owned(format!("'{text}")),
        _ => Cow::Borrowed(text),
    }
}

/// A number with thousands separated by commas.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A name from a log in so much of a line. Shortened after the masking: a part of a secret is not known as one.
pub fn name_in_line(name: &str, most: usize) -> String {
    printable(&shorten(&mask(name).0, most)).into_owned()
}

/// Cuts a text to so many characters.
pub fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if text.chars().count() <= most { Cow::Borrowed(text) } else { Cow::Owned(text.chars().take(most.saturating_sub(1)).chain(['…']).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_text() {
        assert_eq!(printable("a\u{1b}[31mred\u{202e}"), "a\\u{1b}[31mred\\u{202e}");
        assert_eq!(spreadsheet("=1+1"), "'=1+1");
        assert_eq!(spreadsheet(" @SUM(A1)"), "' @SUM(A1)");
        assert_eq!(spreadsheet("ana@example.com"), "ana@example.com");
        assert_eq!(grouped(1234567), "1,234,567");
        assert_eq!(grouped(12), "12");
    }

    proptest! {
        #[test]
        fn markdown_cells_hold_no_markup(text in "\\PC{0,30}|[|`<>*_\\[\\]()#\\n\\\\]{0,12}") {
            let out = markdown(&text);
            prop_assert!(!out.contains(['\n', '<', '>']));
            let bare = out.replace("\\\\", "");
            for (i, _) in bare.match_indices(['|', '`', '*', '[', ']']) {
                prop_assert_eq!(&bare[i - 1..i], "\\");
            }
        }

        #[test]
        fn no_cell_is_a_formula(text in "[=+@\\-\\t a-z0-9\"(),]{0,12}") {
            let out = spreadsheet(&text);
            let first = out.trim_start_matches(' ').chars().next();
            prop_assert!(!matches!(first, Some('=' | '+' | '-' | '@' | '\t')));
        }
    }
}
