//! `auditmill inspect`

use super::args::{CompletenessArgs, InputArgs, ListFormat, TalkArgs, TimeArgs};
use super::{Outcome, say, settings, worst};
use crate::diag::UserError;
use crate::exit::ExitStatus;
use crate::finding::completeness::{Given, coverage};
use crate::finding::inspect::{InspectRequest, Inspection, Proposed, inspect};
use crate::output::completeness::write_completeness;
use crate::output::inspect::{write_json, write_proposal, write_text};
use crate::output::write::{check_free, write_file};
use crate::output::{grouped, printable};
use clap::Args;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  auditmill inspect logs/                                         what was made of each file\n  auditmill inspect vault.csv --write sources/vault.yml           a mapping for a log that nothing knows\n  auditmill scan vault.csv --sources default --sources sources/   the next run uses it\n\nExit status: 0 done; 2 fix an argument or a mapping; 3 some input is of no known source or has rejects."
)]
pub struct InspectArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub completeness: CompletenessArgs,
    #[command(flatten)]
    pub time: TimeArgs,
    /// Write the mapping that is proposed for a file of no known source
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub write: Option<PathBuf>,
    /// How to write the inspection; files are told whole, the period is for the coverage
    #[arg(long, value_enum, default_value_t = ListFormat::Table, help_heading = "Output")]
    pub format: ListFormat,
    #[command(flatten)]
    pub talk: TalkArgs,
}

pub fn run(args: &InspectArgs) -> Outcome {
    if let Some(path) = &args.write {
        check_free(path, args.talk.force)?;
        if !path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            return Err(UserError::new(format!("--write {}: mapping files end in .yml or .yaml", path.display()))
                .help("others are not read by --sources")
                .into());
        }
    }
    let asked = settings::period(&args.time)?;
    let zone = settings::zone(&args.time)?;
    let sources = settings::load_sources(&args.input.sources)?;
    let (scope, provenance) = settings::given(&args.completeness, &sources)?;
    let found = settings::find_inputs(&args.input, args.talk.force)?;
    let bar = settings::progress(found.inputs.len(), &args.talk);
    let given = Given { scope: scope.as_ref(), provenance: provenance.as_ref(), as_of: asked.as_of, zone };
    let mut known = None;
    let request = InspectRequest {
        found,
        sources: &sources,
        threads: settings::threads(&args.input),
        window: asked.window,
        tell_places: args.format == ListFormat::Json || scope.is_some(),
        progress: &|n| bar.inc(n as u64),
    };
    let result = inspect(request, &mut |scan, spools| {
        known = Some(coverage(scan, &given));
        match &args.input.rejects {
            Some(path) => write_file(path, args.talk.force, |out| crate::output::events::write_rejects(scan, spools, out)),
            None => Ok(()),
        }
    })?;
    let coverage = known.ok_or_else(|| UserError::new("the run failed: it told nothing"))?;
    bar.finish_and_clear();
    let status = if result.incomplete { ExitStatus::InputIncomplete } else { ExitStatus::Done };
    // A mapping that is written is not shown as well.
    let written = args.write.as_deref().map(|path| write_mapping(&result, path, args.talk.force)).transpose()?.flatten();
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        ListFormat::Json => write_json(&result, &coverage, vec![status.code()], &mut out)?,
        ListFormat::Table => {
            write_text(&result, settings::style(&args.talk), &mut out)?;
            for p in result.proposals.iter().filter(|p| !written.is_some_and(|w| std::ptr::eq(w, *p))) {
                writeln!(out)?;
                write_proposal(p, &mut out)?;
            }
        }
    }
    out.flush()?;
    if !args.talk.quiet {
        talk(&result, written, args.write.as_deref());
        let mut summary = Vec::new();
        write_completeness(&coverage, &mut summary)?;
        if !summary.is_empty() {
            say(String::from_utf8_lossy(&summary).trim_end());
        }
    }
    Ok(worst(&[status]))
}

/// Writes the first mapping that is proposed; none when there is none.
fn write_mapping<'p>(result: &'p Inspection<'_>, path: &Path, force: bool) -> Result<Option<&'p Proposed>, UserError> {
    let Some(proposed) = result.proposals.first() else { return Ok(None) };
    write_file(path, force, |out| write_proposal(proposed, out))?;
    Ok(Some(proposed))
}

fn talk(result: &Inspection<'_>, written: Option<&Proposed>, path: Option<&Path>) {
    let t = result.totals;
    let without = result.files.iter().filter(|f| !f.has_events()).count();
    say(&format!(
        "{} records = {} accepted + {} rejected + {} duplicates; {without} of {} files gave no events",
        grouped(t.read),
        grouped(t.accepted),
        grouped(t.rejected),
        grouped(t.duplicates),
        grouped(result.files.len() as u64)
    ));
    if result.conflicts > 0 {
        say(&format!("note: {} event ids occur with different content; all versions were kept", grouped(result.conflicts)));
    }
    for p in &result.proposals {
        let reads: Vec<String> = p
            .reads
            .iter()
            .take(3)
            .map(|(file, events, rejected)| format!("{} ({} events, {} rejected)", printable(file), grouped(*events), grouped(*rejected)))
            .collect();
        let more = if p.reads.len() > 3 { format!(" and {} more files", p.reads.len() - 3) } else { String::new() };
        let place = match (written.is_some_and(|w| std::ptr::eq(w, p)), path) {
            (true, Some(path)) => {
                let shown = path.display().to_string();
                format!("is written to {}: check it, then run with --sources default --sources {}", printable(&shown), printable(&shown))
            }
            _ => "is proposed: --write sources/x.yml writes it".into(),
        };
        say(&format!("note: a mapping that reads {}{more} {place}", reads.join(", ")));
    }
    if written.is_some() && result.proposals.len() > 1 {
        say("note: one mapping was written; run this again with --sources default --sources and that file for the next");
    }
    for (file, reason) in &result.not_proposed {
        say(&format!("note: no mapping is proposed for {}: {}", printable(file), printable(reason)));
    }
    if path.is_some() && written.is_none() {
        say("note: nothing was written: no mapping is proposed");
    }
}
