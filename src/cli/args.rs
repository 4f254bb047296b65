//! What the user typed.

use super::test::TestOutput;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Reads exported audit logs, runs rules over them, and writes reports that can be held against the logs.
#[derive(Debug, Parser)]
#[command(name = "auditmill", version, about, max_term_width = 100, disable_help_subcommand = true, arg_required_else_help = true)]
#[command(
    after_help = "Examples:\n  auditmill scan logs/                                    look for known-bad activity\n  auditmill report logs/ --period 2024-01 -o out          a compliance report for January\n  auditmill timeline logs/ --around evt_abc123xyz         what happened around an event\n\nExit status: 0 done; 1 findings at or above --fail-on; 2 fix an argument, a setting or a rule; 3 some input could not be read."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the rules over logs and list the findings
    Scan(ScanArgs),
    /// Write a compliance or incident report (HTML and Markdown) with its evidence (CSV)
    Report(ReportArgs),
    /// Show what happened around an event, or to a user, resource or address
    Timeline(TimelineArgs),
    /// Write the normalised events, one a line
    Events(EventsArgs),
    /// Learn from logs what is usual for whom
    Baseline(super::baseline::BaselineArgs),
    /// Say what was made of each file, and propose a mapping for a log that nothing knows
    Inspect(super::inspect::InspectArgs),
    /// List, test and explain the rules, and say what they could see in logs
    Rules(RulesArgs),
    /// List, check and test the mappings that tell what logs look like
    Sources(super::sources::SourcesArgs),
}

/// Where the logs are.
#[derive(Debug, Clone, Args)]
pub struct InputArgs {
    /// Files, folders, quoted patterns such as 'logs/*.gz', or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// Mapping files to use in place of the built-in ones; `default` keeps those too
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    pub sources: Vec<String>,
    /// Write every rejected record, with its text and the reason; the file can be read again after a repair
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub rejects: Option<PathBuf>,
    /// Worker threads [default: all cores]
    #[arg(long, value_name = "N", help_heading = "Input")]
    pub threads: Option<usize>,
}

/// What tells of addresses.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Enrichment")]
pub struct GeoArgs {
    /// Databases of addresses (.mmdb), or folders of them: where an address is and who holds it; repeat it for several
    ///
    /// Rules then see ip.country, ip.city, ip.asn, ip.org, ip.kind and ip.location. The first database that has a field fills
    /// it. Without the flag the paths in AUDITMILL_GEOIP are taken, separated as in PATH.
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub geoip: Vec<PathBuf>,
}

/// What should be there.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Completeness")]
pub struct CompletenessArgs {
    /// The systems, accounts, regions and event classes that should be there
    #[arg(long, value_name = "FILE")]
    pub scope: Option<PathBuf>,
    /// Who exported each file, when, with which filter and how many rows
    #[arg(long, value_name = "FILE")]
    pub provenance: Option<PathBuf>,
}

/// Which stretch of time.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Time")]
pub struct TimeArgs {
    /// From this date or time on
    #[arg(long, value_name = "TIME", allow_hyphen_values = false)]
    pub from: Option<String>,
    /// Up to this time; a date means that whole day
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// A year, quarter, month or day (2026, 2026-Q3, 2026-10, 2026-10-05) or last-month
    #[arg(long, value_name = "PERIOD", conflicts_with_all = ["from", "to", "last"])]
    pub period: Option<String>,
    /// The last stretch before the newest event, such as 24h or 30d
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["from", "to"])]
    pub last: Option<String>,
    /// The instant that --last and last-month count from [default: the newest event; today]
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<String>,
    /// Time zone of dates given and times shown
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub tz: String,
}

