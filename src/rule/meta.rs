//! What a rule says about itself.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// How bad a match is (Sigma `level`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the record.
    Informational,
    /// Worth a look in bulk.
    Low,
    /// Worth a look.
    Medium,
    /// Look at it today.
    High,
    /// Look at it now.
    Critical,
}

impl Level {
    /// All levels, most severe first.
    pub const ALL: [Level; 5] = [Level::Critical, Level::High, Level::Medium, Level::Low, Level::Informational];

    /// The level's Sigma name.
    pub fn name(self) -> &'static str {
        match self {
            Level::Informational => "informational",
            Level::Low => "low",
            Level::Medium => "medium",
            Level::High => "high",
            Level::Critical => "critical",
        }
    }
}

impl FromStr for Level {
    type Err = ();
    fn from_str(s: &str) -> Result<Level, ()> {
        Level::ALL.into_iter().find(|l| l.name().eq_ignore_ascii_case(s)).ok_or(())
    }
}

/// What a hit means: a hit is not a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A breach in itself.
    Violation,
    /// Somebody must look.
    Signal,
    /// A control seen working, or an operation for the record.
    Operation,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 3] = [Role::Violation, Role::Signal, Role::Operation];

    /// The role's name in rules and outputs.
    pub fn name(self) -> &'static str {
        match self {
            Role::Violation => "violation",
            Role::Signal => "signal",
            Role::Operation => "operation",
        }
    }
}

/// Maturity of a rule (Sigma `status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In use.
    Stable,
    /// Being tried.
    Test,
    /// New; never drives a verdict.
    Experimental,
    /// Replaced; skipped.
    Deprecated,
    /// Cannot be used as it is; skipped.
    Unsupported,
}

impl Status {
    /// All statuses.
    pub const ALL: [Status; 5] = [Status::Stable, Status::Test, Status::Experimental, Status::Deprecated, Status::Unsupported];

    /// The status's Sigma name.
    pub fn name(self) -> &'static str {
        match self {
            Status::Stable => "stable",
            Status::Test => "test",
            Status::Experimental => "experimental",
            Status::Deprecated => "deprecated",
            Status::Unsupported => "unsupported",
        }
    }
}

/// Which logs a rule is for (Sigma `logsource`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSource {
    /// Vendor or product.
    pub product: Option<String>,
    /// Service of the product.
    pub service: Option<String>,
    /// Category of events.
    pub category: Option<String>,
}

/// One test that a rule carries.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTest {
    /// What is tried.
    pub name: String,
    /// Whether the rule must match.
    pub expect: Expectation,
    /// Source of the events: `auditmill` (event columns) or a source id.
    #[serde(default)]
    pub source: Option<String>,
    /// Lists that are set for this test alone.
    #[serde(default)]
    pub lists: std::collections::BTreeMap<String, Vec<String>>,
    /// The site's calendar for this test alone.
    #[serde(default)]
    pub calendar: Option<super::calendar::CalendarDocument>,
    /// What a database would say of addresses: `{"203.0.113.7": {country: DE, asn: "64500"}}`.
    #[serde(default)]
    pub enriched: std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>,
    /// Records, or `{repeat, every, record}`.
    pub events: Vec<serde_json::Value>,
}

/// What a rule's test expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// At least one match or burst.
    Match,
    /// None.
    NoMatch,
}

/// Everything a rule says about itself, and where it stands.
#[derive(Debug, Clone)]
pub struct RuleMeta {
    /// UUID, or a hash of the content where the document has none.
    pub id: String,
    /// Short name that other rules refer to.
    pub name: Option<String>,
    /// Title.
    pub title: String,
    /// Level; medium where the document has none.
    pub level: Level,
    /// Role; signal where the document has none.
    pub role: Role,
    /// Maturity.
    pub status: Option<Status>,
    /// What it finds and why that matters.
    pub description: String,
    /// Known harmless causes.
    pub falsepositives: Vec<String>,
    /// Tags: ATT&CK techniques and control ids.
    pub tags: Vec<String>,
    /// Where to read more: addresses of pages.
    pub references: Vec<String>,
    /// Lists that the document says it cannot do without (`needs_lists`).
    pub needs_lists: Vec<String>,
    /// Why the document's `tests:` were not taken for tests: in a foreign pack the key may be another tool's.
    pub tests_unread: Option<String>,
    /// Fields to show beside the evidence.
    pub fields: Vec<String>,
    /// Last change.
    pub modified: Option<String>,
    /// Tests that the rule carries.
    pub tests: Vec<RuleTest>,
    /// File that holds the rule.
    pub file: String,
    /// 1-based line of the document's start.
    pub line: usize,
    /// First 12 hex digits of the document's SHA-256.
    pub hash: String,
    /// A list that the rule needs and that is not set: it cannot be assessed.
    pub unset_list: Option<String>,
    /// Part of the embedded pack or named on the command line: it must load.
    pub required: bool,
    /// Indices of the pipelines of which a transformation applied to it.
    pub pipelines: Vec<usize>,
}

/// Beginnings of tags that are control ids.
pub const CONTROL_NAMESPACES: &[&str] = &["soc2.", "iso27001.", "pci-dss.", "hipaa.", "nist-800-53.", "cis.", "gdpr."];

impl RuleMeta {
    /// Control ids among the tags (everything but ATT&CK and the like).
    pub fn controls(&self) -> Vec<&str> {
        self.tags.iter().map(String::as_str).filter(|t| CONTROL_NAMESPACES.iter().any(|n| t.starts_with(n))).collect()
    }
}
