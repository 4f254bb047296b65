//! `auditmill timeline`

use super::args::{TimelineArgs, TimelineFormat};
use super::{Outcome, say, settings, worst};
use crate::diag::UserError;
use crate::engine::run::Keep;
use crate::event::time::parse_duration;
use crate::finding::addresses;
use crate::finding::scan::{Scan, ScanRequest};
use crate::output::table::Style;
use crate::output::timeline::{write_json, write_markdown, write_table};
use crate::output::write::{check_free, write_file};
use crate::rule::load::RuleSet;
use crate::timeline::{COLUMNS, Filter, Timeline, build};
use std::io::{self, BufWriter, Write};

/// The flag `--window`.
pub fn window(text: &str) -> Result<i64, UserError> {
    parse_duration(text).ok_or_else(|| UserError::new(format!("--window {text}: not a duration")).help("write a number and s, m, h, d or w, such as 1h"))
}

pub fn run(args: TimelineArgs) -> Outcome {
    if let Some(path) = &args.output {
        check_free(path, args.talk.force)?;
    }
    if args.around.is_none() && args.user.is_none() && args.resource.is_none() && args.ip.is_none() {
        return Err(UserError::new("a timeline needs --around EVENT_ID, --user, --resource or --ip")
            .help("for example: auditmill timeline logs/ --around evt_abc123xyz --window 1h")
            .into());
    }
    let width = window(&args.window)?;
    let zone = settings::zone(&args.time)?;
    let asked = settings::period(&args.time)?;
    let sources = settings::load_sources(&args.input.sources)?;
    let rules = RuleSet::default();
    let databases = settings::databases(&args.geo)?;
    let found = settings::find_inputs(&args.input, args.talk.force)?;
    let result = settings::scan(
        &args.input,
        &args.talk,
        ScanRequest {
            columns: &COLUMNS,
            derived: if databases.is_empty() { &[] } else { &addresses::DERIVED },
            databases: databases.clone(),
            keep: Keep::All,
            window: asked.window,
            ..ScanRequest::new(found, &sources, &rules)
        },
    )?;
    settings::say_period(&asked, &result, &args.talk);
    let filter = Filter { around: args.around.clone().map(|id| (id, width)), user: args.user.clone(), resource: args.resource.clone(), ip: args.ip.clone() };
    let timeline = build(&result, &filter)?;
    let style = settings::style(&args.talk);
    match &args.output {
        Some(path) => write_file(path, args.talk.force, |out| write(&result, &timeline, args.format, zone, Style { width: None, color: false }, out))?,
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&result, &timeline, args.format, zone, style, &mut out)?;
            out.flush()?;
        }
    }
    if !args.talk.quiet {
        say(&format!("{} of {} events, oldest first, times in {}", timeline.entries.len(), result.rows.len(), zone.name()));
        if timeline.unrelated > 0 {
            say(&format!("{} other events of the window share neither user, resource nor address with it", timeline.unrelated));
        }
    }
    Ok(worst(&super::scan::statuses(&result, None)))
}

fn write(scan: &Scan<'_>, timeline: &Timeline, format: TimelineFormat, zone: chrono_tz::Tz, style: Style, out: &mut dyn Write) -> io::Result<()> {
    match format {
        TimelineFormat::Table => write_table(scan, timeline, zone, style, out),
        TimelineFormat::Markdown => write_markdown(scan, timeline, zone, out),
        TimelineFormat::Json => write_json(scan, timeline, out),
    }
}
