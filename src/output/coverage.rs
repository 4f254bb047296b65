//! `rules coverage`: every rule of a run in exactly one state, and the fields that rules ask for; as text and as
//! `auditmill.coverage/v1`.

use super::json::state_words;
use super::rules::wrap;
use super::table::{Style, bold, faint, level_text};
use super::{grouped, printable};
use crate::finding::coverage::KeySample;
use crate::finding::scan::{RuleState, Scan, Totals};
use crate::rule::meta::Level;
use serde::Serialize;
use std::io::{self, Write};

/// The state that a rule of a run is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// It could have hit, and its hits are counted.
    #[serde(rename = "ran")]
    Ran,
    /// A field that it cannot do without was never seen.
    #[serde(rename = "could not match")]
    CouldNotMatch,
    /// It needs something that is not set.
    #[serde(rename = "not assessable")]
    NotAssessable,
    /// No event of a source that it is for was read.
    #[serde(rename = "not applicable")]
    NotApplicable,
    /// Its document is faulty.
    #[serde(rename = "not loaded")]
    NotLoaded,
    /// Its status says that it is not to be used.
    #[serde(rename = "skipped")]
    Skipped,
}

impl State {
    /// Every state, in the order of the output.
    pub const ALL: [State; 6] = [State::Ran, State::CouldNotMatch, State::NotAssessable, State::NotApplicable, State::NotLoaded, State::Skipped];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            State::Ran => "ran",
            State::CouldNotMatch => "could not match",
            State::NotAssessable => "not assessable",
            State::NotApplicable => "not applicable",
            State::NotLoaded => "not loaded",
            State::Skipped => "skipped by status",
        }
    }
}

impl From<&RuleState> for State {
    fn from(state: &RuleState) -> State {
        match state {
            RuleState::Ran => State::Ran,
            RuleState::CouldNotMatch(_) => State::CouldNotMatch,
            RuleState::NotApplicable(_) => State::NotApplicable,
            RuleState::NotAssessable(_) => State::NotAssessable,
        }
    }
}

/// What a run's rules saw and did not see.
#[derive(Debug, Clone, Serialize)]
pub struct Coverage {
    schema: &'static str,
    inputs: Totals,
    counts: Counts,
    rules: Vec<RuleLine>,
    sources: Vec<SourceFields>,
    rules_hash: String,
    exit_status: Vec<u8>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Counts {
    total: usize,
    ran: usize,
    ran_with_hits: usize,
    could_not_match: usize,
    not_assessable: usize,
    not_applicable: usize,
    not_loaded: usize,
    skipped: usize,
}

#[derive(Debug, Clone, Serialize)]
struct RuleLine {
    state: State,
    id: Option<String>,
    title: Option<String>,
    #[serde(skip)]
    rank: Option<Level>,
    level: Option<&'static str>,
    hits: u64,
    without_group: u64,
    reason: Option<String>,
    help: Option<String>,
    file: String,
    line: Option<usize>,
}

#[derive(Debug, Clone, Serialize)]
struct SourceFields {
    id: String,
    title: String,
    events: u64,
    fields: Vec<FieldLine>,
}

#[derive(Debug, Clone, Serialize)]
struct FieldLine {
    field: String,
    kind: &'static str,
    seen: bool,
    rules: usize,
    /// The mapping has no expression for the column.
    unmapped: bool,
    /// Fields that do occur and look like it.
    similar: Vec<String>,
}

/// Gathers the coverage of a run; the counts are of all rules, also where `only` chooses a state to list.
pub fn coverage(scan: &Scan<'_>, keys: &KeySample, only: Option<State>, exit_status: Vec<u8>) -> Coverage {
    let mut rules: Vec<RuleLine> = Vec::new();
    for (i, rule) in scan.rules.rules.iter().enumerate() {
        let m = &rule.meta;
        rules.push(RuleLine {
            state: State::from(&scan.states[i]),
            id: Some(m.id.clone()),
            title: Some(m.title.clone()),
            rank: Some(m.level),
            level: Some(m.level.name()),
            hits: scan.hits[i],
            without_group: scan.ungrouped[i],
            reason: state_words(&scan.states[i]).1,
            help: None,
            file: m.file.clone(),
            line: Some(m.line),
        });
    }
    let unnamed = RuleLine {
        state: State::NotLoaded,
        id: None,
        title: None,
        rank: None,
        level: None,
        hits: 0,
        without_group: 0,
        reason: None,
        help: None,
        file: String::new(),
        line: None,
    };
    rules.extend(scan.rules.problems.iter().map(|p| RuleLine {
        reason: Some(p.reason.clone()),
        help: p.help.clone(),
        file: p.file.clone(),
        line: Some(p.line),
        ..unnamed.clone()
    }));
    rules.extend(scan.rules.skipped.iter().map(|(title, file)| RuleLine {
        state: State::Skipped,
        title: Some(title.clone()),
        reason: Some("its status is deprecated or unsupported".into()),
        file: file.clone(),
        ..unnamed.clone()
    }));
    rules.sort_by(|a, b| a.state.cmp(&b.state).then(b.hits.cmp(&a.hits)).then_with(|| (&a.file, a.line, &a.title).cmp(&(&b.file, b.line, &b.title))));
    let count = |s: State| rules.iter().filter(|r| r.state == s).count();
    let counts = Counts {
        total: rules.len(),
        ran: count(State::Ran),
        ran_with_hits: rules.iter().filter(|r| r.hits > 0).count(),
        could_not_match: count(State::CouldNotMatch),
        not_assessable: count(State::NotAssessable),
        not_applicable: count(State::NotApplicable),
        not_loaded: count(State::NotLoaded),
        skipped: count(State::Skipped),
    };
    if let Some(only) = only {
        rules.retain(|r| r.state == only);
    }
    let mut sources: Vec<SourceFields> = Vec::new();
    for (source, mapping) in scan.sources.mappings().iter().enumerate() {
        let events = scan.by_source.get(source).copied().unwrap_or(0);
        if events == 0 {
            continue;
        }
        let mut fields: Vec<FieldLine> = scan
            .field_uses
            .iter()
            .filter(|u| u.source == source)
            .map(|u| FieldLine {
                similar: if u.seen || u.column { Vec::new() } else { keys.similar(source, &u.field) },
                field: u.field.clone(),
                kind: if u.column { "column" } else { "record" },
                seen: u.seen,
                rules: u.rules.len(),
                unmapped: u.unmapped,
            })
            .collect();
        // What is missing first, and of that what most rules ask for.
        fields.sort_by(|a, b| a.seen.cmp(&b.seen).then(b.rules.cmp(&a.rules)).then_with(|| a.field.cmp(&b.field)));
        sources.push(SourceFields { id: mapping.id.clone(), title: mapping.title.clone(), events, fields });
    }
    Coverage { schema: "auditmill.coverage/v1", inputs: scan.totals, counts, rules, sources, rules_hash: scan.rules.hash.clone(), exit_status }
}

/// Writes the document.
pub fn write_json(coverage: &Coverage, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, coverage)?;
    out.write_all(b"\n")
}

