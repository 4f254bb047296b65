//! Population tables: who logged in, who came and went, who got which role, what changed. Grouped and counted in Polars.

use super::context::{CellContext, TableContext};
use crate::event::Column as EventColumn;
use crate::event::time::format_local;
use crate::finding::scan::Scan;
use polars::prelude::*;
use std::collections::BTreeMap;

/// Rows printed in a table; the rest is counted.
const MAX_ROWS: usize = 200;

/// Columns that the tables read.
pub const COLUMNS: [EventColumn; 11] = [
    EventColumn::User,
    EventColumn::Action,
    EventColumn::Activity,
    EventColumn::Category,
    EventColumn::Status,
    EventColumn::TargetUser,
    EventColumn::RoleBefore,
    EventColumn::RoleAfter,
    EventColumn::Resource,
    EventColumn::ResourceType,
    EventColumn::Ip,
];

struct Spec {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    empty: &'static str,
    /// Activities that it counts: exact, or every activity with this first part and a dot.
    activities: &'static [&'static str],
}

const USERS: &[&str] = &["user.invited", "user.joined", "user.created", "user.removed", "user.deleted", "user.disabled", "user.enabled"];

const GROUPED: [Spec; 5] = [
    Spec {
        id: "policy",
        title: "Policy events",
        about: "Policies created, changed and deleted, and violations that were detected, by user and resource.",
        empty: "No policy event in the period.",
        activities: &["policy."],
    },
    Spec {
        id: "integrations",
        title: "Integration events",
        about: "Integrations added, credentials updated, connections tested and removed.",
        empty: "No integration event in the period.",
        activities: &["integration."],
    },
    Spec {
        id: "projects",
        title: "Project events",
        about: "Projects and their files created, changed and deleted.",
        empty: "No project event in the period.",
        activities: &["project."],
    },
    Spec {
        id: "workflows",
        title: "Workflow events",
        about: "Workflows created, changed, run, finished and failed.",
        empty: "No workflow event in the period.",
        activities: &["workflow."],
    },
    Spec {
        id: "deployments",
        title: "Deployment events",
        about: "Deployments started, succeeded and failed.",
        empty: "No deployment event in the period.",
        activities: &["deployment."],
    },
];

/// Builds every table over the kept rows of the period.
pub fn build(scan: &Scan<'_>, zone: chrono_tz::Tz) -> Result<Vec<TableContext>, String> {
    let rows: Vec<u32> = (0..scan.rows.len() as u32).filter(|r| scan.period.contains(scan.rows.time[*r as usize])).collect();
    let mut out = vec![logins(scan, &rows).map_err(|e| e.to_string())?, users(scan, &rows, zone), roles(scan, &rows, zone)];
    for spec in GROUPED {
        out.push(grouped(scan, &rows, &spec).map_err(|e| e.to_string())?);
    }
    Ok(out)
}

fn fits(activity: &str, wanted: &[&str]) -> bool {
    wanted.iter().any(|w| if w.ends_with('.') { activity.starts_with(w) } else { activity == *w })
}

fn chosen(scan: &Scan<'_>, rows: &[u32], wanted: &[&str]) -> Vec<u32> {
    rows.iter().copied().filter(|r| scan.column(EventColumn::Activity, *r).is_some_and(|a| fits(a, wanted))).collect()
}

/// Whether some source that was read can give such events.
fn assess(scan: &Scan<'_>, wanted: &[&str]) -> (bool, Option<String>) {
    let read: Vec<_> = scan.by_source.iter().zip(scan.sources.mappings()).filter(|(n, _)| **n > 0).map(|(_, m)| m).collect();
    let can = |m: &crate::source::mapping::Mapping| m.reading().activities.as_ref().is_none_or(|a| a.iter().any(|x| fits(x, wanted)));
    if read.is_empty() {
        return (false, Some("no event was read".into()));
    }
    if read.iter().any(|m| can(m)) {
        return (true, None);
    }
    let titles: Vec<&str> = read.iter().map(|m| m.title.as_str()).collect();
    (false, Some(format!("the logs that were read ({}) hold no events of this kind", titles.join(", "))))
}

fn table(scan: &Scan<'_>, spec: &Spec, columns: Vec<&'static str>, mut rows: Vec<Vec<CellContext>>) -> TableContext {
    let total = rows.len();
    rows.truncate(MAX_ROWS);
    let (assessable, why_not) = assess(scan, spec.activities);
    TableContext {
        id: spec.id,
        title: spec.title,
        about: spec.about.into(),
        columns,
        shown: rows.len(),
        rows,
        total,
        empty: spec.empty.into(),
        assessable,
        why_not,
    }
}

