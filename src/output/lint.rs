//! Findings of the lint: lines that editors can jump to, and `auditmill.lint/v1`.

use super::printable;
use super::table::Style;
use crate::exit::ExitStatus;
use crate::rule::lint::{Check, Lint, LintFinding, Severity};
use crate::source::lint as mappings;
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    files: usize,
    documents: usize,
    not_rules: &'a [String],
    counts: Counts,
    hidden: Counts,
    exit_status: u8,
    findings: Vec<FindingJson<'a>>,
}

#[derive(Serialize)]
struct Counts {
    error: usize,
    warning: usize,
    note: usize,
}

/// A finding as every lint writes it.
#[derive(Serialize)]
pub struct FindingJson<'a> {
    file: &'a str,
    line: usize,
    severity: Severity,
    id: &'static str,
    message: &'a str,
    help: &'a str,
}

#[derive(Serialize)]
struct CheckJson {
    id: &'static str,
    severity: Severity,
    severity_in_own_pack: Severity,
    describes: &'static str,
}

fn painted(text: &str, severity: Severity, style: Style) -> String {
    if !style.color {
        return text.to_owned();
    }
    let code = match severity {
        Severity::Error => "1;31",
        Severity::Warning => "33",
        Severity::Note => "36",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

impl<'a> From<&'a LintFinding> for FindingJson<'a> {
    fn from(f: &'a LintFinding) -> FindingJson<'a> {
        FindingJson { file: &f.file, line: f.line, severity: f.severity, id: f.check.id(), message: &f.message, help: &f.help }
    }
}

impl<'a> From<&'a mappings::LintFinding> for FindingJson<'a> {
    fn from(f: &'a mappings::LintFinding) -> FindingJson<'a> {
        FindingJson { file: &f.file, line: f.line, severity: f.severity, id: f.check.id(), message: &f.message, help: &f.help }
    }
}

/// Writes `file:line: severity[id]: message` and a line of help for each finding.
pub fn write_text<'a>(findings: impl Iterator<Item = impl Into<FindingJson<'a>>>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for f in findings {
        let f: FindingJson<'a> = f.into();
        let label = painted(&format!("{}[{}]", f.severity.name(), f.id), f.severity, style);
        writeln!(out, "{}:{}: {label}: {}", printable(f.file), f.line, printable(f.message))?;
        writeln!(out, "  help: {}", printable(f.help))?;
    }
    Ok(())
}

/// Writes the whole document; `shown` are the findings that it lists, the counts hold all.
pub fn write_json(lint: &Lint, shown: &[&LintFinding], status: ExitStatus, out: &mut dyn Write) -> io::Result<()> {
    let hidden = |s: Severity| lint.count(s) - shown.iter().filter(|f| f.severity == s).count();
    let document = Document {
        schema: "auditmill.lint/v1",
        files: lint.files,
        documents: lint.documents,
        not_rules: &lint.not_rules,
        counts: Counts { error: lint.count(Severity::Error), warning: lint.count(Severity::Warning), note: lint.count(Severity::Note) },
        hidden: Counts { error: hidden(Severity::Error), warning: hidden(Severity::Warning), note: hidden(Severity::Note) },
        exit_status: status.code(),
        findings: shown.iter().map(|f| FindingJson::from(*f)).collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// Writes the findings of a lint of mapping files as a document of its own.
pub fn write_mappings_json(lint: &mappings::Lint, shown: &[&mappings::LintFinding], status: ExitStatus, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Mappings<'a> {
        schema: &'static str,
        files: usize,
        counts: Counts,
        hidden: Counts,
        exit_status: u8,
        findings: Vec<FindingJson<'a>>,
    }
    let hidden = |s: Severity| lint.count(s) - shown.iter().filter(|f| f.severity == s).count();
    let document = Mappings {
        schema: "auditmill.sources-lint/v1",
        files: lint.files,
        counts: Counts { error: lint.count(Severity::Error), warning: lint.count(Severity::Warning), note: lint.count(Severity::Note) },
        hidden: Counts { error: hidden(Severity::Error), warning: hidden(Severity::Warning), note: hidden(Severity::Note) },
        exit_status: status.code(),
        findings: shown.iter().map(|f| FindingJson::from(*f)).collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// A check as the lists of checks show it.
#[derive(Debug, Clone, Copy)]
pub struct CheckLine {
    id: &'static str,
    severity: Severity,
    own: Severity,
    describes: &'static str,
}

/// The checks of rule documents.
pub fn rule_checks() -> Vec<CheckLine> {
    Check::ALL.iter().map(|c| CheckLine { id: c.id(), severity: c.severity(false), own: c.severity(true), describes: c.describe() }).collect()
}

/// The checks of mapping files.
pub fn mapping_checks() -> Vec<CheckLine> {
    mappings::Check::ALL.iter().map(|c| CheckLine { id: c.id(), severity: c.severity(false), own: c.severity(true), describes: c.describe() }).collect()
}

/// Lists the checks: id, severity, what is wrong when one fires.
pub fn write_checks_text(checks: &[CheckLine], built_in: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let width = checks.iter().map(|c| c.id.len()).max().unwrap_or_default();
    for check in checks {
        let raised = if check.own == check.severity { String::new() } else { format!(" ({} in the built-in {built_in})", check.own.name()) };
        let name = painted(&format!("{:7}", check.severity.name()), check.severity, style);
        writeln!(out, "{:width$}  {name}  {}{raised}", check.id, check.describes)?;
    }
    Ok(())
}

/// The same list as JSON.
pub fn write_checks_json(schema: &'static str, checks: &[CheckLine], out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct List {
        schema: &'static str,
        checks: Vec<CheckJson>,
    }
    let checks = checks.iter().map(|c| CheckJson { id: c.id, severity: c.severity, severity_in_own_pack: c.own, describes: c.describes }).collect();
    serde_json::to_writer(&mut *out, &List { schema, checks })?;
    out.write_all(b"\n")
}
