//! `auditmill report`

use super::args::ReportArgs;
use super::{Outcome, say, settings, worst};
use crate::diag::UserError;
use crate::engine::run::Keep;
use crate::event::Column;
use crate::finding::Finding;
use crate::finding::addresses;
use crate::finding::completeness::{Given, coverage};
use crate::finding::risk::risk;
use crate::finding::scan::{ScanRequest, Window};
use crate::output::About;
use crate::output::csv::write_csv;
use crate::output::table::write_summary;
use crate::output::write::{check_free, write_file};
use crate::report::compliance::{self, Asked};
use crate::report::incident;
use crate::report::render::{Rendered, render};
use crate::rule::load::RuleSet;
use crate::rule::meta::Level;
use crate::timeline::incident::collect;
use std::path::Path;
use std::time::Instant;

/// Name of the evidence beside the report.
const FINDINGS_CSV: &str = "findings.csv";

pub fn run(args: ReportArgs) -> Outcome {
    let started = Instant::now();
    let templates = settings::load_templates(&args.templates)?;
    let about_event = args.template == "incident" || args.around.is_some();
    let asked = settings::period(&args.time)?;
    let zone = settings::zone(&args.time)?;
    let width = super::timeline::window(&args.window)?;
    let folder = &args.output;
    if folder.is_file() {
        return Err(UserError::new(format!("{}: is a file", folder.display())).help("-o takes a folder for the report").into());
    }
    let prefix = format!("{}/", args.template);
    let names: Vec<&str> = templates.iter().filter_map(|(n, _)| n.strip_prefix(&prefix)).collect();
    for name in names.iter().copied().chain((!about_event).then_some(FINDINGS_CSV)) {
        check_free(&folder.join(name), args.talk.force)?;
    }
    let sources = settings::load_sources(&args.input.sources)?;
    let (scope, provenance) = settings::given(&args.completeness, &sources)?;
    let rules = if about_event { RuleSet::default() } else { settings::load_rules_to_run(&args.rules)? };
    let baseline = settings::load_baseline(&args.baseline)?;
    let databases = settings::databases(&args.geo)?;
    let found = settings::find_inputs(&args.input, args.talk.force)?;
    let mut columns: Vec<Column> = compliance::columns();
    if about_event {
        columns.extend(crate::timeline::COLUMNS);
        columns.push(Column::Response);
    }
    let result = settings::scan(
        &args.input,
        &args.talk,
        ScanRequest {
            columns: &columns,
            derived: if databases.is_empty() { &[] } else { &addresses::DERIVED },
            databases: databases.clone(),
            keep: if about_event { Keep::All } else { Keep::Active },
            window: asked.window,
            tell_places: !about_event,
            baseline: baseline.as_ref(),
            ..ScanRequest::new(found, &sources, &rules)
        },
    )?;
    settings::say_period(&asked, &result, &args.talk);
    let coverage = coverage(&result, &Given { scope: scope.as_ref(), provenance: provenance.as_ref(), as_of: asked.as_of, zone });
    let findings: Vec<&Finding> = result.findings.iter().collect();
    let risk = risk(&result, &findings, !args.no_user_scores);
    let rendered = if about_event {
        let id = args
            .around
            .as_deref()
            .ok_or_else(|| UserError::new("the incident template needs --around EVENT_ID").help("give the id of the event that the incident is about"))?;
        let incident = collect(&result, id, width)?;
        render(&templates, &args.template, incident::context(&result, &incident, command(), &args.window, zone, args.show_secrets))?
    } else {
        let label = asked.label.clone().filter(|_| asked.window != Window::Fixed(crate::finding::scan::Period::ALL));
        let context = compliance::context(
            &result,
            Asked {
                command: command(),
                period: label,
                zone,
                findings_csv: FINDINGS_CSV,
                waiting: settings::waiting(),
                show_secrets: args.show_secrets,
                coverage: coverage.clone(),
                risk: &risk,
            },
        )
        .map_err(UserError::new)?;
        render(&templates, &args.template, context)?
    };
    std::fs::create_dir_all(folder).map_err(|e| UserError::new(format!("{}: cannot be made: {e}", folder.display())))?;
    for Rendered { name, text } in &rendered {
        write_into(folder, name, args.talk.force, |out| out.write_all(text.as_bytes()))?;
    }
    if !about_event {
        write_into(folder, FINDINGS_CSV, args.talk.force, |out| write_csv(&result, &findings, out))?;
    }
    let about = About { coverage: &coverage, risk: &risk };
    let statuses = super::scan::statuses(&result, args.fail_on.map(Level::from));
    if !args.talk.quiet {
        if !about_event {
            let mut summary = Vec::new();
            write_summary(&result, &findings, &about, started.elapsed(), settings::style_of_talk(&args.talk), &mut summary)?;
            say(String::from_utf8_lossy(&summary).trim_end());
        }
        for Rendered { name, .. } in &rendered {
            say(&format!("Report      {}", folder.join(name).display()));
        }
        if !about_event {
            say(&format!("Evidence    {}", folder.join(FINDINGS_CSV).display()));
        }
    }
    Ok(worst(&statuses))
}

fn write_into(folder: &Path, name: &str, force: bool, fill: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> Result<(), UserError> {
    write_file(&folder.join(name), force, fill)
}

/// The command as typed, so that a reader can repeat it.
fn command() -> String {
    let mut words: Vec<String> = std::env::args().skip(1).map(|a| if a.contains([' ', '*', '"', '\'']) { format!("'{a}'") } else { a }).collect();
    words.insert(0, "auditmill".into());
    words.join(" ")
}