/// Counts rows by text columns and outcome in Polars: one entry a key, with succeeded, failed and no outcome.
fn count_by_outcome(scan: &Scan<'_>, rows: &[u32], keys: &[EventColumn]) -> PolarsResult<BTreeMap<Vec<String>, [u64; 3]>> {
    let text = |c: EventColumn| -> Column {
        let values: Vec<&str> = rows.iter().map(|r| scan.column(c, *r).unwrap_or("")).collect();
        Column::new(c.name().into(), values)
    };
    let mut columns: Vec<Column> = keys.iter().map(|k| text(*k)).collect();
    columns.push(text(EventColumn::Status));
    let names: Vec<&str> = keys.iter().map(|k| k.name()).chain(["status"]).collect();
    let frame = DataFrame::new(rows.len(), columns)?;
    let grouped = frame.group_by(names)?;
    let counts = DataFrame::new(grouped.get_groups().len(), grouped.keys())?;
    let mut out: BTreeMap<Vec<String>, [u64; 3]> = BTreeMap::new();
    let key_columns = keys.iter().map(|k| counts.column(k.name())?.str()).collect::<PolarsResult<Vec<_>>>()?;
    let status = counts.column("status")?.str()?;
    for (i, group) in grouped.get_groups().iter().enumerate() {
        let key = key_columns.iter().map(|c| c.get(i).unwrap_or_default().to_owned()).collect();
        let slot = match status.get(i) {
            Some("success") => 0,
            Some("failed") => 1,
            _ => 2,
        };
        out.entry(key).or_default()[slot] += group.len() as u64;
    }
    Ok(out)
}

fn cell(text: &str) -> CellContext {
    CellContext::Text(if text.is_empty() { "(not said)".into() } else { super::shown(text, false).0 })
}

fn logins(scan: &Scan<'_>, rows: &[u32]) -> PolarsResult<TableContext> {
    let spec = Spec {
        id: "logins",
        title: "Logins by user",
        about: "Every user with a login event, and how the attempts ended.",
        empty: "No login event in the period.",
        activities: &["user.login", "user.login_failed"],
    };
    let rows = chosen(scan, rows, spec.activities);
    let counts = count_by_outcome(scan, &rows, &[EventColumn::User])?;
    let mut out: Vec<([u64; 3], String)> = counts.into_iter().map(|(k, n)| (n, k.concat())).collect();
    out.sort_by(|a, b| b.0.iter().sum::<u64>().cmp(&a.0.iter().sum()).then_with(|| a.1.cmp(&b.1)));
    let cells = out.into_iter().map(|(n, user)| vec![cell(&user), CellContext::Number(n[0]), CellContext::Number(n[1]), CellContext::Number(n[2])]).collect();
    Ok(table(scan, &spec, vec!["User", "Succeeded", "Failed", "No outcome"], cells))
}

fn grouped(scan: &Scan<'_>, rows: &[u32], spec: &Spec) -> PolarsResult<TableContext> {
    let rows = chosen(scan, rows, spec.activities);
    let counts = count_by_outcome(scan, &rows, &[EventColumn::Activity, EventColumn::User, EventColumn::Resource])?;
    let cells = counts
        .into_iter()
        .map(|(key, n)| {
            let mut cells: Vec<CellContext> = key.iter().map(|k| cell(k)).collect();
            cells.extend(n.map(CellContext::Number));
            cells
        })
        .collect();
    Ok(table(scan, spec, vec!["Event", "User", "Resource", "Succeeded", "Failed", "No outcome"], cells))
}

fn evidence(scan: &Scan<'_>, row: u32) -> CellContext {
    CellContext::Text(format!("{}:{}", scan.file_name(row), scan.rows.record[row as usize]))
}

fn listed(scan: &Scan<'_>, rows: &[u32], zone: chrono_tz::Tz, columns: &[EventColumn]) -> Vec<Vec<CellContext>> {
    rows.iter()
        .map(|&row| {
            let mut cells = vec![CellContext::Text(format_local(scan.rows.time[row as usize], zone))];
            cells.extend(columns.iter().map(|c| cell(scan.column(*c, row).unwrap_or_default())));
            cells.push(evidence(scan, row));
            cells
        })
        .collect()
}

fn users(scan: &Scan<'_>, rows: &[u32], zone: chrono_tz::Tz) -> TableContext {
    let spec = Spec {
        id: "users",
        title: "Users who came and went",
        about: "Invitations, joins, removals and disabled accounts: who did it, and to whom.",
        empty: "No user was invited, joined, removed or disabled in the period.",
        activities: USERS,
    };
    let rows = chosen(scan, rows, USERS);
    let cells = listed(scan, &rows, zone, &[EventColumn::Activity, EventColumn::User, EventColumn::TargetUser, EventColumn::Status]);
    table(scan, &spec, vec!["Time", "Event", "Done by", "Done to", "Status", "Record"], cells)
}

fn roles(scan: &Scan<'_>, rows: &[u32], zone: chrono_tz::Tz) -> TableContext {
    let spec = Spec {
        id: "roles",
        title: "Role changes",
        about: "Who got which role or privilege, and from whom.",
        empty: "No role was changed in the period.",
        activities: &["user.role_changed"],
    };
    let rows = chosen(scan, rows, spec.activities);
    let cells = listed(scan, &rows, zone, &[EventColumn::TargetUser, EventColumn::RoleBefore, EventColumn::RoleAfter, EventColumn::User, EventColumn::Status]);
    table(scan, &spec, vec!["Time", "Who got it", "Role before", "Role after", "From whom", "Status", "Record"], cells)
}
