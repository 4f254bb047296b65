//! Soft failures as data: what could not be read or loaded, named so that a person can act on it.

use serde::Serialize;

/// An error that ends the run: the user must fix something first.
///
/// Shown as `error: MESSAGE` and, where there is one, `help: HELP`; exit status 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UserError {
    /// What is wrong, with the file and line where there is one.
    pub message: String,
    /// What to do instead.
    pub help: Option<String>,
}

impl UserError {
    /// An error without advice.
    pub fn new(message: impl Into<String>) -> UserError {
        UserError { message: message.into(), help: None }
    }

    /// The same error with advice.
    pub fn help(mut self, help: impl Into<String>) -> UserError {
        self.help = Some(help.into());
        self
    }
}

/// One piece of input that could not be used: a file, or a record of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reject {
    /// File, as named in every output.
    pub file: String,
    /// Record (1-based line, row or array index), or null for the file as a whole.
    pub record: Option<u64>,
    /// What was expected and what was found.
    pub reason: String,
}

/// One rule document that did not load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RuleProblem {
    /// Rule file.
    pub file: String,
    /// 1-based line of the document's start or of the fault.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl std::fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}
