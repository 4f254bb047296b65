//! `auditmill rules explain`

use super::choose;
use crate::cli::args::{ExplainFormat, RulesExplainArgs};
use crate::cli::{Outcome, say, settings};
use crate::diag::UserError;
use crate::enrich::database::Databases;
use crate::event::secrets::mask;
use crate::exit::ExitStatus;
use crate::finding::examine::{Choice, Event, Examined, Picked, examine, pick};
use crate::finding::explain::{Explanation, closure, detections_of, explain};
use crate::output::explain::{About, Subject, write_json, write_text};
use crate::output::printable;
use crate::rule::load::RuleSet;
use crate::rule::{Body, Rule};
use crate::source::SourceSet;
use crate::source::discover::discover;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

pub fn run(args: &RulesExplainArgs) -> Outcome {
    let (set, vars, index) = choose::rule(&args.rules, &args.rule)?;
    let rule = &set.rules[index];
    let sources = settings::load_sources(&args.sources)?;
    let picked = args.event.as_deref().map(|path| event(args, path, &sources)).transpose()?;
    let databases = settings::databases(&args.geo)?;
    let examined = picked.as_ref().map(|p| examined(&set, rule, &sources, p, &databases)).transpose()?;
    let event = match (&picked, &examined) {
        (Some(picked), Some(examined)) => Some(about(&set, rule, &sources, picked, examined, args.show_secrets)?),
        _ => None,
    };
    let subject = Subject { set: &set, rule, sources: &sources, vars: &vars, event };
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        ExplainFormat::Json => write_json(&subject, &mut out)?,
        ExplainFormat::Text => write_text(&subject, settings::style(&args.talk), &mut out)?,
    }
    out.flush()?;
    Ok(ExitStatus::Done)
}

/// The record that the flags choose.
fn event(args: &RulesExplainArgs, path: &str, sources: &SourceSet) -> Result<Picked, UserError> {
    if Path::new(path).is_dir() {
        return Err(UserError::new(format!("--event {path}: is a folder")).help("give one file, or - for standard input"));
    }
    let found = discover(&[path.to_owned()])?;
    if found.inputs.len() > 1 {
        let names: Vec<&str> = found.inputs.iter().take(3).map(|i| i.name.as_str()).collect();
        return Err(UserError::new(format!("--event {path}: it stands for {} files ({})", found.inputs.len(), names.join(", "))).help("give one file"));
    }
    let choice = match (args.record, &args.event_id) {
        (Some(record), _) => Choice::Record(record),
        (None, Some(id)) => Choice::Id(id.clone()),
        (None, None) => Choice::First,
    };
    let Some(id) = &args.source else {
        let picked = pick(found, sources, &choice)?;
        note(&picked, &choice, args);
        return Ok(picked);
    };
    let source = choose::source(sources, id)?;
    let only = SourceSet::only(&sources.mappings()[source], sources.containers.clone());
    let picked = Picked { source, ..pick(found, &only, &choice)? };
    note(&picked, &choice, args);
    Ok(picked)
}

fn note(picked: &Picked, choice: &Choice, args: &RulesExplainArgs) {
    if args.talk.quiet {
        return;
    }
    if *choice == Choice::First && picked.events > 1 {
        say(&format!("note: {} holds {} events; this is the first, choose with --record N or --event-id ID", printable(&picked.file), picked.events));
    }
    if picked.rejected > 0 {
        say(&format!("note: {} records of {} are no events; `auditmill scan` names them", picked.rejected, printable(&picked.file)));
    }
}

/// Runs the rule, and what it counts, over the one record.
fn examined(set: &RuleSet, rule: &Rule, sources: &SourceSet, picked: &Picked, databases: &Arc<Databases>) -> Result<Examined, UserError> {
    let rules = closure(set, rule);
    let mut all = examine(&sources.mappings()[picked.source], &rules, &[&picked.raw], databases)?;
    match all.pop() {
        Some(Ok(examined)) => Ok(examined),
        Some(Err(reason)) => Err(UserError::new(format!("{}:{}: {reason}", picked.file, picked.record))),
        None => Err(UserError::new(format!("{}: it holds no event", picked.file))),
    }
}

/// Explains each detection and holds the explanation against the engine's verdict.
fn about<'a>(
    set: &RuleSet,
    rule: &Rule,
    sources: &'a SourceSet,
    picked: &'a Picked,
    examined: &'a Examined,
    show_secrets: bool,
) -> Result<About<'a>, UserError> {
    let mapping = &sources.mappings()[picked.source];
    let rules = closure(set, rule);
    let mut explanations: Vec<Explanation> = Vec::new();
    for base in detections_of(set, rule) {
        let Body::Detection(detection) = &base.body else { continue };
        let at = rules.iter().position(|r| std::ptr::eq(*r, base));
        let untold = at.and_then(|i| examined.untold[i].as_deref());
        let explained = explain(base, detection, &examined.event, mapping, untold, show_secrets);
        let engine = at.map(|i| (examined.holds[i], examined.matches[i]));
        if engine != Some((explained.condition_holds, explained.matches)) {
            return Err(UserError::new(format!(
                "internal error: the explanation of `{}` for {}:{} says {} and the engine says {}",
                base.meta.title,
                picked.file,
                picked.record,
                verdict(explained.matches, explained.condition_holds),
                engine.map_or("nothing", |(holds, matches)| verdict(matches, holds)),
            ))
            .help("this is a fault of auditmill: please report it with the rule and the event"));
        }
        explanations.push(explained);
    }
    Ok(About {
        event: &examined.event,
        source: &mapping.id,
        file: &picked.file,
        record: picked.record,
        of: picked.events,
        group: group(set, rule, &examined.event, show_secrets),
        explanations,
    })
}

fn verdict(matches: bool, holds: bool) -> &'static str {
    match (matches, holds) {
        (true, _) => "that it matches",
        (false, true) => "that its condition holds and it does not match",
        (false, false) => "that it does not match",
    }
}

/// The event's values of the fields that a correlation groups by.
fn group(set: &RuleSet, rule: &Rule, event: &Event, show_secrets: bool) -> Vec<(String, Vec<String>)> {
    let Body::Correlation(c) = &rule.body else { return Vec::new() };
    let taxonomies: Vec<_> =
        detections_of(set, rule).into_iter().filter_map(|r| if let Body::Detection(d) = &r.body { Some(d.taxonomy) } else { None }).collect();
    let values = |field: &String| {
        let seen = taxonomies.iter().filter_map(|t| t.resolve(field).ok()).find_map(|f| event.values.get(&f).filter(|v| !v.is_empty()));
        let texts = seen.into_iter().flatten().filter(|(kind, _)| kind.is_text());
        texts.map(|(_, text)| if show_secrets { text.clone() } else { mask(text).0.into_owned() }).collect()
    };
    c.group_by.iter().map(|f| (f.clone(), values(f))).collect()
}
