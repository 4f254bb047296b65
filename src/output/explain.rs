//! `rules explain`: a rule's documentation, or why it matches an event; as text and as `auditmill.explain/v1`.

use super::printable;
use super::rules::{RuleEntry, rule_entry, wrap};
use super::table::{Style, bold, faint};
use crate::event::time::{format_duration, format_time};
use crate::finding::examine::Event;
use crate::finding::explain::{Decision, Explanation, Found, Node, What, describe, detections_of, lists_of, logsource_words, negated_lines};
use crate::rule::lists::how_to_give;
use crate::rule::load::RuleSet;
use crate::rule::meta::Status;
use crate::rule::vars::Vars;
use crate::rule::{Body, Rule, Taxonomy};
use crate::source::SourceSet;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// What is explained.
pub struct Subject<'a> {
    /// The rules of the run.
    pub set: &'a RuleSet,
    /// The rule.
    pub rule: &'a Rule,
    /// Mappings.
    pub sources: &'a SourceSet,
    /// Lists and thresholds.
    pub vars: &'a Vars,
    /// The event, where there is one.
    pub event: Option<About<'a>>,
}

/// An event, and the explanation of each detection for it.
pub struct About<'a> {
    /// The event.
    pub event: &'a Event,
    /// Id of its source.
    pub source: &'a str,
    /// Name of its file.
    pub file: &'a str,
    /// Its record.
    pub record: u32,
    /// Events of the file.
    pub of: u64,
    /// One explanation for each of [`detections_of`] the rule.
    pub explanations: Vec<Explanation>,
    /// For a correlation: each field that groups, and the event's values.
    pub group: Vec<(String, Vec<String>)>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    rule: RuleDocument<'a>,
    event: Option<EventDocument<'a>>,
    matches: Option<bool>,
    conditions: Vec<ConditionDocument<'a>>,
    correlation: Option<CorrelationDocument<'a>>,
}

#[derive(Serialize)]
struct RuleDocument<'a> {
    #[serde(flatten)]
    entry: RuleEntry<'a>,
    description: &'a str,
    falsepositives: &'a [String],
    modified: Option<&'a str>,
    fields: Vec<String>,
    lists: Vec<ListDocument>,
    tests: usize,
}

#[derive(Serialize)]
struct ListDocument {
    name: String,
    /// None: the list is not set.
    entries: Option<usize>,
    /// Without entries the rule is not assessable; else the list then holds nothing.
    required: bool,
}

#[derive(Serialize)]
struct EventDocument<'a> {
    source: &'a str,
    file: &'a str,
    record: u32,
    event_id: Option<&'a str>,
    time: String,
    events_in_file: u64,
}

#[derive(Serialize)]
struct ConditionDocument<'a> {
    rule_id: &'a str,
    rule_title: &'a str,
    #[serde(flatten)]
    explanation: Option<&'a Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Node>,
}

#[derive(Serialize)]
struct CorrelationDocument<'a> {
    timespan: String,
    threshold: Option<&'a str>,
    group_by: Vec<GroupDocument<'a>>,
    /// The event is one of those that are counted; none without an event.
    counts: Option<bool>,
}

#[derive(Serialize)]
struct GroupDocument<'a> {
    field: &'a str,
    /// None without an event.
    values: Option<&'a [String]>,
}

/// Why an event of which some base matches is not counted, or none.
fn is_counted(about: &About<'_>) -> bool {
    about.explanations.iter().any(|e| e.matches) && (about.group.is_empty() || about.group.iter().any(|(_, v)| !v.is_empty()))
}

/// Names of the fields that a rule reads, as it writes them.
fn fields_of(set: &RuleSet, rule: &Rule) -> Vec<String> {
    let mut out = BTreeSet::new();
    for base in detections_of(set, rule) {
        if let Body::Detection(d) = &base.body {
            d.selections.values().for_each(|s| {
                s.visit_fields(&mut |f| {
                    out.insert(f.to_owned());
                })
            });
        }
    }
    out.into_iter().collect()
}

fn lists(subject: &Subject<'_>) -> Vec<ListDocument> {
    let mut names: BTreeMap<String, bool> = BTreeMap::new();
    for base in detections_of(subject.set, subject.rule) {
        if let Body::Detection(d) = &base.body {
            for name in lists_of(base, d) {
                let required = base.meta.needs_lists.contains(&name) || base.meta.unset_list.as_ref() == Some(&name);
                *names.entry(name).or_default() |= required;
            }
        }
    }
    let entries = |name: &str| subject.vars.list(name).map(<[String]>::len).filter(|n| *n > 0);
    names.into_iter().map(|(name, required)| ListDocument { entries: entries(&name), name, required }).collect()
}

