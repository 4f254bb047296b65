//! `auditmill sources`: one file a verb.

mod lint;
mod list;
mod test;

use super::Outcome;
use super::args::TalkArgs;
use super::lint::LintOutput;
use super::test::TestOutput;
use crate::exit::ExitStatus;
use crate::source::schema::mapping_schema_text;
use clap::{Args, Subcommand, ValueEnum};
use std::io::{self, Write};

#[derive(Debug, Clone, Args)]
pub struct SourcesArgs {
    #[command(subcommand)]
    pub command: SourcesCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SourcesCommand {
    /// List the mappings, or the activities and what maps to them
    List(SourcesListArgs),
    /// Check mapping files: what does not load, and what is probably not meant
    Lint(SourcesLintArgs),
    /// Run the tests that mappings carry
    Test(SourcesTestArgs),
    /// Print the JSON Schema of mapping files, for editors
    Schema,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourcesFormat {
    Table,
    Markdown,
    Json,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  auditmill sources list --activities --format json")]
pub struct SourcesListArgs {
    /// Mapping files to use in place of the built-in ones; `default` keeps those too
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    pub sources: Vec<String>,
    /// List the activities of the common language, with what maps to each from each source
    #[arg(long, help_heading = "Which")]
    pub activities: bool,
    /// How to write the list; activities are written as Markdown or JSON
    #[arg(long, value_enum, default_value_t = SourcesFormat::Table, help_heading = "Output")]
    pub format: SourcesFormat,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  auditmill sources lint mine/                            errors and warnings of a folder\n  auditmill sources lint mine/vault.yml --min-severity note\n  auditmill sources lint --list                           all checks\n\nExit status: 0 nothing at severity error; 1 an error, or with --strict anything shown; 2 fix an argument."
)]
pub struct SourcesLintArgs {
    /// Mapping files or folders to check in place of the built-in ones; `default` checks those too
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// The same as PATH
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    pub sources: Vec<String>,
    /// Exit status 1 for anything that is shown, not for errors alone
    #[arg(long, help_heading = "Output")]
    pub strict: bool,
    /// List the checks and check nothing
    #[arg(long, conflicts_with_all = ["paths", "sources", "strict", "min_severity"])]
    pub list: bool,
    #[command(flatten)]
    pub output: LintOutput,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  auditmill sources test --sources mine/ --format junit -o sources.xml\n\nExit status 1 when a test failed.")]
pub struct SourcesTestArgs {
    /// Mapping files to test in place of the built-in ones; `default` tests those too
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    pub sources: Vec<String>,
    #[command(flatten)]
    pub output: TestOutput,
}

pub fn run(args: SourcesArgs) -> Outcome {
    match args.command {
        SourcesCommand::List(a) => list::run(&a),
        SourcesCommand::Lint(a) => lint::run(&a),
        SourcesCommand::Test(a) => test::run(&a),
        SourcesCommand::Schema => {
            io::stdout().lock().write_all(mapping_schema_text().as_bytes())?;
            Ok(ExitStatus::Done)
        }
    }
}
