//! `auditmill sources lint`

use super::SourcesLintArgs;
use crate::cli::args::TalkArgs;
use crate::cli::rules::{LintFormat, counted};
use crate::cli::{Outcome, say, settings};
use crate::exit::ExitStatus;
use crate::output::grouped;
use crate::output::lint::{mapping_checks, write_checks_json, write_checks_text, write_mappings_json, write_text};
use crate::rule::lint::Severity;
use crate::source::lint::{LintFinding, lint};
use std::io::{self, Write};

pub fn run(args: &SourcesLintArgs) -> Outcome {
    let style = settings::style(&TalkArgs { force: false, quiet: args.quiet, color: args.color });
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.list {
        match args.format {
            LintFormat::Table => write_checks_text(&mapping_checks(), "mappings", style, &mut out)?,
            LintFormat::Json => write_checks_json("auditmill.sources-lint-checks/v1", &mapping_checks(), &mut out)?,
        }
        out.flush()?;
        return Ok(ExitStatus::Done);
    }
    let chosen: Vec<String> = args.paths.iter().chain(&args.sources).cloned().collect();
    let files = settings::mapping_files(&chosen)?;
    // What is checked will mostly run beside the built-in mappings; an edited copy of one of these takes its place.
    let checked: Vec<Option<String>> = files.iter().map(|f| id_of(&f.text)).collect();
    let beside: Vec<_> =
        settings::mapping_files(&[])?.into_iter().filter(|b| !files.iter().any(|f| f.file == b.file) && !checked.contains(&id_of(&b.text))).collect();
    let result = lint(&files, &beside, &settings::load_activities(&chosen)?);
    let shown: Vec<&LintFinding> = result.findings.iter().filter(|f| f.severity >= args.min_severity.into()).collect();
    let failed = shown.iter().any(|f| args.strict || f.severity == Severity::Error);
    let status = if failed { ExitStatus::Findings } else { ExitStatus::Done };
    match args.format {
        LintFormat::Table => write_text(shown.iter().copied(), style, &mut out)?,
        LintFormat::Json => write_mappings_json(&result, &shown, status, &mut out)?,
    }
    out.flush()?;
    if !args.quiet {
        let count = |severity: Severity| {
            let n = result.count(severity);
            let hidden = n - shown.iter().filter(|f| f.severity == severity).count();
            let not_shown = if hidden > 0 { format!(" ({} not shown)", grouped(hidden as u64)) } else { String::new() };
            format!("{}{not_shown}", counted(n, severity.name()))
        };
        let counts: Vec<String> = Severity::ALL.into_iter().rev().map(count).collect();
        let more = if shown.len() < result.findings.len() { "; --min-severity note shows all" } else { "" };
        say(&format!("{} in {}{more}", counts.join(", "), counted(result.files, "file")));
    }
    Ok(status)
}

/// The id of a mapping file, where it has one.
fn id_of(text: &str) -> Option<String> {
    let document: yaml_serde::Value = yaml_serde::from_str(text).ok()?;
    document.get("id").and_then(|i| i.as_str()).map(str::to_owned)
}
