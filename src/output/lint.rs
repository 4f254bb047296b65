//! Findings of the lint: lines that editors can jump to, and `auditmill.lint/v1`.

use super::printable;
use super::table::Style;
use crate::exit::ExitStatus;
use crate::rule::lint::{Check, Lint, LintFinding, Severity};
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

/// Writes `file:line: severity[id]: message` and a line of help for each finding.
pub fn write_text(findings: &[&LintFinding], style: Style, out: &mut dyn Write) -> io::Result<()> {
    for f in findings {
        let label = painted(&format!("{}[{}]", f.severity.name(), f.check.id()), f.severity, style);
        writeln!(out, "{}:{}: {label}: {}", printable(&f.file), f.line, printable(&f.message))?;
        writeln!(out, "  help: {}", printable(&f.help))?;
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
        findings: shown
            .iter()
            .map(|f| FindingJson { file: &f.file, line: f.line, severity: f.severity, id: f.check.id(), message: &f.message, help: &f.help })
            .collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// Lists the checks: id, severity, what is wrong when one fires.
pub fn write_checks_text(style: Style, out: &mut dyn Write) -> io::Result<()> {
    let width = Check::ALL.iter().map(|c| c.id().len()).max().unwrap_or_default();
    for check in Check::ALL {
        let (severity, own) = (check.severity(false), check.severity(true));
        let raised = if own == severity { String::new() } else { format!(" ({} in the built-in rules)", own.name()) };
        let name = painted(&format!("{:7}", severity.name()), severity, style);
        writeln!(out, "{:width$}  {name}  {}{raised}", check.id(), check.describe())?;
    }
    Ok(())
}

/// The same list as JSON.
pub fn write_checks_json(out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct List {
        schema: &'static str,
        checks: Vec<CheckJson>,
    }
    let checks = Check::ALL
        .iter()
        .map(|c| CheckJson { id: c.id(), severity: c.severity(false), severity_in_own_pack: c.severity(true), describes: c.describe() })
        .collect();
    serde_json::to_writer(&mut *out, &List { schema: "auditmill.lint-checks/v1", checks })?;
    out.write_all(b"\n")
}