/// Which rules.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rules")]
pub struct RuleArgs {
    /// Rule files or folders to use in place of the built-in ones; `default` keeps those too
    #[arg(long, value_name = "DIR")]
    pub rules: Vec<String>,
    /// Lists and thresholds of your site, over the built-in ones
    #[arg(long, value_name = "FILE")]
    pub vars: Vec<PathBuf>,
    /// A list in a file of its own, one value a line: `%NAME%` in rules, in place of the list of that name; repeat it for several
    ///
    /// Blank lines and comments after # are skipped. A list that rules read as networks (`cidr`) holds addresses and networks
    /// such as 203.0.113.0/24.
    #[arg(long, value_name = "NAME=FILE")]
    pub list: Vec<String>,
    /// Indicators of compromise, one a line or in the first column of a CSV; repeat it for several
    ///
    /// Addresses and networks become the list ioc_networks, all else ioc_values. Indicators may be written as reports do:
    /// hxxp://, 203[.]0[.]113[.]7, evil(dot)example.
    #[arg(long, value_name = "FILE")]
    pub ioc: Vec<PathBuf>,
    /// A pySigma pipeline that makes the field names of other rules ours; repeat it for several
    ///
    /// Supported are the transformations field_name_mapping, field_name_prefix, add_condition, change_logsource and
    /// value_placeholders, with conditions on rules, fields and values; another one is refused by its name. Several
    /// pipelines are applied by priority (lower first), then as given.
    #[arg(long, value_name = "FILE")]
    pub pipeline: Vec<PathBuf>,
    /// Run deprecated and unsupported rules too
    #[arg(long)]
    pub all_statuses: bool,
    /// A rule in a folder that does not load ends the run
    #[arg(long)]
    pub strict: bool,
}

/// How to talk.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct TalkArgs {
    /// Overwrite existing files
    #[arg(long)]
    pub force: bool,
    /// No summary and no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Colours on a terminal (NO_COLOR is honoured)
    #[arg(long, value_enum, default_value_t = ColorArg::Auto, value_name = "WHEN")]
    pub color: ColorArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LevelArg {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScanFormat {
    Table,
    Json,
    Ndjson,
    Csv,
}

#[derive(Debug, Clone, Args)]
pub struct ScanArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub geo: GeoArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub time: TimeArgs,
    #[command(flatten)]
    pub completeness: CompletenessArgs,
    /// Leave people out of the scores that say where to look first
    #[arg(long, help_heading = "Behaviour")]
    pub no_user_scores: bool,
    #[command(flatten)]
    pub baseline: super::baseline::BaselineInput,
    /// Only findings at or above this level
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "Output")]
    pub min_level: Option<LevelArg>,
    /// Exit status 1 when a finding is at or above this level
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "Output")]
    pub fail_on: Option<LevelArg>,
    /// How to write the findings
    #[arg(long, value_enum, default_value_t = ScanFormat::Table, help_heading = "Output")]
    pub format: ScanFormat,
    /// Write the findings to a file
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Write one line for each rule that matched an event
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub matches: Option<PathBuf>,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub geo: GeoArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub time: TimeArgs,
    #[command(flatten)]
    pub completeness: CompletenessArgs,
    /// Leave people out of the scores that say where to look first
    #[arg(long, help_heading = "Behaviour")]
    pub no_user_scores: bool,
    #[command(flatten)]
    pub baseline: super::baseline::BaselineInput,
    /// Folder for the report
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub output: PathBuf,
    /// Template: compliance, incident, or the name of a folder in --templates
    #[arg(long, default_value = "compliance", help_heading = "Output")]
    pub template: String,
    /// Templates to use in place of the built-in ones; `default` keeps those too
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub templates: Vec<String>,
    /// For the incident template: the event that it is about
    #[arg(long, value_name = "EVENT_ID", help_heading = "Output")]
    pub around: Option<String>,
    /// For the incident template: how far around the event
    #[arg(long, value_name = "DURATION", default_value = "1h", help_heading = "Output")]
    pub window: String,
    /// Exit status 1 when a finding is at or above this level
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "Output")]
    pub fail_on: Option<LevelArg>,
    /// Show secrets instead of masking them
    #[arg(long, help_heading = "Output")]
    pub show_secrets: bool,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TimelineFormat {
    Table,
    Markdown,
    Json,
}

#[derive(Debug, Clone, Args)]
pub struct TimelineArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub geo: GeoArgs,
    #[command(flatten)]
    pub time: TimeArgs,
    /// The event in the middle
    #[arg(long, value_name = "EVENT_ID", help_heading = "What")]
    pub around: Option<String>,
    /// How far around the event
    #[arg(long, value_name = "DURATION", default_value = "1h", help_heading = "What")]
    pub window: String,
    /// Events of this user
    #[arg(long, help_heading = "What")]
    pub user: Option<String>,
    /// Events on this resource
    #[arg(long, help_heading = "What")]
    pub resource: Option<String>,
    /// Events from this address
    #[arg(long, help_heading = "What")]
    pub ip: Option<String>,
    /// How to write the rows
    #[arg(long, value_enum, default_value_t = TimelineFormat::Table, help_heading = "Output")]
    pub format: TimelineFormat,
    /// Write to a file
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventsFormat {
    Ndjson,
    Parquet,
}

