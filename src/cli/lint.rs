//! What `rules lint` and `sources lint` share: their flags' values, their lists of checks, and how they end.

use super::args::{ColorArg, TalkArgs};
use super::{Failure, say, settings};
use crate::exit::ExitStatus;
use crate::output::grouped;
use crate::output::lint::{write_checks_json, write_checks_text};
use crate::output::table::Style;
use crate::rule::lint::{Finding, LintCheck, Severity, count};
use clap::{Args, ValueEnum};
use std::io::{self, BufWriter, Write};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    Table,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SeverityArg {
    Note,
    Warning,
    Error,
}

impl From<SeverityArg> for Severity {
    fn from(arg: SeverityArg) -> Severity {
        match arg {
            SeverityArg::Note => Severity::Note,
            SeverityArg::Warning => Severity::Warning,
            SeverityArg::Error => Severity::Error,
        }
    }
}

/// What is shown of a lint, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct LintOutput {
    /// Show what is at least this severe; the closing counts hold the rest
    #[arg(long, value_enum, default_value_t = SeverityArg::Warning, value_name = "SEVERITY")]
    pub min_severity: SeverityArg,
    /// How to write the findings
    #[arg(long, value_enum, default_value_t = LintFormat::Table)]
    pub format: LintFormat,
    /// No closing counts
    #[arg(short, long)]
    pub quiet: bool,
    /// Colours on a terminal (NO_COLOR is honoured)
    #[arg(long, value_enum, default_value_t = ColorArg::Auto, value_name = "WHEN")]
    pub color: ColorArg,
}

impl LintOutput {
    /// How standard output is to look.
    pub fn style(&self) -> Style {
        settings::style(&TalkArgs { force: false, quiet: self.quiet, color: self.color })
    }
}

/// Lists the checks of a table; `built_in` is what it checks in the plural.
pub fn list_checks<C: LintCheck>(format: LintFormat, schema: &'static str, built_in: &str, style: Style) -> Result<ExitStatus, Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match format {
        LintFormat::Table => write_checks_text::<C>(built_in, style, &mut out)?,
        LintFormat::Json => write_checks_json::<C>(schema, &mut out)?,
    }
    out.flush()?;
    Ok(ExitStatus::Done)
}

/// The findings that are shown, and the exit status that they give.
pub fn chosen<C>(all: &[Finding<C>], least: SeverityArg, strict: bool) -> (Vec<&Finding<C>>, ExitStatus) {
    let shown: Vec<&Finding<C>> = all.iter().filter(|f| f.severity >= least.into()).collect();
    let failed = shown.iter().any(|f| strict || f.severity == Severity::Error);
    (shown, if failed { ExitStatus::Findings } else { ExitStatus::Done })
}

/// Says how many there are of each severity, and in what.
pub fn say_counts<C>(all: &[Finding<C>], shown: &[&Finding<C>], inside: &str) {
    let count = |severity: Severity| {
        let n = count(all, severity);
        let hidden = n - shown.iter().filter(|f| f.severity == severity).count();
        let not_shown = if hidden > 0 { format!(" ({} not shown)", grouped(hidden as u64)) } else { String::new() };
        format!("{}{not_shown}", counted(n, severity.name()))
    };
    let counts: Vec<String> = Severity::ALL.into_iter().rev().map(count).collect();
    let more = if shown.len() < all.len() { "; --min-severity note shows all" } else { "" };
    say(&format!("{} in {inside}{more}", counts.join(", ")));
}

/// A number and what it counts.
pub fn counted(n: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(n as u64), if n == 1 { "" } else { "s" })
}
