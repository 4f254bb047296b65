//! Timelines: what happened around an event, or to a user, a resource or an address, over all inputs.

pub mod incident;

use crate::diag::UserError;
use crate::event::Column;
use crate::event::time::DAY;
use crate::event::value::fold_case;
use crate::finding::scan::Scan;

/// Columns that a timeline shows.
pub const COLUMNS: [Column; 14] = [
    Column::Source,
    Column::User,
    Column::UserKey,
    Column::Action,
    Column::Activity,
    Column::Category,
    Column::Status,
    Column::Resource,
    Column::ResourceType,
    Column::Ip,
    Column::UserAgent,
    Column::ErrorMessage,
    Column::Changes,
    Column::Request,
];

/// How far back the actor's last login is looked for, in microseconds.
const LOGIN_LOOKBACK: i64 = DAY;

/// Which rows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Event id in the middle, and how far around it in microseconds.
    pub around: Option<(String, i64)>,
    /// User, compared without case.
    pub user: Option<String>,
    /// Resource, compared without case.
    pub resource: Option<String>,
    /// Address.
    pub ip: Option<String>,
}

/// A row of a timeline and why it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Row.
    pub row: u32,
    /// Why it is there.
    pub why: String,
    /// The event that was asked for.
    pub focus: bool,
}

/// Rows in time order, and how many of the window were left out.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// Rows.
    pub entries: Vec<Entry>,
    /// Events in the window that have nothing in common with the one asked for.
    pub unrelated: usize,
    /// The row of the event that was asked for.
    pub focus: Option<u32>,
}

/// The row of an event id.
pub fn find_event(scan: &Scan<'_>, id: &str) -> Result<u32, UserError> {
    let found: Vec<u32> = (0..scan.rows.len() as u32).filter(|r| scan.rows.event_id(*r) == Some(id)).collect();
    found.first().copied().ok_or_else(|| {
        UserError::new(format!("no event has the id `{id}`")).help("look the id up in the log or in a scan's findings; ids are compared exactly")
    })
}

/// Builds a timeline.
pub fn build(scan: &Scan<'_>, filter: &Filter) -> Result<Timeline, UserError> {
    let same = |column: Column, row: u32, wanted: &Option<String>| {
        wanted.as_ref().is_none_or(|w| scan.column(column, row).is_some_and(|v| fold_case(v) == fold_case(w)))
    };
    let passes = |row: u32| same(Column::User, row, &filter.user) && same(Column::Resource, row, &filter.resource) && same(Column::Ip, row, &filter.ip);
    let filtered = filter.user.is_some() || filter.resource.is_some() || filter.ip.is_some();
    let mut out = Timeline::default();
    let Some((id, window)) = &filter.around else {
        out.entries = (0..scan.rows.len() as u32)
            .filter(|r| scan.period.contains(scan.rows.time[*r as usize]) && passes(*r))
            .map(|row| Entry { row, why: "asked for".into(), focus: false })
            .collect();
        return Ok(out);
    };
    let focus = find_event(scan, id)?;
    out.focus = Some(focus);
    let at = scan.rows.time[focus as usize];
    for row in 0..scan.rows.len() as u32 {
        let time = scan.rows.time[row as usize];
        if (time - at).abs() > *window {
            continue;
        }
        let why = if row == focus {
            Some("the event".to_owned())
        } else if filtered {
            passes(row).then(|| "asked for".to_owned())
        } else {
            related(scan, focus, row)
        };
        match why {
            Some(why) => out.entries.push(Entry { row, why, focus: row == focus }),
            None => out.unrelated += 1,
        }
    }
    if !filtered {
        mark_last_login(scan, focus, &mut out);
    }
    Ok(out)
}

/// What two events have in common, in words.
fn related(scan: &Scan<'_>, focus: u32, row: u32) -> Option<String> {
    let shared = |column: Column| scan.column(column, focus).is_some_and(|v| scan.column(column, row) == Some(v));
    let mut words = Vec::new();
    for (column, word) in [(Column::Resource, "same resource"), (Column::UserKey, "same user"), (Column::Ip, "same address")] {
        if shared(column) {
            words.push(word);
        }
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// The actor's last login before the event belongs to the timeline, and is named as such.
pub fn mark_last_login(scan: &Scan<'_>, focus: u32, timeline: &mut Timeline) {
    let Some(row) = last_login(scan, focus) else { return };
    let why = "the actor's last login before it".to_owned();
    match timeline.entries.iter_mut().find(|e| e.row == row) {
        Some(entry) => entry.why = why,
        None => {
            timeline.entries.push(Entry { row, why, focus: false });
            timeline.entries.sort_by_key(|e| e.row);
        }
    }
}

fn last_login(scan: &Scan<'_>, focus: u32) -> Option<u32> {
    let user = scan.column(Column::UserKey, focus)?;
    let at = scan.rows.time[focus as usize];
    (0..focus).rev().take_while(|r| at - scan.rows.time[*r as usize] <= LOGIN_LOOKBACK).find(|r| {
        scan.column(Column::Activity, *r) == Some("user.login")
            && scan.column(Column::UserKey, *r) == Some(user)
            && scan.column(Column::Status, *r) != Some("failed")
    })
}