#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub geo: GeoArgs,
    #[command(flatten)]
    pub time: TimeArgs,
    /// How to write the events
    #[arg(long, value_enum, default_value_t = EventsFormat::Ndjson, help_heading = "Output")]
    pub format: EventsFormat,
    /// Write to a file
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Show secrets instead of masking them
    #[arg(long, help_heading = "Output")]
    pub show_secrets: bool,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Clone, Args)]
pub struct RulesArgs {
    #[command(subcommand)]
    pub command: RulesCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum RulesCommand {
    /// List the rules
    List(RulesListArgs),
    /// Run the tests that rules carry
    Test(RulesTestArgs),
    /// Say what a rule looks for, or why it matches an event or does not
    Explain(RulesExplainArgs),
    /// Run the rules over logs and say of each whether it could have matched
    Coverage(RulesCoverageArgs),
    /// Check rule documents: what does not load, what is probably not meant, and style
    Lint(super::rules::LintArgs),
    /// Print the JSON Schema of rule documents, for editors
    Schema,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Table,
    Json,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  auditmill rules list --source ops0 --level high --tag attack")]
pub struct RulesListArgs {
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Mapping files to use in place of the built-in ones; `default` keeps those too
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    pub sources: Vec<String>,
    /// Only rules that apply to this source
    #[arg(long, value_name = "ID", help_heading = "Which")]
    pub source: Option<String>,
    /// Only rules at or above this level
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "Which")]
    pub level: Option<LevelArg>,
    /// Only rules with this tag or one below it: attack finds attack.t1078
    #[arg(long, value_name = "TAG", help_heading = "Which")]
    pub tag: Vec<String>,
    /// How to write the rules
    #[arg(long, value_enum, default_value_t = ListFormat::Table, help_heading = "Output")]
    pub format: ListFormat,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  auditmill rules test --rules mine/ --format junit -o rules.xml\n\nExit status 1 when a test failed.")]
pub struct RulesTestArgs {
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Mapping files to use in place of the built-in ones; `default` keeps those too
    #[arg(long, value_name = "DIR", help_heading = "Input")]
    pub sources: Vec<String>,
    #[command(flatten)]
    pub output: TestOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  auditmill rules explain iam_root_login --event trail.json.gz --record 7")]
pub struct RulesExplainArgs {
    /// Id, name or title of a rule, or a rule file (its first rule)
    #[arg(value_name = "RULE")]
    pub rule: String,
    /// An event to try: a file with a JSON object or with records of a log, or - for standard input
    #[arg(long, value_name = "FILE", help_heading = "Event")]
    pub event: Option<String>,
    /// Which record of the file: its line, row or place in the array [default: the first event]
    #[arg(long, value_name = "N", requires = "event", conflicts_with = "event_id", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Event")]
    pub record: Option<u32>,
    /// Which event of the file
    #[arg(long, value_name = "ID", requires = "event", help_heading = "Event")]
    pub event_id: Option<String>,
    /// The event is of this source [default: told by its fields]
    #[arg(long, value_name = "ID", requires = "event", help_heading = "Event")]
    pub source: Option<String>,
    /// Mapping files to use in place of the built-in ones; `default` keeps those too
    #[arg(long, value_name = "DIR", help_heading = "Event")]
    pub sources: Vec<String>,
    #[command(flatten)]
    pub geo: GeoArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    /// How to write the explanation
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text, help_heading = "Output")]
    pub format: ExplainFormat,
    /// Show secrets instead of masking them
    #[arg(long, help_heading = "Output")]
    pub show_secrets: bool,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    Ran,
    CouldNotMatch,
    NotAssessable,
    NotApplicable,
    NotLoaded,
    Skipped,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  auditmill rules coverage logs/ --rules sigma/ --state could-not-match")]
pub struct RulesCoverageArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub geo: GeoArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Only rules in this state
    #[arg(long, value_enum, value_name = "STATE", help_heading = "Output")]
    pub state: Option<StateArg>,
    /// How to write the coverage
    #[arg(long, value_enum, default_value_t = ListFormat::Table, help_heading = "Output")]
    pub format: ListFormat,
    #[command(flatten)]
    pub talk: TalkArgs,
}
