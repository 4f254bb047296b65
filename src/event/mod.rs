//! The one event schema: column names, their order, and the values that a log can hold.
//!
//! Every source is mapped to these columns; rules with `taxonomy: auditmill` use them as their fields.

pub mod address;
pub mod derived;
pub mod dict;
pub mod pattern;
pub mod secrets;
pub mod time;
pub mod value;

use std::fmt;
use std::str::FromStr;

macro_rules! columns {
    ($($variant:ident $name:literal $doc:literal),+ $(,)?) => {
        /// A column of the normalised event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Column { $(#[doc = $doc] $variant),+ }

        impl Column {
            /// Every column, in output order.
            pub const ALL: &'static [Column] = &[$(Column::$variant),+];

            /// The column's name in outputs, rules and mapping files.
            pub fn name(self) -> &'static str {
                match self { $(Column::$variant => $name),+ }
            }

            /// What the column holds, in one line.
            pub fn describe(self) -> &'static str {
                match self { $(Column::$variant => $doc),+ }
            }
        }
    };
}

columns! {
    EventId "event_id" "Id that the log gives the event; null when it has none",
    Source "source" "Id of the source mapping that read the record",
    File "file" "File, relative to the input given",
    Record "record" "1-based line, row or array index in the file",
    Time "time" "When it happened: UTC, microseconds",
    TimeRaw "time_raw" "The time as the log wrote it",
    TimeZoneAssumed "time_zone_assumed" "Zone that was assumed because the log wrote none",
    ReceivedTime "received_time" "When the log's service received it",
    Action "action" "The vendor's own name of the action, verbatim",
    Activity "activity" "Our name of the action, such as user.login; null when not mapped",
    Category "category" "authentication, iam, policy, integration, project, deployment, workflow, storage, network, logging or secrets",
    Status "status" "success, failed or null: absent is not success unless the vendor says so",
    ErrorCode "error_code" "The vendor's error code",
    ErrorMessage "error_message" "The vendor's error text",
    User "user" "Who acted, verbatim",
    UserKey "user_key" "Who acted, case-folded: what rules group by",
    UserId "user_id" "The vendor's id of who acted",
    ActorType "actor_type" "human, service, role, system or root",
    Credential "credential" "Access key or token id",
    Session "session" "Session id",
    OnBehalfOf "on_behalf_of" "Role or identity acted for",
    Mfa "mfa" "true, false or null",
    TargetUser "target_user" "Whom the action was done to",
    TargetUserId "target_user_id" "The vendor's id of whom the action was done to",
    RoleBefore "role_before" "Role before a change",
    RoleAfter "role_after" "Role, policy or group granted",
    Resource "resource" "What was affected",
    ResourceType "resource_type" "Kind of what was affected",
    Changes "changes" "What changed: JSON text or text",
    Request "request" "The request's details: JSON text or text",
    Response "response" "The response: JSON text or text",
    Ip "ip" "A valid address or null",
    UserAgent "user_agent" "Browser or client",
    Account "account" "Account, organisation or tenant",
    Region "region" "Region",
    Environment "environment" "Environment",
    Raw "raw" "The record as it stands in the log",
}

impl Column {
    /// Columns that are filled by the reader itself, not by a mapping's `columns:` section.
    pub fn is_built_in(self) -> bool {
        matches!(
            self,
            Column::Source | Column::File | Column::Record | Column::Time | Column::TimeRaw | Column::TimeZoneAssumed | Column::UserKey | Column::Raw
        )
    }

    /// Columns whose values may hold secrets and are masked in outputs.
    pub fn may_hold_secrets(self) -> bool {
        matches!(self, Column::Changes | Column::Request | Column::Response | Column::Raw | Column::ErrorMessage | Column::Credential)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Column {
    type Err = ();
    fn from_str(s: &str) -> Result<Column, ()> {
        Column::ALL.iter().copied().find(|c| c.name() == s).ok_or(())
    }
}

/// The closed list of event categories (RULES §5).
pub const CATEGORIES: &[&str] =
    &["authentication", "iam", "policy", "integration", "project", "deployment", "workflow", "storage", "network", "logging", "secrets"];

/// Outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The log says that it succeeded, or the vendor defines absence of an error as success.
    Success,
    /// The log says that it failed.
    Failed,
    /// The log does not say.
    Unknown,
}

impl Outcome {
    /// From the text of the `status` column.
    pub fn from_status(status: Option<&str>) -> Outcome {
        match status {
            Some("success") => Outcome::Success,
            Some("failed") => Outcome::Failed,
            _ => Outcome::Unknown,
        }
    }
}

/// Where a record stands: what an auditor needs to find it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordRef {
    /// Index into the run's files, which are sorted by name.
    pub file: u32,
    /// 1-based record number in that file.
    pub record: u32,
}
