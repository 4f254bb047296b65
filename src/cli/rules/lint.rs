//! `auditmill rules lint` and `auditmill rules schema`

use crate::cli::lint::{LintFormat, LintOutput, chosen, counted, list_checks, say_counts};
use crate::cli::{Outcome, settings};
use crate::exit::ExitStatus;
use crate::output::lint::{write_json, write_text};
use crate::rule::lint::{Check, lint};
use crate::rule::schema::rule_schema_text;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  auditmill rules lint --rules mine/                      errors and warnings of a folder\n  auditmill rules lint --rules mine/ --min-severity note  matters of style as well\n  auditmill rules lint --list                             all checks\n\nExit status: 0 nothing at severity error; 1 an error, or with --strict anything shown; 2 fix an argument."
)]
pub struct LintArgs {
    /// Rule files or folders to check in place of the built-in ones; `default` keeps those too
    #[arg(long, value_name = "DIR", help_heading = "Rules")]
    pub rules: Vec<String>,
    /// Lists and thresholds of your site, over the built-in ones
    #[arg(long, value_name = "FILE", help_heading = "Rules")]
    pub vars: Vec<PathBuf>,
    /// Exit status 1 for anything that is shown, not for errors alone
    #[arg(long, help_heading = "Rules")]
    pub strict: bool,
    /// List the checks and check nothing
    #[arg(long, conflicts_with_all = ["rules", "vars", "strict", "min_severity"])]
    pub list: bool,
    #[command(flatten)]
    pub output: LintOutput,
}

pub fn run(args: &LintArgs) -> Outcome {
    let style = args.output.style();
    if args.list {
        return list_checks::<Check>(args.output.format, "auditmill.lint-checks/v1", "rules", style);
    }
    let vars = settings::load_vars(&args.vars)?;
    let files = settings::lint_files(&args.rules)?;
    let result = lint(&files, &vars);
    let (shown, status) = chosen(&result.findings, args.output.min_severity, args.strict);
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.output.format {
        LintFormat::Table => write_text(&shown, style, &mut out)?,
        LintFormat::Json => write_json(&result, &shown, status, &mut out)?,
    }
    out.flush()?;
    if !args.output.quiet {
        let others = match result.not_rules.len() {
            0 => String::new(),
            n => format!("; {} without a rule", counted(n, "file")),
        };
        let (documents, files) = (counted(result.documents, "document"), counted(result.files, "file"));
        say_counts(&result.findings, &shown, &format!("{documents} of {files}{others}"));
    }
    Ok(status)
}

pub fn schema() -> Outcome {
    io::stdout().lock().write_all(rule_schema_text().as_bytes())?;
    Ok(ExitStatus::Done)
}
