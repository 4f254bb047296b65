//! `auditmill events`

use super::args::{EventsArgs, EventsFormat};
use super::{Failure, Outcome, settings, worst};
use crate::diag::UserError;
use crate::event::Column;
use crate::event::derived::Derived;
use crate::finding::scan::ScanRequest;
use crate::output::events::{render_event, write_events};
use crate::output::parquet::write_parquet;
use crate::output::write::{check_free, write_file};
use crate::rule::load::RuleSet;
use std::io::{self, BufWriter, IsTerminal, Write};

pub fn run(args: EventsArgs) -> Outcome {
    if let Some(path) = &args.output {
        check_free(path, args.talk.force)?;
    }
    if args.format == EventsFormat::Parquet && args.output.is_none() && io::stdout().is_terminal() {
        return Err(UserError::new("Parquet is not for a terminal").help("give -o FILE, or a pipe").into());
    }
    let asked = settings::period(&args.time)?;
    let sources = settings::load_sources(&args.input.sources)?;
    let rules = RuleSet::default();
    let databases = settings::databases(&args.geo)?;
    let found = settings::find_inputs(&args.input, args.talk.force)?;
    // Without a database the lines hold the columns and nothing else: scripts rely on it.
    let derived = if databases.is_empty() { &[] } else { Derived::OF_ADDRESS };
    let show_secrets = args.show_secrets;
    let mut result = settings::scan(
        &args.input,
        &args.talk,
        ScanRequest {
            columns: Column::ALL,
            derived,
            databases: databases.clone(),
            window: asked.window,
            render: Some(&|batch, row, bytes, out| render_event(batch, row, bytes, derived, show_secrets, out)),
            ..ScanRequest::new(found, &sources, &rules)
        },
    )?;
    settings::say_period(&asked, &result, &args.talk);
    let statuses = super::scan::statuses(&result, None);
    let spools = std::mem::take(&mut result.spools);
    let write = |out: &mut dyn Write| match args.format {
        EventsFormat::Ndjson => write_events(&result, spools, out),
        EventsFormat::Parquet => write_parquet(&result, spools, out),
    };
    match &args.output {
        Some(path) => write_file(path, args.talk.force, write)?,
        None => {
            let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
            write(&mut out).and_then(|()| out.flush()).map_err(Failure::from)?;
        }
    }
    if !args.talk.quiet {
        let t = result.totals;
        super::say(&format!("{} records = {} accepted + {} rejected + {} duplicates", t.read, t.accepted, t.rejected, t.duplicates));
    }
    Ok(worst(&statuses))
}
