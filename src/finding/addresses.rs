//! What is known of the addresses in findings, and of the databases that said so: a report can be checked when they are gone.

use super::Finding;
use super::scan::Scan;
use crate::event::Column;
use crate::event::derived::Derived;
use crate::event::dict::ABSENT;
use crate::event::time::{DAY, format_time};
use crate::rule::FieldRef;
use hashbrown::HashMap;
use serde::Serialize;
use std::net::IpAddr;

/// Addresses that are listed with a finding.
pub const MAX_ADDRESSES: usize = 20;
/// Days between a database and the newest event beyond which addresses may have moved: providers trade them all the time.
pub const MAX_DAYS: i64 = 90;

/// Columns that must be retained for [`of_finding`].
pub const COLUMNS: [Column; 1] = [Column::Ip];
/// Derived fields that must be.
pub const DERIVED: [Derived; 5] = [Derived::IpCountry, Derived::IpCity, Derived::IpAsn, Derived::IpOrg, Derived::IpKind];

/// An address and what was found of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownAddress<'s> {
    /// As the log writes it.
    pub ip: &'s str,
    /// [`Derived::IpCountry`]
    pub country: Option<&'s str>,
    /// [`Derived::IpCity`]
    pub city: Option<&'s str>,
    /// [`Derived::IpAsn`]
    pub asn: Option<&'s str>,
    /// [`Derived::IpOrg`]
    pub org: Option<&'s str>,
    /// [`Derived::IpKind`]
    pub kind: Option<&'s str>,
}

impl KnownAddress<'_> {
    /// In one line, without the address: `DE, Berlin, AS64500 Example, vpn`.
    pub fn words(&self) -> String {
        let system = self.system();
        [self.country, self.city, system.as_deref(), self.kind].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Where it is and of which kind: `DE, Berlin, vpn`.
    pub fn place(&self) -> String {
        [self.country, self.city, self.kind].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The network that it belongs to: `AS64500 Example`.
    pub fn system(&self) -> Option<String> {
        match (self.asn, self.org) {
            (Some(asn), Some(org)) => Some(format!("AS{asn} {org}")),
            (asn, org) => asn.map(|n| format!("AS{n}")).or(org.map(str::to_owned)),
        }
    }
}

/// What is known of a row's address; `None` where it has none or no database was given.
pub fn of_row<'s>(scan: &'s Scan<'_>, row: u32) -> Option<KnownAddress<'s>> {
    let ip = scan.column(Column::Ip, row).filter(|_| !scan.databases.is_empty())?;
    let [country, city, asn, org, kind] = DERIVED.map(|d| scan.derived(d, row));
    Some(KnownAddress { ip, country, city, asn, org, kind })
}

/// The addresses of a finding's evidence in their order, at most [`MAX_ADDRESSES`], and how many there are beyond them. Nothing
/// where no database was given.
pub fn of_finding<'s>(scan: &'s Scan<'_>, finding: &Finding) -> (Vec<KnownAddress<'s>>, usize) {
    let Some(ip) = scan.field(&FieldRef::Column(Column::Ip)).filter(|_| !scan.databases.is_empty()) else { return (Vec::new(), 0) };
    let mut rows: HashMap<u32, u32> = HashMap::new();
    for &row in finding.rows() {
        let code = scan.rows.columns[ip][row as usize];
        if code != ABSENT {
            rows.entry(code).or_insert(row);
        }
    }
    let mut found: Vec<KnownAddress<'s>> = rows.into_values().filter_map(|row| of_row(scan, row)).collect();
    found.sort_by_cached_key(|a| (a.ip.parse::<IpAddr>().ok(), a.ip));
    let more = found.len().saturating_sub(MAX_ADDRESSES);
    found.truncate(MAX_ADDRESSES);
    (found, more)
}

/// A database that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseUse {
    /// File, as the user named it.
    pub file: String,
    /// What it calls itself.
    #[serde(rename = "type")]
    pub database_type: String,
    /// When it was built, UTC.
    pub built: String,
    /// Whole days from when it was built to the newest event: negative when it is newer than that. None without an event.
    pub days_before_newest_event: Option<i64>,
}

impl DatabaseUse {
    /// In one line.
    pub fn words(&self) -> String {
        let distance = match self.days_before_newest_event {
            None => String::new(),
            Some(0) => ", on the day of the newest event".to_owned(),
            Some(n) => format!(", {} {} {} the newest event", n.abs(), if n.abs() == 1 { "day" } else { "days" }, if n > 0 { "before" } else { "after" }),
        };
        format!("{} ({}), built {}{distance}", self.database_type, self.file, self.built.get(..10).unwrap_or(&self.built))
    }

    /// Whether it is so far from the events that addresses may have moved.
    pub fn is_far(&self) -> bool {
        self.days_before_newest_event.is_some_and(|n| n.abs() > MAX_DAYS)
    }
}

/// The databases of a run, in the order in which they were asked.
pub fn databases(scan: &Scan<'_>) -> Vec<DatabaseUse> {
    let newest = scan.files.iter().filter_map(|f| f.span).map(|s| s.1).max();
    let one = |d: &crate::enrich::database::Database| DatabaseUse {
        file: d.file.clone(),
        database_type: d.database_type.clone(),
        built: format_time(d.built),
        days_before_newest_event: newest.map(|n| (n - d.built) / DAY),
    };
    scan.databases.files().iter().map(|d| one(d)).collect()
}