/// Writes the document.
pub fn write_json(subject: &Subject<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (set, rule, about) = (subject.set, subject.rule, subject.event.as_ref());
    let entry = rule_entry(set, rule, subject.sources);
    let threshold = entry.threshold().map(str::to_owned);
    let bases = detections_of(set, rule);
    let conditions = bases
        .iter()
        .enumerate()
        .map(|(i, base)| ConditionDocument {
            rule_id: &base.meta.id,
            rule_title: &base.meta.title,
            explanation: about.and_then(|a| a.explanations.get(i)),
            condition: match (&base.body, about) {
                (Body::Detection(d), None) => Some(describe(d)),
                _ => None,
            },
        })
        .collect();
    let correlation = match &rule.body {
        Body::Correlation(c) => Some(CorrelationDocument {
            timespan: format_duration(c.timespan),
            threshold: threshold.as_deref(),
            group_by: c
                .group_by
                .iter()
                .map(|field| GroupDocument { field, values: about.and_then(|a| a.group.iter().find(|g| g.0 == *field)).map(|g| g.1.as_slice()) })
                .collect(),
            counts: about.map(is_counted),
        }),
        _ => None,
    };
    let is_detection = matches!(rule.body, Body::Detection(_));
    let document = Document {
        schema: "auditmill.explain/v1",
        rule: RuleDocument {
            entry,
            description: &rule.meta.description,
            falsepositives: &rule.meta.falsepositives,
            modified: rule.meta.modified.as_deref(),
            fields: fields_of(set, rule),
            lists: lists(subject),
            tests: rule.meta.tests.len(),
        },
        event: about.map(|a| EventDocument {
            source: a.source,
            file: a.file,
            record: a.record,
            event_id: a.event.id.as_deref(),
            time: format_time(a.event.time),
            events_in_file: a.of,
        }),
        matches: about.filter(|_| is_detection).map(|a| a.explanations.iter().any(|e| e.matches)),
        conditions,
        correlation,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// Writes the text.
pub fn write_text(subject: &Subject<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    match &subject.event {
        None => documentation(subject, style, out),
        Some(about) => verdict(subject, about, style, out),
    }
}

/// Deciding tests that the text repeats below the tree.
const MAX_DECISIONS: usize = 12;

/// Width of a text's labels.
const LABEL: usize = 13;

fn labelled(label: &str, text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let width = style.width.map_or(100, usize::from).clamp(40, 110);
    for (i, line) in wrap(&printable(text), width - LABEL).iter().enumerate() {
        let head = if i == 0 { label } else { "" };
        writeln!(out, "{}{line}", faint(&format!("{head:LABEL$}"), style))?;
    }
    Ok(())
}

fn documentation(subject: &Subject<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let (set, rule) = (subject.set, subject.rule);
    let m = &rule.meta;
    let entry = rule_entry(set, rule, subject.sources);
    let width = style.width.map_or(100, usize::from).clamp(40, 110);
    writeln!(out, "{}", bold(&printable(&m.title), style))?;
    for paragraph in m.description.split("\n\n").filter(|p| !p.trim().is_empty()) {
        for line in wrap(&printable(&paragraph.replace('\n', " ")), width) {
            writeln!(out, "{line}")?;
        }
    }
    writeln!(out)?;
    let mut row = |label: &str, text: &str| labelled(label, text, style, out);
    row("Id", &m.id)?;
    row("Name", m.name.as_deref().unwrap_or_default())?;
    let role = match m.role {
        crate::rule::meta::Role::Violation => "violation: a breach in itself",
        crate::rule::meta::Role::Signal => "signal: somebody must look",
        crate::rule::meta::Role::Operation => "operation: for the record",
    };
    row("Level", m.level.name())?;
    row("Role", role)?;
    let status = match m.status {
        None => "",
        Some(Status::Stable) => "stable",
        Some(Status::Test) => "test",
        Some(Status::Experimental) => "experimental: it never drives a verdict",
        Some(Status::Deprecated) => "deprecated",
        Some(Status::Unsupported) => "unsupported",
    };
    row("Status", status)?;
    let changed = m.modified.as_ref().map_or(String::new(), |d| format!(", changed {d}"));
    row("File", &format!("{}:{}, hash {}{changed}", m.file, m.line, m.hash))?;
    let applies = match entry.sources() {
        [] => "none of the sources of this run".to_owned(),
        all if all.len() > 1 && all.len() == subject.sources.mappings().len() => "every source of this run".to_owned(),
        some => some.join(", "),
    };
    match &rule.body {
        Body::Detection(d) => {
            let words = logsource_words(d);
            row("Logsource", if words.is_empty() { "none: the rule is reported and never run" } else { &words })?;
            row("Applies to", &applies)?;
            let vocabulary = match d.taxonomy {
                Taxonomy::Columns => "event columns (taxonomy: auditmill)",
                Taxonomy::Vendor => "fields of the vendor's record",
            };
            row("Fields", &format!("{}: {vocabulary}", fields_of(set, rule).join(", ")))?;
        }
        _ => {
            row("Applies to", &applies)?;
            row("Fires at", entry.threshold().unwrap_or_default())?;
            let bases: Vec<String> = detections_of(set, rule).iter().map(|b| b.meta.name.clone().unwrap_or_else(|| b.meta.title.clone())).collect();
            row("Counts", &format!("matches of {}", bases.join(", ")))?;
            row("Fields", &fields_of(set, rule).join(", "))?;
        }
    }
    for list in lists(subject) {
        let state = match list.entries {
            Some(n) => format!("{n} {}", if n == 1 { "entry" } else { "entries" }),
            None if list.required => format!("not set, so the rule is not assessable; {}", how_to_give(&list.name)),
            None => format!("empty: nothing is left out by it; {}", how_to_give(&list.name)),
        };
        row("List", &format!("{}: {state}", list.name))?;
    }
    row("Tags", &m.tags.join(", "))?;
    row("References", &m.references.join(" "))?;
    row("Tests", &m.tests.len().to_string())?;
    for (i, cause) in m.falsepositives.iter().enumerate() {
        row(if i == 0 { "Harmless" } else { "" }, &format!("- {cause}"))?;
    }
    for base in detections_of(set, rule) {
        let Body::Detection(d) = &base.body else { continue };
        let of = if std::ptr::eq(base, rule) { String::new() } else { format!(" of {}", printable(&base.meta.title)) };
        writeln!(out, "\n{}", bold(&format!("Condition{of}"), style))?;
        Writer { style, named: BTreeSet::new() }.node(&describe(d), 1, out)?;
        for line in negated_lines(d) {
            let note = format!("Note: `{line}` does not hold for an event without the field; `not` over a selection does.");
            for part in wrap(&printable(&note), width) {
                writeln!(out, "{part}")?;
            }
        }
    }
    Ok(())
}

fn verdict(subject: &Subject<'_>, about: &About<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let (set, rule) = (subject.set, subject.rule);
    let m = &rule.meta;
    writeln!(out, "{}", bold(&printable(&m.title), style))?;
    labelled("Rule", &format!("{}:{}, {}, {}", m.file, m.line, m.level.name(), m.role.name()), style, out)?;
    let id = about.event.id.as_ref().map_or("an event without an id".to_owned(), |id| format!("event {id}"));
    let of = if about.of == 1 { "its only event".to_owned() } else { format!("one of {} events", super::grouped(about.of)) };
    labelled("Event", &format!("{id} at {}, {}:{}, {of}", format_time(about.event.time), about.file, about.record), style, out)?;
    let bases = detections_of(set, rule);
    let is_detection = matches!(rule.body, Body::Detection(_));
    for (base, e) in bases.iter().zip(&about.explanations) {
        if !is_detection {
            writeln!(out, "\n{}", bold(&format!("Base rule {}", printable(&base.meta.title)), style))?;
        }
        let applies = if e.applies { "the rule applies to it" } else { "the rule does not apply to it" };
        labelled("Source", &format!("{}: {applies}", about.source), style, out)?;
        writeln!(out)?;
        Writer { style, named: BTreeSet::new() }.node(&e.condition, 0, out)?;
        writeln!(out)?;
        conclusion(e, style, out)?;
    }
    if let Body::Correlation(c) = &rule.body {
        let entry = rule_entry(set, rule, subject.sources);
        writeln!(out, "\n{}", bold("Correlation", style))?;
        labelled("Fires at", entry.threshold().unwrap_or_default(), style, out)?;
        for (field, values) in &about.group {
            let shown: Vec<String> = values.iter().map(|v| format!("\"{v}\"")).collect();
            labelled("Group", &format!("{field} is {}", if shown.is_empty() { "absent".to_owned() } else { shown.join(", ") }), style, out)?;
        }
        let matching = about.explanations.iter().filter(|e| e.matches).count();
        writeln!(out)?;
        let text = match (matching, is_counted(about)) {
            (0, _) => "is not counted: no base rule matches the event".to_owned(),
            (_, false) => format!("is not counted: the event has none of {}", c.group_by.join(", ")),
            (n, true) => format!("is counted: {n} of {} base rules {}", bases.len(), if n == 1 { "matches" } else { "match" }),
        };
        writeln!(out, "{}", coloured(&printable(&text), is_counted(about), style))?;
    }
    Ok(())
}

fn conclusion(e: &Explanation, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let verdict = if e.matches { "matches" } else { "does not match" };
    match &e.not_run {
        Some(reason) => {
            let own = if e.condition_holds { "the condition by itself holds" } else { "the condition does not hold either" };
            writeln!(out, "{}: {}; {own}", coloured(verdict, e.matches, style), printable(reason))?;
        }
        None => writeln!(out, "{}, because", coloured(verdict, e.matches, style))?,
    }
    for d in e.decided_by.iter().take(MAX_DECISIONS) {
        writeln!(out, "  {}", printable(&decision(d)))?;
    }
    if e.decided_by.len() > MAX_DECISIONS {
        writeln!(out, "  and {} more, all of them in the tree above", e.decided_by.len() - MAX_DECISIONS)?;
    }
    Ok(())
}

fn decision(d: &Decision) -> String {
    let selection = d.selection.as_ref().map_or(String::new(), |s| format!("{s}: "));
    format!("{selection}{} {}: {}", d.asks, if d.holds { "holds" } else { "does not hold" }, d.is)
}

fn coloured(text: &str, good: bool, style: Style) -> String {
    match (style.color, good) {
        (false, _) => text.to_owned(),
        (true, true) => format!("\u{1b}[32m{text}\u{1b}[0m"),
        (true, false) => format!("\u{1b}[31m{text}\u{1b}[0m"),
    }
}

struct Writer {
    style: Style,
    /// Selections that were written out: a second mention is short.
    named: BTreeSet<String>,
}

impl Writer {
    fn node(&mut self, node: &Node, depth: usize, out: &mut dyn Write) -> io::Result<()> {
        let mark = match node.holds {
            None => String::new(),
            Some(true) => format!("{} ", coloured("✓", true, self.style)),
            Some(false) => format!("{} ", coloured("✗", false, self.style)),
        };
        let count = node.children.len();
        let text = match &node.what {
            What::All => "all of".to_owned(),
            What::Any => "any of".to_owned(),
            What::Not => "not".to_owned(),
            What::AtLeast { least } if *least as usize == count => format!("all {count} of"),
            What::AtLeast { least } => format!("at least {least} of {count}"),
            What::Selection { name } if !self.named.insert(name.clone()) => format!("{name} (as above)"),
            What::Selection { name } => name.clone(),
            What::Item { asks, .. } => asks.clone(),
            What::Keywords { all: true } => "all of these words, anywhere in the record".to_owned(),
            What::Keywords { all: false } => "one of these words, anywhere in the record".to_owned(),
            What::Word { asks, .. } => format!("'{asks}'"),
            What::Array { asks, members: Some(n), hold: Some(h), found: None } => format!("{asks}: {h} of {n} members fit"),
            What::Array { asks, .. } => asks.clone(),
            What::Member { number } => format!("member {number}"),
        };
        let indent = "  ".repeat(depth);
        writeln!(out, "{indent}{mark}{}", printable(&text))?;
        if text.ends_with("(as above)") {
            return Ok(());
        }
        let below = format!("{indent}    ");
        match &node.what {
            What::Item { field, found: Some(found), .. } => self.found(field.as_deref().unwrap_or("the member"), found, &below, out)?,
            What::Array { asks, found: Some(found), .. } => self.found(asks.split('[').next().unwrap_or(asks), found, &below, out)?,
            What::Word { found: Some(found), .. } => {
                for v in &found.values {
                    let line = format!("{} is {}", v.at.as_deref().unwrap_or_default(), v.words());
                    writeln!(out, "{below}{}", faint(&printable(&line), self.style))?;
                }
                if found.more > 0 {
                    writeln!(out, "{below}and {} more", found.more)?;
                }
            }
            _ => {}
        }
        for child in &node.children {
            // A selection, a member and a negation of several lines mean all of them: no line of its own for that.
            match (&node.what, &child.what) {
                (What::Selection { .. } | What::Member { .. }, What::All) => child.children.iter().try_for_each(|c| self.node(c, depth + 1, out))?,
                _ => self.node(child, depth + 1, out)?,
            }
        }
        Ok(())
    }

    fn found(&self, field: &str, found: &Found, below: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut line = |text: &str| writeln!(out, "{below}{}", faint(&printable(text), self.style));
        let count = found.values.len() + found.more;
        if count <= 1 {
            return line(&found.sentence(field));
        }
        line(&format!("{field} has {count} values"))?;
        for v in &found.values {
            let fits = if v.fits && v.fits_values.is_empty() { ", which fits".to_owned() } else { v.fits_words() };
            line(&format!("  {}{fits}", v.words()))?;
        }
        if found.more > 0 {
            line(&format!("  and {} more", found.more))?;
        }
        found.notes.iter().try_for_each(|n| line(n))
    }
}
