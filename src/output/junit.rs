//! `rules test` and `sources test` with `--format junit`: JUnit XML, a suite for each file and a case for each test.

use super::printable;
use crate::finding::rule_tests::Outcome;
use std::io::{self, Write};

/// Writes the outcomes of a command, which are in the order of their files. Times are left out: the same rules give the same bytes.
pub fn write_junit(command: &str, outcomes: &[Outcome], out: &mut dyn Write) -> io::Result<()> {
    let failures = |of: &[Outcome]| of.iter().filter(|o| o.failure.is_some()).count();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"auditmill {command}\" tests=\"{}\" failures=\"{}\" errors=\"0\">", outcomes.len(), failures(outcomes))?;
    for suite in outcomes.chunk_by(|a, b| a.file == b.file) {
        let file = xml(&suite[0].file);
        writeln!(out, "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\">", suite.len(), failures(suite))?;
        for o in suite {
            write!(out, "    <testcase classname=\"{}\" name=\"{}\" file=\"{file}\" line=\"{}\"", xml(&o.rule), xml(&o.test), o.line)?;
            match &o.failure {
                None => writeln!(out, "/>")?,
                Some(text) => {
                    let first = text.lines().next().unwrap_or_default();
                    writeln!(out, ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>", xml(first), lines(text))?;
                }
            }
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

/// Text for XML 1.0, in an attribute or between tags: what XML forbids and what is not seen is written out.
pub fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // Not characters of XML, and no control characters either.
            '\u{fffe}' | '\u{ffff}' => escaped.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => escaped.push(c),
        }
    }
    escaped
}

fn lines(text: &str) -> String {
    text.lines().map(xml).collect::<Vec<_>>().join("\n")
}
