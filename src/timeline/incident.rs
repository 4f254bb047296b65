//! What the events tell about an incident; what they cannot tell is left to a person.

use super::{Entry, Timeline, find_event, mark_last_login};
use crate::diag::UserError;
use crate::event::Column;
use crate::event::time::{SECOND, format_time};
use crate::finding::scan::Scan;

/// A statement and the record that it rests on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Cited {
    /// The statement.
    pub text: String,
    /// `file:record`.
    pub cited: String,
}

/// An incident as far as events tell it.
#[derive(Debug, Clone)]
pub struct Incident {
    /// The event that it is about.
    pub focus: u32,
    /// Rows on the same resource, and the actor's last login.
    pub timeline: Timeline,
    /// What happened.
    pub issue: Cited,
    /// When and after what it was recorded.
    pub detected: Cited,
    /// How far it went, where the event says so.
    pub impact: Option<Cited>,
    /// The next success on the resource: text and row.
    pub next_success: Option<(Cited, u32)>,
}

/// Collects an incident from a scan that kept all rows.
pub fn collect(scan: &Scan<'_>, event_id: &str, window: i64) -> Result<Incident, UserError> {
    let focus = find_event(scan, event_id)?;
    let at = scan.rows.time[focus as usize];
    let resource = scan.column(Column::Resource, focus);
    let near = |row: &u32| (scan.rows.time[*row as usize] - at).abs() <= window;
    let on_resource = |row: &u32| *row == focus || (resource.is_some() && scan.column(Column::Resource, *row) == resource);
    let mut timeline = Timeline { focus: Some(focus), ..Timeline::default() };
    for row in (0..scan.rows.len() as u32).filter(near) {
        if on_resource(&row) {
            let why = if row == focus { "the event" } else { "same resource" };
            timeline.entries.push(Entry { row, why: why.into(), focus: row == focus });
        } else {
            timeline.unrelated += 1;
        }
    }
    mark_last_login(scan, focus, &mut timeline);
    let cite = |row: u32| format!("{}:{}", scan.file_name(row), scan.rows.record[row as usize]);
    let action = |row: u32| scan.column(Column::Action, row).unwrap_or("an event").to_owned();
    let mut issue = action(focus);
    if let Some(r) = resource {
        issue.push_str(&format!(" on {r}"));
    }
    if let Some(e) = scan.column(Column::ErrorMessage, focus) {
        issue.push_str(&format!(": {e}"));
    }
    let before = timeline.entries.iter().rev().find(|e| e.row < focus && e.why == "same resource").map(|e| e.row);
    let detected = match before {
        Some(b) => format!("recorded at {}, {} after {} ({})", format_time(at), exact(at - scan.rows.time[b as usize]), action(b), cite(b)),
        None => format!("recorded at {}", format_time(at)),
    };
    Ok(Incident {
        issue: Cited { text: issue, cited: cite(focus) },
        detected: Cited { text: detected, cited: cite(focus) },
        impact: impact(scan.column(Column::Changes, focus)).map(|text| Cited { text, cited: cite(focus) }),
        next_success: next_success(scan, focus)
            .map(|row| (Cited { text: format!("{} after the event: {}", exact(scan.rows.time[row as usize] - at), action(row)), cited: cite(row) }, row)),
        focus,
        timeline,
    })
}

/// How much of a deployment was carried out, where its changes say so.
fn impact(changes: Option<&str>) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(changes?).ok()?;
    let n = |key: &str| json.get(key).and_then(|v| v.as_u64().or_else(|| v.as_str().and_then(|s| s.parse().ok())));
    match (n("resources_applied")?, n("resources_planned")) {
        (applied, Some(planned)) => Some(format!("{applied} of {planned} planned resources were applied")),
        (applied, None) => Some(format!("{applied} resources were applied")),
    }
}

/// The next event on the resource that succeeded and ends what failed: of the same category, not a mere start.
fn next_success(scan: &Scan<'_>, focus: u32) -> Option<u32> {
    let resource = scan.column(Column::Resource, focus)?;
    let category = scan.column(Column::Category, focus);
    (focus + 1..scan.rows.len() as u32).find(|&r| {
        scan.column(Column::Resource, r) == Some(resource)
            && scan.column(Column::Status, r) == Some("success")
            && (category.is_none() || scan.column(Column::Category, r) == category)
            && !scan.column(Column::Activity, r).is_some_and(|a| a.ends_with(".started"))
    })
}

/// A duration to the second: `3 s`, `15 min 00 s`, `2 h 05 min 09 s`.
fn exact(micros: i64) -> String {
    let s = micros / SECOND;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min {:02} s", s / 3600, s % 3600 / 60, s % 60),
    }
}
