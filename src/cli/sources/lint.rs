//! `auditmill sources lint`

use super::SourcesLintArgs;
use crate::cli::lint::{LintFormat, chosen, counted, list_checks, say_counts};
use crate::cli::{Outcome, settings};
use crate::output::lint::{write_mappings_json, write_text};
use crate::source::lint::{Check, lint};
use std::io::{self, Write};

pub fn run(args: &SourcesLintArgs) -> Outcome {
    let style = args.output.style();
    if args.list {
        return list_checks::<Check>(args.output.format, "auditmill.sources-lint-checks/v1", "mappings", style);
    }
    let paths: Vec<String> = args.paths.iter().chain(&args.sources).cloned().collect();
    let files = settings::mapping_files(&paths)?;
    // What is checked will mostly run beside the built-in mappings; an edited copy of one of these takes its place.
    let checked: Vec<Option<String>> = files.iter().map(|f| id_of(&f.text)).collect();
    let beside: Vec<_> =
        settings::mapping_files(&[])?.into_iter().filter(|b| !files.iter().any(|f| f.file == b.file) && !checked.contains(&id_of(&b.text))).collect();
    let result = lint(&files, &beside, &settings::load_activities(&paths)?);
    let (shown, status) = chosen(&result.findings, args.output.min_severity, args.strict);
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.output.format {
        LintFormat::Table => write_text(&shown, style, &mut out)?,
        LintFormat::Json => write_mappings_json(&result, &shown, status, &mut out)?,
    }
    out.flush()?;
    if !args.output.quiet {
        say_counts(&result.findings, &shown, &counted(result.files, "file"));
    }
    Ok(status)
}

/// The id of a mapping file, where it has one.
fn id_of(text: &str) -> Option<String> {
    let document: yaml_serde::Value = yaml_serde::from_str(text).ok()?;
    document.get("id").and_then(|i| i.as_str()).map(str::to_owned)
}