/// Writes the text: the counts, the rules by state, then the fields of each source.
pub fn write_table(coverage: &Coverage, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let c = &coverage.counts;
    let width = style.width.map_or(usize::MAX, usize::from);
    let counted = format!(
        "{} rules: {} ran ({} with hits), {} could not match, {} not assessable, {} not applicable, {} not loaded, {} skipped by status",
        c.total, c.ran, c.ran_with_hits, c.could_not_match, c.not_assessable, c.not_applicable, c.not_loaded, c.skipped
    );
    for line in wrap(&counted, width) {
        writeln!(out, "{line}")?;
    }
    for state in State::ALL {
        let of: Vec<&RuleLine> = coverage.rules.iter().filter(|r| r.state == state).collect();
        if of.is_empty() {
            continue;
        }
        writeln!(out, "\n{}", bold(&format!("{} ({})", capital(state.name()), of.len()), style))?;
        for rule in of {
            write_rule(rule, width, style, out)?;
        }
    }
    for source in &coverage.sources {
        write_fields(source, width, style, out)?;
    }
    Ok(())
}

/// Below this many columns reasons stand further left.
const NARROW: usize = 90;

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

fn write_rule(rule: &RuleLine, width: usize, style: Style, out: &mut dyn Write) -> io::Result<()> {
    const FIRST: usize = 10;
    const SECOND: usize = 15;
    let hits = if rule.state == State::Ran { grouped(rule.hits) } else { String::new() };
    let level = rule.rank.map_or(String::new(), |l| level_text(l, style));
    let pad = SECOND - rule.level.map_or(0, str::len).min(SECOND - 1);
    let place = rule.line.map_or_else(|| rule.file.clone(), |l| format!("{}:{l}", rule.file));
    let title = rule.title.as_deref().unwrap_or(&place);
    let room = width.saturating_sub(FIRST + SECOND).max(20);
    let indent = " ".repeat(FIRST + SECOND);
    for (i, line) in wrap(&printable(title), room).iter().enumerate() {
        match i {
            0 if rule.title.is_some() => writeln!(out, "  {hits:>6}  {level}{}{line}", " ".repeat(pad))?,
            0 => writeln!(out, "  {line}")?,
            _ => writeln!(out, "{indent}{line}")?,
        }
    }
    let groups = (rule.without_group > 0).then(|| format!("{} matches have no group", grouped(rule.without_group)));
    let file = (rule.title.is_some() && rule.state == State::Skipped).then_some(place);
    let help = rule.help.as_ref().map(|h| format!("help: {h}"));
    // A narrow terminal would break the names of fields, which are copied from here.
    let below = if width < NARROW { FIRST } else { FIRST + SECOND };
    for text in rule.reason.iter().chain(&groups).chain(&help).chain(&file) {
        for line in wrap(&printable(text), width.saturating_sub(below).max(20)) {
            writeln!(out, "{:below$}{}", "", faint(&line, style))?;
        }
    }
    Ok(())
}

fn write_fields(source: &SourceFields, width: usize, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let absent = source.fields.iter().filter(|f| !f.seen).count();
    let head = format!(
        "Fields of {}, {} events: rules ask for {}, {absent} of them never seen",
        printable(&source.title),
        grouped(source.events),
        source.fields.len()
    );
    writeln!(out)?;
    for line in wrap(&head, width) {
        writeln!(out, "{}", bold(&line, style))?;
    }
    let longest = source.fields.iter().map(|f| printable(&f.field).chars().count()).max().unwrap_or(0).min(width.saturating_sub(34).clamp(16, 90));
    for f in &source.fields {
        let state = match (f.seen, f.unmapped) {
            (true, _) => "seen",
            (false, true) => "not in the mapping",
            (false, false) => "never seen",
        };
        let rules = if f.rules == 1 { "rule" } else { "rules" };
        let padded = format!("{:longest$}", printable(&f.field));
        let line = format!("  {padded}  {:>4} {rules:5}  {state}", f.rules);
        writeln!(out, "{}", if f.seen { faint(&line, style) } else { line })?;
        if !f.similar.is_empty() {
            for line in wrap(&printable(&format!("did you mean {}?", f.similar.join(", "))), width.saturating_sub(6)) {
                writeln!(out, "      {line}")?;
            }
        }
    }
    Ok(())
}
