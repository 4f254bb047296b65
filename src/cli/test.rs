//! What `rules test` and `sources test` share: how the outcomes of tests that files carry are written, and the status.

use super::args::TalkArgs;
use super::{Outcome, say};
use crate::diag::UserError;
use crate::exit::ExitStatus;
use crate::finding::rule_tests::Outcome as TestOutcome;
use crate::output::junit::write_junit;
use crate::output::printable;
use crate::output::write::{check_free, write_file};
use clap::{Args, ValueEnum};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    Text,
    Junit,
}

/// Where the outcomes go, and how they are written.
#[derive(Debug, Clone, Args)]
pub struct TestOutput {
    /// How to write the results
    #[arg(long, value_enum, default_value_t = TestFormat::Text, help_heading = "Output")]
    pub format: TestFormat,
    /// Write the results to a file
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub talk: TalkArgs,
}

impl TestOutput {
    /// Fails early when a file that may not be overwritten is there.
    pub fn check_free(&self) -> Result<(), UserError> {
        self.output.as_deref().map_or(Ok(()), |path| check_free(path, self.talk.force))
    }
}

/// The tests of a run, and what to say of them.
pub struct Tests<'a> {
    /// The command, such as `rules test`.
    pub command: &'static str,
    /// What came of each.
    pub outcomes: &'a [TestOutcome],
    /// The name of what carries a test, in the plain text.
    pub name: fn(&TestOutcome) -> &str,
    /// What is counted, in the plural.
    pub what: &'static str,
    /// How many of these carry tests, and how many carry none.
    pub carrying: (usize, usize),
    /// What is written where there is no test.
    pub none: String,
    /// Where tests stand.
    pub hint: &'static str,
}

/// Writes the outcomes; a failed test is exit status 1.
pub fn conclude(tests: &Tests<'_>, how: &TestOutput) -> Outcome {
    let (format, output, talk) = (how.format, how.output.as_deref(), &how.talk);
    let failed = tests.outcomes.iter().filter(|o| o.failure.is_some()).count();
    let passed = tests.outcomes.len() - failed;
    let write = |out: &mut dyn Write| match format {
        TestFormat::Text => write_text(tests, (passed, failed), out),
        TestFormat::Junit => write_junit(tests.command, tests.outcomes, out),
    };
    match output {
        Some(path) => write_file(path, talk.force, write)?,
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out)?;
            out.flush()?;
        }
    }
    if !talk.quiet {
        if tests.outcomes.is_empty() {
            say(tests.hint);
        } else if output.is_some() || format == TestFormat::Junit {
            say(&format!("{} tests: {passed} passed, {failed} failed", tests.outcomes.len()));
        }
    }
    Ok(if failed == 0 { ExitStatus::Done } else { ExitStatus::Findings })
}

fn write_text(tests: &Tests<'_>, (passed, failed): (usize, usize), out: &mut dyn Write) -> io::Result<()> {
    for o in tests.outcomes {
        let Some(text) = &o.failure else { continue };
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let name = printable((tests.name)(o));
        writeln!(out, "FAILED {}:{}: {name}: {}: {}", printable(&o.file), o.line, printable(&o.test), printable(first))?;
        for line in lines {
            writeln!(out, "    {}", printable(line))?;
        }
    }
    if tests.outcomes.is_empty() {
        return writeln!(out, "{}", tests.none);
    }
    let (what, (with, without)) = (tests.what, tests.carrying);
    writeln!(out, "{} tests of {with} {what}: {passed} passed, {failed} failed; {without} {what} carry no test", tests.outcomes.len())
}
