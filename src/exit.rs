//! Exit status: what the shell learns from a run.

use std::process::ExitCode;

/// How a run ended. 2 outranks 3 outranks 1; the JSON output holds all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// The run finished and read all of its input.
    Done,
    /// At least one finding is at or above `--fail-on`.
    Findings,
    /// Some input could not be read; results were written without it.
    InputIncomplete,
    /// The user must fix an argument, a configuration or an own rule.
    UserError,
}

impl ExitStatus {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            ExitStatus::Done => 0,
            ExitStatus::Findings => 1,
            ExitStatus::UserError => 2,
            ExitStatus::InputIncomplete => 3,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status.code())
    }
}
