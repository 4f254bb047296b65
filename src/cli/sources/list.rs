//! `auditmill sources list`

use super::{SourcesFormat, SourcesListArgs};
use crate::cli::{Outcome, say, settings};
use crate::diag::UserError;
use crate::exit::ExitStatus;
use crate::output::grouped;
use crate::output::sources::{activities_page, source_entry, write_activities_json, write_json, write_table};
use crate::source::activities::table;
use std::io::{self, BufWriter, Write};

pub fn run(args: &SourcesListArgs) -> Outcome {
    let sources = settings::load_sources(&args.sources)?;
    let files = settings::mapping_files(&args.sources)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.activities {
        let texts: Vec<(String, String)> =
            files.iter().filter_map(|f| sources.mappings().iter().find(|m| m.file == f.file).map(|m| (m.id.clone(), f.text.clone()))).collect();
        let entries = table(&settings::load_activities(&args.sources)?, &texts);
        match args.format {
            SourcesFormat::Json => write_activities_json(&entries, &mut out)?,
            SourcesFormat::Table | SourcesFormat::Markdown => out.write_all(activities_page(&entries).as_bytes())?,
        }
        out.flush()?;
        return Ok(ExitStatus::Done);
    }
    let own: Vec<&str> = files.iter().filter(|f| f.own).map(|f| f.file.as_str()).collect();
    let entries: Vec<_> = sources.mappings().iter().map(|m| source_entry(m, own.contains(&m.file.as_str()))).collect();
    match args.format {
        SourcesFormat::Json => write_json(&sources, &entries, &mut out)?,
        SourcesFormat::Table => write_table(&entries, settings::style(&args.talk), &mut out)?,
        SourcesFormat::Markdown => {
            return Err(UserError::new("--format markdown is for --activities").help("give --activities, or --format table or json").into());
        }
    }
    out.flush()?;
    if !args.talk.quiet {
        say(&format!("{} mappings", grouped(entries.len() as u64)));
    }
    Ok(ExitStatus::Done)
}
