//! `auditmill baseline`

use super::args::{GeoArgs, InputArgs, RuleArgs, TalkArgs, TimeArgs};
use super::{Outcome, say, settings};
use crate::diag::UserError;
use crate::event::time::format_time;
use crate::exit::ExitStatus;
use crate::finding::scan::ScanRequest;
use crate::output::baseline::write_baseline;
use crate::output::grouped;
use crate::output::write::{check_free, write_file};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub struct BaselineArgs {
    #[command(subcommand)]
    pub command: BaselineCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum BaselineCommand {
    /// Learn from logs what is usual, and keep it in a file for `scan --baseline`
    Build(BuildArgs),
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  auditmill baseline build logs/2026-09 -o base.parquet\n  auditmill scan logs/2026-10 --baseline base.parquet\n  auditmill baseline build logs/2026-10 --baseline base.parquet -o base-10.parquet     learn a month more"
)]
pub struct BuildArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub geo: GeoArgs,
    #[command(flatten)]
    pub baseline: BaselineInput,
    /// Learn up to this time only; a date means that whole day
    #[arg(long, value_name = "TIME", help_heading = "Time")]
    pub to: Option<String>,
    /// The file to write
    #[arg(short, long, value_name = "FILE", required = true, help_heading = "Output")]
    pub output: PathBuf,
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// What was learnt before.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Behaviour")]
pub struct BaselineInput {
    /// What was learnt from earlier logs; repeat it for baselines of other sources or times
    #[arg(long, value_name = "FILE")]
    pub baseline: Vec<PathBuf>,
}

pub fn run(args: BaselineArgs) -> Outcome {
    let BaselineCommand::Build(args) = args.command;
    check_free(&args.output, args.talk.force)?;
    let time = TimeArgs { to: args.to.clone(), tz: "UTC".into(), ..TimeArgs::default() };
    let asked = settings::period(&time)?;
    let sources = settings::load_sources(&args.input.sources)?;
    let rules = settings::load_rules_to_run(&args.rules)?;
    let before = settings::load_baseline(&args.baseline)?;
    let databases = settings::databases(&args.geo)?;
    let found = settings::find_inputs(&args.input, args.talk.force)?;
    let result = settings::scan(
        &args.input,
        &args.talk,
        ScanRequest { databases: databases.clone(), window: asked.window, baseline: before.as_ref(), learn: true, ..ScanRequest::new(found, &sources, &rules) },
    )?;
    let baseline = result.baseline_learned();
    if baseline.rules.is_empty() {
        return Err(UserError::new("no behaviour rule is among the rules: there is nothing to learn")
            .help("leave --rules out, or add `--rules default`")
            .into());
    }
    write_file(&args.output, args.talk.force, |out| write_baseline(&baseline, out))?;
    if !args.talk.quiet {
        for (id, stretch) in &baseline.sources {
            say(&format!("learnt      {id} from {} up to {}", format_time(stretch.since), format_time(stretch.until)));
        }
        let rows: usize = baseline.rules.values().map(|(_, learned)| learned.len()).sum();
        say(&format!("wrote       {}: what {} behaviour rules know, in {} rows", args.output.display(), baseline.rules.len(), grouped(rows as u64)));
    }
    Ok(if result.is_incomplete() { ExitStatus::InputIncomplete } else { ExitStatus::Done })
}
