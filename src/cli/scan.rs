//! `auditmill scan`

use super::args::{ScanArgs, ScanFormat};
use super::{Outcome, say, settings, worst};
use crate::event::Column;
use crate::exit::ExitStatus;
use crate::finding::Finding;
use crate::finding::addresses;
use crate::finding::completeness::{Given, coverage};
use crate::finding::risk::risk;
use crate::finding::scan::{Scan, ScanRequest};
use crate::output::table::Style;
use crate::output::write::{check_free, write_file};
use crate::output::{About, csv, json, matches, table};
use crate::rule::meta::Level;
use std::io::{self, BufWriter, Write};
use std::time::Instant;

pub fn run(args: ScanArgs) -> Outcome {
    let started = Instant::now();
    for path in args.output.iter().chain(&args.matches) {
        check_free(path, args.talk.force)?;
    }
    let asked = settings::period(&args.time)?;
    let sources = settings::load_sources(&args.input.sources)?;
    let (scope, provenance) = settings::given(&args.completeness, &sources)?;
    let rules = settings::load_rules_to_run(&args.rules)?;
    let baseline = settings::load_baseline(&args.baseline)?;
    let databases = settings::databases(&args.geo)?;
    let found = settings::find_inputs(&args.input, args.talk.force)?;
    // Evidence columns cost reading and memory: only the format that shows them asks for them.
    let told = !databases.is_empty() && matches!(args.format, ScanFormat::Json | ScanFormat::Ndjson);
    let columns: &[Column] = match args.format {
        ScanFormat::Csv => &[Column::Action, Column::Ip, Column::Status],
        _ if told => &addresses::COLUMNS,
        _ => &[],
    };
    let result = settings::scan(
        &args.input,
        &args.talk,
        ScanRequest {
            columns,
            derived: if told { &addresses::DERIVED } else { &[] },
            databases: databases.clone(),
            window: asked.window,
            // Where nobody reads of accounts they are not worth their time.
            tell_places: args.format == ScanFormat::Json || scope.is_some(),
            baseline: baseline.as_ref(),
            ..ScanRequest::new(found, &sources, &rules)
        },
    )?;
    settings::say_period(&asked, &result, &args.talk);
    let zone = settings::zone(&args.time)?;
    let coverage = coverage(&result, &Given { scope: scope.as_ref(), provenance: provenance.as_ref(), as_of: asked.as_of, zone });
    let level = |f: &Finding| rules.rules[f.rule].meta.level;
    let least = args.min_level.map_or(Level::Informational, Level::from);
    let findings: Vec<&Finding> = result.findings.iter().filter(|f| level(f) >= least).collect();
    let statuses = statuses(&result, args.fail_on.map(Level::from));
    let style = settings::style(&args.talk);
    let write_matches = || match &args.matches {
        Some(path) => write_file(path, args.talk.force, |out| matches::write_matches(&result, out)),
        None => Ok(()),
    };
    let write_findings = || {
        let risk = risk(&result, &findings, !args.no_user_scores);
        let written = args.output.as_ref().map_or(Ok(()), |path| {
            let about = About { coverage: &coverage, risk: &risk };
            let plain = Style { width: None, color: false };
            write_file(path, args.talk.force, |out| write(&result, &findings, args.format, &statuses, &about, plain, out))
        });
        written.map(|()| risk)
    };
    // Two files are written side by side.
    let (risk, matches) = result.pool.install(|| rayon::join(write_findings, write_matches));
    let (risk, ()) = (risk?, matches?);
    let about = About { coverage: &coverage, risk: &risk };
    if args.output.is_none() {
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        write(&result, &findings, args.format, &statuses, &about, style, &mut out)?;
        out.flush()?;
    }
    if !args.talk.quiet {
        let mut summary = Vec::new();
        let to_terminal = args.output.is_none() && args.format == ScanFormat::Table;
        table::write_summary(
            &result,
            &findings,
            &about,
            started.elapsed(),
            Style { color: style.color && io::IsTerminal::is_terminal(&io::stderr()), ..style },
            &mut summary,
        )?;
        if to_terminal {
            say("");
        }
        say(String::from_utf8_lossy(&summary).trim_end());
    }
    let status = worst(&statuses);
    drop(findings);
    // The process ends here: giving back every finding piece by piece would only cost time.
    std::mem::forget(result);
    Ok(status)
}

fn write(
    scan: &Scan<'_>,
    findings: &[&Finding],
    format: ScanFormat,
    statuses: &[ExitStatus],
    about: &About<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ScanFormat::Table => table::write_table(scan, findings, style, out),
        ScanFormat::Json => json::write_json(scan, findings, statuses, about, out),
        ScanFormat::Ndjson => json::write_ndjson(scan, findings, out),
        ScanFormat::Csv => csv::write_csv(scan, findings, out),
    }
}

/// Every exit status that applies.
pub fn statuses(scan: &Scan<'_>, fail_on: Option<Level>) -> Vec<ExitStatus> {
    let mut out = Vec::new();
    if scan.highest_level() >= fail_on && fail_on.is_some() {
        out.push(ExitStatus::Findings);
    }
    if scan.is_incomplete() {
        out.push(ExitStatus::InputIncomplete);
    }
    if out.is_empty() {
        out.push(ExitStatus::Done);
    }
    out
}
