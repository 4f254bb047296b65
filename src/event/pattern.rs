//! Regular expressions that are compiled when they are first used: a run loads hundreds and needs a few.

use regex::{Captures, Regex, RegexBuilder};
use std::sync::OnceLock;

/// Largest compiled size of one regular expression, in bytes.
const SIZE_LIMIT: usize = 4 << 20;
/// Longest pattern, in bytes, that cannot reach [`SIZE_LIMIT`] as long as it repeats nothing by a count.
const SMALL: usize = 120;

/// How a pattern reads the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// Upper and lower case are one.
    pub ignore_case: bool,
    /// `^` and `$` stand at lines.
    pub multi_line: bool,
    /// `.` takes a line break too.
    pub dot_all: bool,
}

/// A regular expression that is known to be one.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    flags: Flags,
    built: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// Checks a pattern. Only one that may be too large is compiled at once; the error says what is wrong.
    pub fn new(text: &str, flags: Flags) -> Result<Pattern, regex::Error> {
        let pattern = Pattern { text: text.to_owned(), flags, built: OnceLock::new() };
        let parsed = regex_syntax::ParserBuilder::new()
            .case_insensitive(flags.ignore_case)
            .multi_line(flags.multi_line)
            .dot_matches_new_line(flags.dot_all)
            .build()
            .parse(text);
        if parsed.is_err() || text.len() > SMALL || text.contains('{') {
            let _ = pattern.built.set(Some(pattern.build()?));
        }
        Ok(pattern)
    }

    /// Whether some part of the text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex().is_some_and(|r| r.is_match(text))
    }

    /// The groups of the first match.
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.regex()?.captures(text)
    }

    fn regex(&self) -> Option<&Regex> {
        // A small pattern that parses compiles.
        self.built.get_or_init(|| self.build().ok()).as_ref()
    }

    fn build(&self) -> Result<Regex, regex::Error> {
        RegexBuilder::new(&self.text)
            .case_insensitive(self.flags.ignore_case)
            .multi_line(self.flags.multi_line)
            .dot_matches_new_line(self.flags.dot_all)
            .size_limit(SIZE_LIMIT)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_small_pattern_compiles() {
        for unit in [r"\w", r"\W", r"\pL", r"\S", "."] {
            let text = unit.repeat(SMALL / unit.len());
            for ignore_case in [false, true] {
                let flags = Flags { ignore_case, ..Flags::default() };
                assert!(Pattern::new(&text, flags).expect("it parses").regex().is_some(), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_compiles_and_nothing_else(text in r"[a-c.\\wdpL\[\](){}?*+|^$]{0,24}", ignore_case: bool) {
            let flags = Flags { ignore_case, ..Flags::default() };
            let eager = RegexBuilder::new(&text).case_insensitive(ignore_case).size_limit(SIZE_LIMIT).build();
            let lazy = Pattern::new(&text, flags);
            prop_assert_eq!(lazy.is_ok(), eager.is_ok());
            if let (Ok(lazy), Ok(eager)) = (lazy, eager) {
                prop_assert_eq!(lazy.is_match("abc"), eager.is_match("abc"));
            }
        }
    }
}
