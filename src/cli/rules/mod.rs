//! `auditmill rules`: one file a verb.

mod choose;
mod coverage;
mod explain;
mod lint;
mod list;
mod test;

pub use lint::LintArgs;

use super::Outcome;
use super::args::{RulesArgs, RulesCommand};

pub fn run(args: RulesArgs) -> Outcome {
    match args.command {
        RulesCommand::List(a) => list::run(&a),
        RulesCommand::Test(a) => test::run(&a),
        RulesCommand::Explain(a) => explain::run(&a),
        RulesCommand::Coverage(a) => coverage::run(&a),
        RulesCommand::Lint(a) => lint::run(&a),
        RulesCommand::Schema => lint::schema(),
    }
}
