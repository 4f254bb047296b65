//! `auditmill rules list`

use super::choose;
use crate::cli::args::{ListFormat, RulesListArgs};
use crate::cli::{Outcome, say, settings};
use crate::exit::ExitStatus;
use crate::finding::explain::sources_of;
use crate::output::rules::{write_json, write_table};
use crate::rule::Rule;
use crate::rule::meta::Level;
use std::io::{self, BufWriter, Write};

pub fn run(args: &RulesListArgs) -> Outcome {
    let sources = settings::load_sources(&args.sources)?;
    let source = args.source.as_deref().map(|id| choose::source(&sources, id)).transpose()?;
    let (set, _) = settings::load_rule_set(&args.rules)?;
    let least = args.level.map_or(Level::Informational, Level::from);
    let chosen: Vec<&Rule> = set
        .rules
        .iter()
        .filter(|r| r.meta.level >= least)
        .filter(|r| args.tag.is_empty() || args.tag.iter().any(|t| has_tag(&r.meta.tags, t)))
        .filter(|r| source.is_none_or(|s| sources_of(&set, r, &sources).contains(&s)))
        .collect();
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        ListFormat::Json => write_json(&set, &chosen, &sources, &mut out)?,
        ListFormat::Table => write_table(&chosen, settings::style(&args.talk), &mut out)?,
    }
    out.flush()?;
    if !args.talk.quiet {
        let shown = if chosen.len() == set.rules.len() { String::new() } else { format!("{} of ", chosen.len()) };
        let not_rules = if set.not_rules.is_empty() { String::new() } else { format!(", {} files without a rule", set.not_rules.len()) };
        say(&format!(
            "{shown}{} rules, {} not loaded, {} skipped by status{not_rules}; rules hash {}",
            set.rules.len(),
            set.problems.len(),
            set.skipped.len(),
            set.hash
        ));
    }
    Ok(ExitStatus::Done)
}

/// A tag as it is, or with all that stands below it: `attack` finds `attack.t1078`.
fn has_tag(tags: &[String], wanted: &str) -> bool {
    let wanted = wanted.to_lowercase();
    tags.iter().any(|t| {
        let t = t.to_lowercase();
        t.strip_prefix(wanted.trim_end_matches('.')).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}
