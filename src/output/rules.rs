//! `rules list`: the rules of a run as a table that fits a narrow terminal, and as `auditmill.rules/v1`.

use super::json::threshold;
use super::printable;
use super::table::{Style, level_text, new_table, trimmed};
use crate::diag::RuleProblem;
use crate::finding::explain::sources_of;
use crate::rule::load::RuleSet;
use crate::rule::meta::{LogSource, Status};
use crate::rule::{Body, Rule, Taxonomy};
use crate::source::SourceSet;
use comfy_table::ContentArrangement;
use serde::Serialize;
use std::io::{self, Write};

/// Below this many columns a rule takes lines of its own instead of a row.
const WIDE: u16 = 110;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    rules: Vec<RuleEntry<'a>>,
    rule_problems: &'a [RuleProblem],
    skipped: Vec<SkippedEntry<'a>>,
    not_rules: &'a [String],
    notes: &'a [String],
    rules_hash: &'a str,
}

#[derive(Serialize)]
struct SkippedEntry<'a> {
    title: &'a str,
    file: &'a str,
}

/// What a rule says about itself.
#[derive(Debug, Clone, Serialize)]
pub struct RuleEntry<'a> {
    id: &'a str,
    name: Option<&'a str>,
    title: &'a str,
    kind: &'static str,
    level: &'static str,
    role: &'static str,
    status: Option<Status>,
    tags: &'a [String],
    logsource: Option<&'a LogSource>,
    taxonomy: Option<&'static str>,
    file: &'a str,
    line: usize,
    hash: &'a str,
    sources: Vec<&'a str>,
    threshold: Option<String>,
    references: &'a [String],
}

impl RuleEntry<'_> {
    /// Ids of the sources that the rule applies to.
    pub fn sources(&self) -> &[&str] {
        &self.sources
    }

    /// A correlation's threshold in words.
    pub fn threshold(&self) -> Option<&str> {
        self.threshold.as_deref()
    }
}

/// The entry of a rule.
pub fn rule_entry<'a>(set: &'a RuleSet, rule: &'a Rule, sources: &'a SourceSet) -> RuleEntry<'a> {
    let m = &rule.meta;
    let detection = match &rule.body {
        Body::Detection(d) => Some(d),
        _ => None,
    };
    RuleEntry {
        id: &m.id,
        name: m.name.as_deref(),
        title: &m.title,
        kind: rule.body.kind(),
        level: m.level.name(),
        role: m.role.name(),
        status: m.status,
        tags: &m.tags,
        logsource: detection.map(|d| &d.logsource),
        taxonomy: detection.map(|d| match d.taxonomy {
            Taxonomy::Columns => "auditmill",
            Taxonomy::Vendor => "sigma",
        }),
        file: &m.file,
        line: m.line,
        hash: &m.hash,
        sources: sources_of(set, rule, sources).into_iter().map(|s| sources.mappings()[s].id.as_str()).collect(),
        threshold: threshold(&rule.body),
        references: &m.references,
    }
}

/// Writes the document; `chosen` are the rules of the set that the filters left.
pub fn write_json(set: &RuleSet, chosen: &[&Rule], sources: &SourceSet, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema: "auditmill.rules/v1",
        rules: chosen.iter().map(|r| rule_entry(set, r, sources)).collect(),
        rule_problems: &set.problems,
        skipped: set.skipped.iter().map(|(title, file)| SkippedEntry { title, file }).collect(),
        not_rules: &set.not_rules,
        notes: &set.notes,
        rules_hash: &set.hash,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// Writes the table: one line a rule in a pipe and on a wide terminal, a few short lines on a narrow one.
pub fn write_table(chosen: &[&Rule], style: Style, out: &mut dyn Write) -> io::Result<()> {
    if chosen.is_empty() {
        return Ok(());
    }
    if let Some(width) = style.width.filter(|w| *w < WIDE) {
        return write_narrow(chosen, width as usize, style, out);
    }
    let mut table = new_table(style, &["LEVEL", "ROLE", "TITLE", "NAME", "FILE"]);
    if style.width.is_none() {
        // A line of a pipe is a rule, whole.
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    for rule in chosen {
        let m = &rule.meta;
        table.add_row(vec![
            level_text(m.level, style),
            m.role.name().into(),
            printable(&m.title).into_owned(),
            m.name.as_deref().map_or("-".into(), |n| printable(n).into_owned()),
            format!("{}:{}", printable(&m.file), m.line),
        ]);
    }
    writeln!(out, "{}", trimmed(&table))
}

fn write_narrow(chosen: &[&Rule], width: usize, style: Style, out: &mut dyn Write) -> io::Result<()> {
    const LEVEL: usize = 14;
    for rule in chosen {
        let m = &rule.meta;
        let lines = wrap(&printable(&m.title), width.saturating_sub(LEVEL).max(20));
        let pad = " ".repeat(LEVEL - m.level.name().len().min(LEVEL - 1));
        for (i, line) in lines.iter().enumerate() {
            match i {
                0 => writeln!(out, "{}{pad}{line}", level_text(m.level, style))?,
                _ => writeln!(out, "{:LEVEL$}{line}", "")?,
            }
        }
        let place = format!("{}:{}", printable(&m.file), m.line);
        for line in m.name.iter().map(|n| format!("{}, {}", m.role.name(), printable(n))).chain([place]) {
            for part in wrap(&line, width.saturating_sub(LEVEL).max(20)) {
                writeln!(out, "{:LEVEL$}{}", "", super::table::faint(&part, style))?;
            }
        }
    }
    Ok(())
}

/// Lines of at most `width` characters, broken at blanks where there are any.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        length += word.len();
        line.extend(word);
    }
    if length > 0 || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wrapped_lines_fit_and_lose_nothing(text in "[a-zé \n]{0,200}", width in 10usize..80) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|l| l.chars().count() <= width));
            let all = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(all(&lines.concat()), all(&text));
        }
    }
}
