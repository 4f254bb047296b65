//! `auditmill rules`

use super::args::{RulesArgs, RulesCommand, RulesListArgs};
use super::{Outcome, say, settings};
use crate::exit::ExitStatus;
use crate::finding::rule_tests::run_tests;
use crate::output::printable;
use crate::output::table::{level_text, new_table, trimmed};
use std::io::{self, Write};

pub fn run(args: RulesArgs) -> Outcome {
    match args.command {
        RulesCommand::List(a) => list(&a),
        RulesCommand::Test(a) => test(&a),
        RulesCommand::Lint(a) => super::lint::run(&a),
        RulesCommand::Schema => super::lint::schema(),
    }
}

fn list(args: &RulesListArgs) -> Outcome {
    let (set, _, _) = settings::load_rule_files(&args.rules)?;
    let style = settings::style(&args.talk);
    let mut table = new_table(style, &["LEVEL", "ROLE", "TITLE", "NAME", "FILE"]);
    for rule in &set.rules {
        let m = &rule.meta;
        table.add_row(vec![
            level_text(m.level, style),
            m.role.name().into(),
            printable(&m.title).into_owned(),
            m.name.clone().unwrap_or_default(),
            m.file.clone(),
        ]);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}", trimmed(&table))?;
    say(&format!("{} rules, {} not loaded, {} skipped by status; rules hash {}", set.rules.len(), set.problems.len(), set.skipped.len(), set.hash));
    Ok(ExitStatus::Done)
}

fn test(args: &RulesListArgs) -> Outcome {
    let (set, vars, files) = settings::load_rule_files(&args.rules)?;
    let sources = settings::load_sources(&args.sources)?;
    let outcomes = run_tests(&set, &files, &vars, &sources);
    let mut out = io::stdout().lock();
    let failed: Vec<_> = outcomes.iter().filter(|o| o.failure.is_some()).collect();
    for o in &failed {
        writeln!(out, "FAILED {}: {}: {}: {}", o.file, o.rule, o.test, printable(o.failure.as_deref().unwrap_or_default()))?;
    }
    let untested = set.rules.iter().filter(|r| r.meta.tests.is_empty()).count();
    writeln!(
        out,
        "{} tests of {} rules: {} passed, {} failed; {untested} rules carry no test",
        outcomes.len(),
        set.rules.len() - untested,
        outcomes.len() - failed.len(),
        failed.len()
    )?;
    Ok(if failed.is_empty() { ExitStatus::Done } else { ExitStatus::Findings })
}
