//! `auditmill sources test`

use super::SourcesTestArgs;
use crate::cli::args::TestFormat;
use crate::cli::{Outcome, say, settings};
use crate::exit::ExitStatus;
use crate::finding::mapping_tests::run_tests;
use crate::finding::rule_tests::Outcome as TestOutcome;
use crate::output::junit::write_junit;
use crate::output::printable;
use crate::output::write::{check_free, write_file};
use std::io::{self, BufWriter, Write};

pub fn run(args: &SourcesTestArgs) -> Outcome {
    if let Some(path) = &args.output {
        check_free(path, args.talk.force)?;
    }
    let sources = settings::load_sources(&args.sources)?;
    let files = settings::mapping_files(&args.sources)?;
    let outcomes = run_tests(&sources, &files)?;
    let untested = sources.mappings.iter().filter(|m| m.tests.is_empty()).count();
    let write = |out: &mut dyn Write| match args.format {
        TestFormat::Text => write_text(sources.mappings.len(), untested, &outcomes, out),
        TestFormat::Junit => write_junit("sources test", &outcomes, out),
    };
    match &args.output {
        Some(path) => write_file(path, args.talk.force, write)?,
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out)?;
            out.flush()?;
        }
    }
    let failed = outcomes.iter().filter(|o| o.failure.is_some()).count();
    if !args.talk.quiet {
        if outcomes.is_empty() {
            say("note: a mapping's tests stand under its key `tests:`, a list of {event: {...}, expect: {column: value}}");
        } else if args.output.is_some() || args.format == TestFormat::Junit {
            say(&format!("{} tests: {} passed, {failed} failed", outcomes.len(), outcomes.len() - failed));
        }
    }
    Ok(if failed == 0 { ExitStatus::Done } else { ExitStatus::Findings })
}

fn write_text(mappings: usize, untested: usize, outcomes: &[TestOutcome], out: &mut dyn Write) -> io::Result<()> {
    let mut failed = 0;
    for o in outcomes {
        let Some(text) = &o.failure else { continue };
        failed += 1;
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        writeln!(out, "FAILED {}:{}: {}: {}: {}", printable(&o.file), o.line, printable(&o.rule_id), printable(&o.test), printable(first))?;
        for line in lines {
            writeln!(out, "    {}", printable(line))?;
        }
    }
    if outcomes.is_empty() {
        return writeln!(out, "0 tests: none of the {mappings} mappings carries a test");
    }
    writeln!(
        out,
        "{} tests of {} mappings: {} passed, {failed} failed; {untested} mappings carry no test",
        outcomes.len(),
        mappings - untested,
        outcomes.len() - failed,
    )
}
