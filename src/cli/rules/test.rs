//! `auditmill rules test`

use crate::cli::args::{RulesTestArgs, TestFormat};
use crate::cli::{Outcome, say, settings};
use crate::exit::ExitStatus;
use crate::finding::rule_tests::{Outcome as TestOutcome, run_tests};
use crate::output::junit::write_junit;
use crate::output::printable;
use crate::output::write::{check_free, write_file};
use crate::rule::load::RuleSet;
use std::io::{self, BufWriter, Write};

pub fn run(args: &RulesTestArgs) -> Outcome {
    if let Some(path) = &args.output {
        check_free(path, args.talk.force)?;
    }
    let (set, vars, files) = settings::load_rule_files(&args.rules)?;
    let sources = settings::load_sources(&args.sources)?;
    let outcomes = run_tests(&set, &files, &vars, &sources);
    for rule in &set.rules {
        if let Some(reason) = &rule.meta.tests_unread {
            say(&format!("warning: {}:{}: its `tests` are not tests of auditmill and were not run: {}", rule.meta.file, rule.meta.line, printable(reason)));
        }
    }
    let write = |out: &mut dyn Write| match args.format {
        TestFormat::Text => write_text(&set, &outcomes, out),
        TestFormat::Junit => write_junit("rules test", &outcomes, out),
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
            say("note: a rule's tests stand under its key `tests:`, a list of {name, expect: match or no_match, events: [...]}");
        } else if args.output.is_some() || args.format == TestFormat::Junit {
            say(&format!("{} tests: {} passed, {failed} failed", outcomes.len(), outcomes.len() - failed));
        }
    }
    Ok(if failed == 0 { ExitStatus::Done } else { ExitStatus::Findings })
}

fn write_text(set: &RuleSet, outcomes: &[TestOutcome], out: &mut dyn Write) -> io::Result<()> {
    let mut failed = 0;
    for o in outcomes {
        let Some(text) = &o.failure else { continue };
        failed += 1;
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        writeln!(out, "FAILED {}:{}: {}: {}: {}", printable(&o.file), o.line, printable(&o.rule), printable(&o.test), printable(first))?;
        for line in lines {
            writeln!(out, "    {}", printable(line))?;
        }
    }
    let untested = set.rules.iter().filter(|r| r.meta.tests.is_empty()).count();
    if outcomes.is_empty() {
        return match untested {
            0 => writeln!(out, "0 tests: no rule was loaded"),
            n => writeln!(out, "0 tests: none of the {n} rules carries a test"),
        };
    }
    writeln!(
        out,
        "{} tests of {} rules: {} passed, {failed} failed; {untested} rules carry no test",
        outcomes.len(),
        set.rules.len() - untested,
        outcomes.len() - failed,
    )
}
