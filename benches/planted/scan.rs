//! The binary under test, run as a user runs it.

use crate::Fault;
use crate::score::Report;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A scan that was made.
pub struct Scan {
    /// What it wrote.
    pub report: Report,
    /// How long it ran.
    pub took: Duration,
    /// How it was called.
    pub command: String,
    /// Whether the binary knows databases of addresses.
    pub located: bool,
}

/// The binary: the one that cargo built beside this, or the one that is named in `AUDITMILL_BIN`.
pub fn binary() -> Result<PathBuf, Fault> {
    let built = option_env!("CARGO_BIN_EXE_auditmill").map(PathBuf::from);
    std::env::var_os("AUDITMILL_BIN").map(PathBuf::from).or(built).ok_or_else(|| "AUDITMILL_BIN names no binary".into())
}

/// Scans a folder of logs with the built-in rules.
pub fn scan(logs: &Path, databases: &Path, out: &Path, more: &[String]) -> Result<Scan, Fault> {
    let binary = binary()?;
    let help = Command::new(&binary).args(["scan", "--help"]).output()?;
    let located = String::from_utf8_lossy(&help.stdout).contains("--geoip");
    let mut command = Command::new(&binary);
    command.arg("scan").arg(logs).args(["--format", "json", "--force", "-o"]).arg(out);
    if located {
        command.arg("--geoip").arg(databases);
    }
    command.args(more);
    let words: Vec<String> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let begun = Instant::now();
    let output = command.output()?;
    let took = begun.elapsed();
    // 1 says that there are findings; all else is a fault of this benchmark or of the binary.
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(format!("the scan ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    let report = serde_json::from_slice(&std::fs::read(out)?)?;
    Ok(Scan { report, took, command: format!("auditmill {}", words.join(" ")), located })
}
