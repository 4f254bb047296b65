//! Findings of the lint: lines that editors can jump to, and `auditmill.lint/v1`.

use super::printable;
use super::table::Style;
use crate::exit::ExitStatus;
use crate::rule::lint::{Finding, Lint, LintCheck, LintFinding, Severity};
use crate::source::lint as mappings;
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct About<'a> {
    schema: &'static str,
    files: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_rules: Option<&'a [String]>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    about: About<'a>,
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

#[derive(Serialize)]
struct FindingJson<'a> {
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

impl Counts {
    fn of<'f, C: 'f>(findings: impl Iterator<Item = &'f Finding<C>>) -> Counts {
        let mut counts = Counts { error: 0, warning: 0, note: 0 };
        for finding in findings {
            *match finding.severity {
                Severity::Error => &mut counts.error,
                Severity::Warning => &mut counts.warning,
                Severity::Note => &mut counts.note,
            } += 1;
        }
        counts
    }
}

impl<'a, C: LintCheck> From<&'a Finding<C>> for FindingJson<'a> {
    fn from(f: &'a Finding<C>) -> FindingJson<'a> {
        FindingJson { file: &f.file, line: f.line, severity: f.severity, id: f.check.id(), message: &f.message, help: &f.help }
    }
}

/// Writes `file:line: severity[id]: message` and a line of help for each finding.
pub fn write_text<C: LintCheck>(findings: &[&Finding<C>], style: Style, out: &mut dyn Write) -> io::Result<()> {
    for f in findings {
        let label = painted(&format!("{}[{}]", f.severity.name(), f.check.id()), f.severity, style);
        writeln!(out, "{}:{}: {label}: {}", printable(&f.file), f.line, printable(&f.message))?;
        writeln!(out, "  help: {}", printable(&f.help))?;
    }
    Ok(())
}

/// Writes the whole document of a lint of rules; `shown` are the findings that it lists, the counts hold all.
pub fn write_json(lint: &Lint, shown: &[&LintFinding], status: ExitStatus, out: &mut dyn Write) -> io::Result<()> {
    let about = About { schema: "auditmill.lint/v1", files: lint.files, documents: Some(lint.documents), not_rules: Some(&lint.not_rules) };
    write_document(about, &lint.findings, shown, status, out)
}

/// As [`write_json`], of a lint of mapping files.
pub fn write_mappings_json(lint: &mappings::Lint, shown: &[&mappings::LintFinding], status: ExitStatus, out: &mut dyn Write) -> io::Result<()> {
    let about = About { schema: "auditmill.sources-lint/v1", files: lint.files, documents: None, not_rules: None };
    write_document(about, &lint.findings, shown, status, out)
}

fn write_document<C: LintCheck>(about: About<'_>, all: &[Finding<C>], shown: &[&Finding<C>], status: ExitStatus, out: &mut dyn Write) -> io::Result<()> {
    let (counts, listed) = (Counts::of(all.iter()), Counts::of(shown.iter().copied()));
    let hidden = Counts { error: counts.error - listed.error, warning: counts.warning - listed.warning, note: counts.note - listed.note };
    let findings = shown.iter().map(|f| FindingJson::from(*f)).collect();
    serde_json::to_writer(&mut *out, &Document { about, counts, hidden, exit_status: status.code(), findings })?;
    out.write_all(b"\n")
}

/// Lists the checks of a table: id, severity, what is wrong when one fires.
pub fn write_checks_text<C: LintCheck>(built_in: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let width = C::EVERY.iter().map(|c| c.id().len()).max().unwrap_or_default();
    for check in C::EVERY {
        let (severity, own) = (check.severity(false), check.severity(true));
        let raised = if own == severity { String::new() } else { format!(" ({} in the built-in {built_in})", own.name()) };
        let name = painted(&format!("{:7}", severity.name()), severity, style);
        writeln!(out, "{:width$}  {name}  {}{raised}", check.id(), check.describe())?;
    }
    Ok(())
}

/// The same list as JSON.
pub fn write_checks_json<C: LintCheck>(schema: &'static str, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct List {
        schema: &'static str,
        checks: Vec<CheckJson>,
    }
    let json = |c: &C| CheckJson { id: c.id(), severity: c.severity(false), severity_in_own_pack: c.severity(true), describes: c.describe() };
    serde_json::to_writer(&mut *out, &List { schema, checks: C::EVERY.iter().map(json).collect() })?;
    out.write_all(b"\n")
}
