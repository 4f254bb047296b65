//! The completeness of the logs in the closing summary: what is missing or suspected, in a few lines.

use super::{grouped, printable, shorten};
use crate::finding::completeness::Coverage;
use std::io::{self, Write};

/// Lines of each kind.
const LINES: usize = 5;

/// Writes what the scope and the provenance say, and what looks like a cut; nothing where there is nothing to say.
pub fn write_completeness(coverage: &Coverage, out: &mut dyn Write) -> io::Result<()> {
    if let Some(scope) = &coverage.scope {
        writeln!(out, "Scope       {} expected: {} missing, {} silent for longer than allowed", scope.expected, scope.missing, scope.silent)?;
        let failing: Vec<_> = scope.entries.iter().filter(|e| matches!(e.state, "missing" | "silent")).collect();
        for e in failing.iter().take(LINES) {
            let system = printable(&e.system);
            let what = if e.kind == "system" { system.into_owned() } else { format!("{} {} of {system}", e.kind, printable(&shorten(&e.id, 60))) };
            let owner = printable(&e.owner);
            match e.silences.iter().max_by_key(|s| s.seconds) {
                None => writeln!(out, "            missing: {what} (owner: {owner})")?,
                Some(s) => writeln!(out, "            silent: {what} (owner: {owner}): {} from {} to {}", s.length, s.from, s.to)?,
            }
        }
        more(failing.len(), out)?;
    }
    if let Some(provenance) = &coverage.provenance {
        let agree = provenance.exports.iter().filter(|e| e.rows_agree == Some(true)).count();
        writeln!(
            out,
            "Provenance  {} exports, {agree} with as many rows as stated; nothing is stated of {} files",
            provenance.exports.len() + provenance.more_exports,
            grouped(provenance.files_without_count as u64)
        )?;
    }
    for s in coverage.suspicions.iter().take(LINES) {
        let place = s.file.as_ref().or(s.source.as_ref()).map_or(String::new(), |p| format!("{}: ", printable(p)));
        writeln!(out, "Suspicion   {place}{}", printable(&s.reason))?;
    }
    more(coverage.suspicions.len() + coverage.more_suspicions, out)
}

fn more(found: usize, out: &mut dyn Write) -> io::Result<()> {
    if found > LINES { writeln!(out, "            ... and {} more; --format json and the report list them", found - LINES) } else { Ok(()) }
}
