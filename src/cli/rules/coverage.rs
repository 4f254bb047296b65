//! `auditmill rules coverage`

use crate::cli::args::{ListFormat, RulesCoverageArgs, StateArg};
use crate::cli::{Outcome, settings, worst};
use crate::finding::coverage::KeySample;
use crate::finding::scan::ScanRequest;
use crate::output::coverage::{State, coverage, write_json, write_table};
use std::io::{self, BufWriter, Write};

impl From<StateArg> for State {
    fn from(arg: StateArg) -> State {
        match arg {
            StateArg::Ran => State::Ran,
            StateArg::CouldNotMatch => State::CouldNotMatch,
            StateArg::NotAssessable => State::NotAssessable,
            StateArg::NotApplicable => State::NotApplicable,
            StateArg::NotLoaded => State::NotLoaded,
            StateArg::Skipped => State::Skipped,
        }
    }
}

pub fn run(args: &RulesCoverageArgs) -> Outcome {
    let sources = settings::load_sources(&args.input.sources)?;
    let rules = settings::load_rules_to_run(&args.rules)?;
    let databases = settings::databases(&args.geo)?;
    let found = settings::find_inputs(&args.input, args.talk.force)?;
    let keys = KeySample::default();
    let result = settings::scan(
        &args.input,
        &args.talk,
        ScanRequest {
            databases: databases.clone(),
            render: Some(&|batch, row, bytes, _| keys.take(batch, row, bytes)),
            ..ScanRequest::new(found, &sources, &rules)
        },
    )?;
    let statuses = crate::cli::scan::statuses(&result, None);
    let coverage = coverage(&result, &keys, args.state.map(State::from), statuses.iter().map(|s| s.code()).collect());
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        ListFormat::Json => write_json(&coverage, &mut out)?,
        ListFormat::Table => write_table(&coverage, settings::style(&args.talk), &mut out)?,
    }
    out.flush()?;
    Ok(worst(&statuses))
}
