//! The command line: flags become settings once; nothing below this module knows clap.

mod args;
mod baseline;
mod events;
mod inspect;
mod lint;
mod report;
mod rules;
mod scan;
mod settings;
mod sources;
mod test;
mod timeline;

use crate::diag::UserError;
use crate::exit::ExitStatus;
use clap::Parser;
use std::ffi::OsString;
use std::io::{self, Write};

/// Runs a command line and gives the exit status.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitStatus {
    let parsed = match args::Cli::try_parse_from(arguments) {
        Ok(p) => p,
        Err(e) => {
            // Help and version are not errors; a closed pipe is none either.
            let _ = e.print();
            return if e.use_stderr() { ExitStatus::UserError } else { ExitStatus::Done };
        }
    };
    let result = match parsed.command {
        args::Command::Scan(a) => scan::run(a),
        args::Command::Report(a) => report::run(a),
        args::Command::Timeline(a) => timeline::run(a),
        args::Command::Events(a) => events::run(a),
        args::Command::Baseline(a) => baseline::run(a),
        args::Command::Inspect(a) => inspect::run(&a),
        args::Command::Rules(a) => rules::run(a),
        args::Command::Sources(a) => sources::run(a),
    };
    match result {
        Ok(status) => status,
        Err(Failure::ClosedPipe) => ExitStatus::Done,
        Err(Failure::User(e)) => {
            say(&format!("error: {e}"));
            if let Some(help) = &e.help {
                say(&format!("  help: {help}"));
            }
            ExitStatus::UserError
        }
    }
}

/// Why a command stopped.
enum Failure {
    /// The user must fix something.
    User(UserError),
    /// The reader of our output went away: a pipe to `head`.
    ClosedPipe,
}

impl From<UserError> for Failure {
    fn from(e: UserError) -> Failure {
        Failure::User(e)
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Failure {
        if e.kind() == io::ErrorKind::BrokenPipe { Failure::ClosedPipe } else { Failure::User(UserError::new(format!("the output cannot be written: {e}"))) }
    }
}

type Outcome = Result<ExitStatus, Failure>;

/// Talk goes to standard error; a closed one is nobody's loss.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The worst of several statuses: 2 outranks 3 outranks 1.
fn worst(statuses: &[ExitStatus]) -> ExitStatus {
    statuses.iter().copied().max().unwrap_or(ExitStatus::Done)
}
