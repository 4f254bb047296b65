//! `auditmill sources test`

use super::SourcesTestArgs;
use crate::cli::test::{Tests, conclude};
use crate::cli::{Outcome, settings};
use crate::finding::mapping_tests::run_tests;

pub fn run(args: &SourcesTestArgs) -> Outcome {
    args.output.check_free()?;
    let sources = settings::load_sources(&args.sources)?;
    let files = settings::mapping_files(&args.sources)?;
    let outcomes = run_tests(&sources, &files)?;
    let untested = sources.mappings().iter().filter(|m| m.tests().is_ok_and(|t| t.is_empty())).count();
    let tests = Tests {
        command: "sources test",
        outcomes: &outcomes,
        name: |o| &o.rule_id,
        what: "mappings",
        carrying: (sources.mappings().len() - untested, untested),
        none: format!("0 tests: none of the {} mappings carries a test", sources.mappings().len()),
        hint: "note: a mapping's tests stand under its key `tests:`, a list of {event: {...}, expect: {column: value}}",
    };
    conclude(&tests, &args.output)
}
