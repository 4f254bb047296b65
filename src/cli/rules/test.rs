//! `auditmill rules test`

use crate::cli::args::RulesTestArgs;
use crate::cli::test::{Tests, conclude};
use crate::cli::{Outcome, say, settings};
use crate::finding::rule_tests::run_tests;
use crate::output::printable;

pub fn run(args: &RulesTestArgs) -> Outcome {
    args.output.check_free()?;
    let (set, vars, files) = settings::load_rule_files(&args.rules)?;
    let sources = settings::load_sources(&args.sources)?;
    let outcomes = run_tests(&set, &files, &vars, &sources);
    for rule in &set.rules {
        if let Some(reason) = &rule.meta.tests_unread {
            say(&format!("warning: {}:{}: its `tests` are not tests of auditmill and were not run: {}", rule.meta.file, rule.meta.line, printable(reason)));
        }
    }
    let untested = set.rules.iter().filter(|r| r.meta.tests.is_empty()).count();
    let tests = Tests {
        command: "rules test",
        outcomes: &outcomes,
        name: |o| &o.rule,
        what: "rules",
        carrying: (set.rules.len() - untested, untested),
        none: match untested {
            0 => "0 tests: no rule was loaded".to_owned(),
            n => format!("0 tests: none of the {n} rules carries a test"),
        },
        hint: "note: a rule's tests stand under its key `tests:`, a list of {name, expect: match or no_match, events: [...]}",
    };
    conclude(&tests, &args.output)
}
