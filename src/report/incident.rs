//! Fills the incident context: what events tell is cited, the rest is left to a person.

use super::shown;
use crate::event::Column;
use crate::event::time::{format_local, format_time};
use crate::finding::scan::Scan;
use crate::timeline::incident::{Cited, Incident};
use serde::Serialize;

/// The context of the incident template.
#[derive(Debug, Serialize)]
pub struct IncidentContext {
    pub title: String,
    pub version: String,
    pub command: String,
    pub zone: String,
    pub window: String,
    pub scope: Vec<String>,
    pub event: RowContext,
    pub issue: Option<Cited>,
    pub detected: Option<Cited>,
    pub impact: Option<Cited>,
    pub rows: Vec<RowContext>,
    pub next_success: Option<NextContext>,
    pub to_fill: Vec<String>,
}

/// The next success on the resource.
#[derive(Debug, Serialize)]
pub struct NextContext {
    pub text: String,
    pub time: String,
    pub cited: String,
}

/// A row of the timeline.
#[derive(Debug, Serialize)]
pub struct RowContext {
    pub time: String,
    pub time_local: String,
    pub clock: String,
    pub user: Option<String>,
    pub action: Option<String>,
    pub activity: Option<String>,
    pub resource: Option<String>,
    pub resource_type: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub status: Option<String>,
    pub event_id: Option<String>,
    pub file: String,
    pub record: u32,
    pub error_message: Option<String>,
    pub changes: Option<String>,
    pub request: Option<String>,
    pub response: Option<String>,
    pub why: String,
    pub focus: bool,
}

/// Builds the context.
pub fn context(scan: &Scan<'_>, incident: &Incident, command: String, window: &str, zone: chrono_tz::Tz, show_secrets: bool) -> IncidentContext {
    let row = |row: u32, why: &str, focus: bool| -> RowContext {
        let text = |c: Column| scan.column(c, row).map(|t| shown(t, show_secrets).0);
        let local = format_local(scan.rows.time[row as usize], zone);
        RowContext {
            time: format_time(scan.rows.time[row as usize]),
            clock: local.split(' ').nth(1).unwrap_or_default().to_owned(),
            time_local: local,
            user: text(Column::User),
            action: text(Column::Action),
            activity: text(Column::Activity),
            resource: text(Column::Resource),
            resource_type: text(Column::ResourceType),
            ip: text(Column::Ip),
            user_agent: text(Column::UserAgent),
            status: text(Column::Status),
            event_id: scan.rows.event_id(row).map(str::to_owned),
            file: scan.file_name(row).to_owned(),
            record: scan.rows.record[row as usize],
            error_message: text(Column::ErrorMessage),
            changes: text(Column::Changes),
            request: text(Column::Request),
            response: text(Column::Response),
            why: why.to_owned(),
            focus,
        }
    };
    let event = row(incident.focus, "the event", true);
    let mut to_fill = Vec::new();
    if incident.impact.is_none() {
        to_fill.push("Impact".to_owned());
    }
    to_fill.extend(["Root cause".to_owned(), "Resolution".to_owned()]);
    if incident.next_success.is_none() {
        to_fill.push("Time to next success".to_owned());
    }
    let mut scope: Vec<String> = Vec::new();
    if let Some(r) = &event.resource {
        scope.push(format!("events on {r}"));
    }
    scope.push("the actor's last login".into());
    IncidentContext {
        title: format!("Incident report: {}", event.resource.as_deref().or(event.action.as_deref()).unwrap_or("event")),
        version: concat!("auditmill ", env!("CARGO_PKG_VERSION")).into(),
        command,
        zone: zone.name().into(),
        window: window.to_owned(),
        scope,
        issue: Some(incident.issue.clone()),
        detected: Some(incident.detected.clone()),
        impact: incident.impact.clone(),
        rows: incident.timeline.entries.iter().map(|e| row(e.row, &e.why, e.focus)).collect(),
        next_success: incident.next_success.as_ref().map(|(c, r)| NextContext {
            text: c.text.clone(),
            time: format_time(scan.rows.time[*r as usize]),
            cited: c.cited.clone(),
        }),
        to_fill,
        event,
    }
}
