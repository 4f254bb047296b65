//! The page about what is unusual: where to look first, addresses with what was learnt of them, users by country and network,
//! a strip of time for each flagged user, and whom behaviour rules could not judge.

use super::context::{CellContext, LaneContext, MarkContext, StripContext, TableContext, TickContext, UnusualContext};
use super::shown;
use crate::event::Column;
use crate::event::derived::Derived;
use crate::event::time::{format_local, format_time};
use crate::event::value::fold_case;
use crate::finding::Finding;
use crate::finding::addresses;
use crate::finding::risk::{FORMULA, Risk, Score};
use crate::finding::scan::Scan;
use crate::output::behaviour::{fact, fact_words, histories_of, unready_name};
use crate::output::risk::reason_words;
use crate::output::{grouped, printable, shorten};
use crate::rule::meta::Level;
use crate::rule::{Body, FieldRef};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Rows printed in a table; the rest is counted.
const MAX_ROWS: usize = 100;
/// Users, and addresses, that are listed by their score.
const MAX_SCORES: usize = 20;
/// Users that get a strip.
const MAX_LANES: usize = 12;
/// Width of a mark, in the drawing's own units: findings closer than that would hide each other and are one mark.
const MARK: f64 = 12.0;
/// Findings that a mark names.
const MAX_NAMED: usize = 5;
/// Width of the drawing, of its labels, and height of a lane, in the drawing's own units.
const WIDTH: f64 = 1000.0;
const LABELS: f64 = 220.0;
const LANE: f64 = 34.0;
/// Stretches of the time axis in which ordinary events are drawn as one tick.
const TICKS: usize = 300;

/// Builds the page; `users` are scored where that is wanted.
pub fn context(scan: &Scan<'_>, risk: &Risk, zone: chrono_tz::Tz, show_secrets: bool) -> UnusualContext {
    let page = Page { scan, zone, show_secrets };
    UnusualContext {
        formula: FORMULA,
        tables: vec![
            page.look_first(risk),
            page.addresses(),
            page.users_by("countries", "Users by country", Derived::IpCountry),
            page.users_by("networks", "Users by network operator", Derived::IpAsn),
            page.histories(),
        ],
        strip: page.strip(risk),
    }
}

struct Page<'s, 'a> {
    scan: &'s Scan<'a>,
    zone: chrono_tz::Tz,
    show_secrets: bool,
}

fn text(value: impl Into<String>) -> CellContext {
    CellContext::Text(value.into())
}

/// A name in the room of a label. ARNs begin alike: their ends tell them apart.
fn lane_label(name: &str) -> String {
    const MOST: usize = 24;
    let length = name.chars().count();
    if name.starts_with("arn:") && length > MOST {
        return std::iter::once('…').chain(name.chars().skip(length + 1 - MOST)).collect();
    }
    shorten(name, MOST).into_owned()
}

/// A table of rows that are sorted already.
fn table(
    id: &'static str,
    title: &'static str,
    about: impl Into<String>,
    columns: Vec<&'static str>,
    mut rows: Vec<Vec<CellContext>>,
    empty: &str,
) -> TableContext {
    let total = rows.len();
    rows.truncate(MAX_ROWS);
    TableContext { id, title, about: about.into(), columns, shown: rows.len(), rows, total, empty: empty.into(), assessable: true, why_not: None }
}

impl Page<'_, '_> {
    /// A text of a log as a cell may hold it.
    fn cell(&self, value: &str) -> CellContext {
        text(shown(value, self.show_secrets).0)
    }

    /// When each address of some rows was first seen in the events that were kept.
    fn first_seen(&self, rows: impl Iterator<Item = u32>) -> HashMap<u32, i64> {
        let Some(ip) = self.scan.field(&FieldRef::Column(Column::Ip)) else { return HashMap::new() };
        let codes = &self.scan.rows.columns[ip];
        let mut first: HashMap<u32, i64> = rows.map(|row| (codes[row as usize], i64::MAX)).collect();
        for (code, time) in codes.iter().zip(&self.scan.rows.time) {
            if let Some(known) = first.get_mut(code) {
                *known = (*known).min(*time);
            }
        }
        first
    }

    fn is_behaviour(&self, finding: &Finding) -> bool {
        matches!(self.scan.rules.rules[finding.rule].body, Body::Behaviour(_))
    }

    fn look_first(&self, risk: &Risk) -> TableContext {
        let one = |kind: &'static str, s: &Score| -> Vec<CellContext> {
            vec![text(kind), self.cell(&s.name), text(format!("{:.1}", s.score)), text(printable(&reason_words(self.scan, s, 6)).into_owned())]
        };
        let users = risk.users.iter().flatten().take(MAX_SCORES).map(|s| one("user", s));
        let rows = users.chain(risk.addresses.iter().take(MAX_SCORES).map(|s| one("address", s))).collect();
        let mut about = format!("Users and addresses by the rules that named them. A score is the {FORMULA}. It orders work and is no verdict.");
        if risk.users.is_none() {
            about.push_str(" People are left out, as asked.");
        }
        for (what, total) in [("users", risk.users.as_ref().map_or(0, Vec::len)), ("addresses", risk.addresses.len())] {
            if total > MAX_SCORES {
                about.push_str(&format!(" Of {} {what} the highest {MAX_SCORES} are listed.", grouped(total as u64)));
            }
        }
        table(
            "look-first",
            "Where to look first",
            about,
            vec!["Kind", "Name", "Score", "Named by"],
            rows,
            "No finding of level low or above names a user or an address.",
        )
    }

    /// One line for each address of each finding of a behaviour rule.
    fn addresses(&self) -> TableContext {
        let scan = self.scan;
        let known = !scan.databases.is_empty();
        // What else an address is named in.
        let mut named: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        let of = |f: &Finding| -> BTreeSet<&str> { f.rows().iter().filter_map(|r| scan.column(Column::Ip, *r)).collect() };
        for (i, f) in scan.findings.iter().enumerate().filter(|(_, f)| scan.rules.rules[f.rule].meta.level > Level::Informational) {
            of(f).into_iter().for_each(|ip| named.entry(ip).or_default().extend([i]));
        }
        let unusual = |f: &Finding| self.is_behaviour(f) && scan.rules.rules[f.rule].meta.level > Level::Informational;
        let first_seen = self.first_seen(scan.findings.iter().filter(|f| unusual(f)).flat_map(|f| f.rows().iter().copied()));
        let ip_codes = scan.field(&FieldRef::Column(Column::Ip)).map(|f| &scan.rows.columns[f]);
        let unknown = |derived: Derived| text(if scan.databases.lacks(derived).is_some() { "not looked up" } else { "the databases do not say" });
        let mut lines: Vec<(Reverse<Level>, i64, Vec<CellContext>)> = Vec::new();
        for (i, f) in scan.findings.iter().enumerate().filter(|(_, f)| unusual(f)) {
            for ip in of(f) {
                let Some(&row) = f.rows().iter().find(|r| scan.column(Column::Ip, **r) == Some(ip)) else { continue };
                let address = addresses::of_row(scan, row);
                let place = address.as_ref().map(|a| a.place()).filter(|w| !w.is_empty());
                let place = place.map_or_else(|| unknown(Derived::IpCountry), |w| self.cell(&w));
                let system = address.and_then(|a| a.system()).map_or_else(|| unknown(Derived::IpAsn), |w| self.cell(&w));
                let (time, seen) = (scan.rows.time[row as usize], ip_codes.and_then(|codes| first_seen.get(&codes[row as usize])));
                let learnt = match (fact(&f.facts, "known_since"), fact(&f.facts, "events_before")) {
                    (Some(since), Some(events)) => format!("since {}, {events} events", since.get(..10).unwrap_or(&since)),
                    _ => "nothing is learnt".into(),
                };
                let others: BTreeSet<&str> =
                    named.get(ip).into_iter().flatten().filter(|n| **n != i).map(|n| scan.rules.rules[scan.findings[*n].rule].meta.title.as_str()).collect();
                let mut else_did: Vec<String> = others.iter().take(4).map(|t| printable(t).into_owned()).collect();
                if others.len() > 4 {
                    else_did.push(format!("{} more", others.len() - 4));
                }
                let who = scan.column(Column::User, row).unwrap_or_default();
                let cells = vec![
                    self.cell(ip),
                    self.cell(who),
                    place,
                    system,
                    text(format_local(seen.copied().unwrap_or(time), self.zone)),
                    self.cell(&format!("{}: {}, {}", scan.rules.rules[f.rule].meta.title, fact_words(&f.facts), format_local(time, self.zone))),
                    text(learnt),
                    text(if else_did.is_empty() { "nothing else".into() } else { else_did.join("; ") }),
                ];
                lines.push((Reverse(scan.rules.rules[f.rule].meta.level), time, cells));
            }
        }
        lines.sort();
        lines.dedup();
        let total = lines.len();
        let cut = match total > MAX_ROWS {
            true => format!(" The {MAX_ROWS} most severe of {} are listed, oldest first.", grouped(total as u64)),
            false => String::new(),
        };
        lines.truncate(MAX_ROWS);
        lines.sort_by(|a, b| (a.1, &a.2).cmp(&(b.1, &b.2)));
        let asked = if known { "" } else { " Where addresses are was not looked up: no database was given (--geoip)." };
        table(
            "unusual-addresses",
            "Unusual addresses",
            format!(
                "Addresses in findings of behaviour rules: what was unusual and when, since when and by how many events the entity was known, and what else names the address. First seen is the address's first event, by anybody, in the events that rules or tables read; not in a baseline.{cut}{asked}"
            ),
            vec!["Address", "Who", "Where", "ASN", "First seen", "What was unusual", "Learnt", "Also named in"],
            lines.into_iter().map(|l| l.2).collect(),
            "No behaviour rule found anything.",
        )
    }

    /// Distinct users, and events, by what a database says of addresses.
    fn users_by(&self, id: &'static str, title: &'static str, derived: Derived) -> TableContext {
        let scan = self.scan;
        let mut found: BTreeMap<String, (BTreeSet<String>, u64)> = BTreeMap::new();
        for row in (0..scan.rows.len() as u32).filter(|r| scan.period.contains(scan.rows.time[*r as usize])) {
            let (Some(user), Some(value)) = (scan.column(Column::User, row), scan.derived(derived, row)) else { continue };
            let name = match (derived, scan.derived(Derived::IpOrg, row)) {
                (Derived::IpAsn, Some(org)) => format!("AS{value} {org}"),
                (Derived::IpAsn, None) => format!("AS{value}"),
                _ => value.to_owned(),
            };
            let counted = found.entry(name).or_default();
            counted.0.insert(fold_case(user).into_owned());
            counted.1 += 1;
        }
        let mut rows: Vec<(String, u64, u64, String)> = found
            .into_iter()
            .map(|(name, (users, events))| {
                let some: Vec<&str> = users.iter().take(3).map(String::as_str).collect();
                (name, users.len() as u64, events, some.join(", "))
            })
            .collect();
        rows.sort_by(|a, b| (b.1, b.2, &a.0).cmp(&(a.1, a.2, &b.0)));
        let cells = rows
            .into_iter()
            .map(|(name, users, events, some)| vec![self.cell(&name), CellContext::Number(users), CellContext::Number(events), self.cell(&some)]);
        let mut out = table(
            id,
            title,
            "Of the events of the period that rules or tables read, with an address that a database knows. The few at the end are worth a look.",
            vec![if derived == Derived::IpCountry { "Country" } else { "Network operator" }, "Users", "Events", "Such as"],
            cells.collect(),
            "No address of the period is known to the databases.",
        );
        if let Some(why) = scan.databases.lacks(derived) {
            out.assessable = false;
            out.why_not = Some(why);
        }
        out
    }

    fn histories(&self) -> TableContext {
        let scan = self.scan;
        let mut rows: Vec<Vec<CellContext>> = Vec::new();
        for &rule in scan.behaved.keys() {
            for h in histories_of(scan, rule) {
                let entity: Vec<&str> = h.entity.iter().map(|e| if e.1.is_empty() { "(null)" } else { e.1.as_str() }).collect();
                rows.push(vec![
                    text(printable(&scan.rules.rules[rule].meta.title).into_owned()),
                    self.cell(if entity.is_empty() { "the organisation".to_owned() } else { entity.join(", ") }.as_str()),
                    text(unready_name(h.why)),
                    text(format_local(h.since, self.zone)),
                    CellContext::Number(h.events),
                    CellContext::Number(h.unjudged),
                    text(h.judged_from.map_or("never".into(), |t| format!("from {}", format_local(t, self.zone)))),
                ]);
            }
        }
        table(
            "not-enough-history",
            "Not enough history",
            "Whom behaviour rules could not judge, or not from the beginning: neither a finding nor a pass.",
            vec!["Rule", "Who", "Why", "Known since", "Known by events", "Events not judged", "Judged"],
            rows,
            "Every entity that behaviour rules looked at had history enough.",
        )
    }

    /// One lane for each of the users with the highest scores.
    fn strip(&self, risk: &Risk) -> StripContext {
        let scan = self.scan;
        let users: Vec<&Score> = risk.users.iter().flatten().take(MAX_LANES).collect();
        let span = match (scan.period.from, scan.period.to, scan.period_span) {
            (Some(from), Some(to), _) => Some((from, to)),
            (_, _, Some((first, last))) => Some((first, last.max(first + 1))),
            _ => None,
        };
        let empty = StripContext { width: WIDTH, height: 0.0, labels: LABELS, from: String::new(), to: String::new(), users: 0, lanes: Vec::new() };
        let Some((from, to)) = span.filter(|_| !users.is_empty()) else { return empty };
        let part = |time: i64| ((time - from) as f64 / (to - from).max(1) as f64).clamp(0.0, 1.0);
        let x = |time: i64| ((LABELS + part(time) * (WIDTH - LABELS - 12.0)) * 10.0).round() / 10.0;
        let lane_of: BTreeMap<String, usize> = users.iter().enumerate().map(|(i, s)| (fold_case(&s.name).into_owned(), i)).collect();
        let mut ticks: Vec<BTreeMap<usize, u64>> = vec![BTreeMap::new(); users.len()];
        // Users repeat: each spelling is folded once.
        let mut lanes_by_text: BTreeMap<&str, Option<usize>> = BTreeMap::new();
        for row in (0..scan.rows.len() as u32).filter(|r| scan.period.contains(scan.rows.time[*r as usize])) {
            let Some(user) = scan.column(Column::User, row) else { continue };
            let lane = *lanes_by_text.entry(user).or_insert_with(|| lane_of.get(fold_case(user).as_ref()).copied());
            if let Some(lane) = lane {
                *ticks[lane].entry((part(scan.rows.time[row as usize]) * (TICKS - 1) as f64) as usize).or_default() += 1;
            }
        }
        let mut named: Vec<Vec<&Finding>> = vec![Vec::new(); users.len()];
        for finding in &scan.findings {
            let meta = &scan.rules.rules[finding.rule].meta;
            if meta.level == Level::Informational {
                continue;
            }
            let lanes: BTreeSet<usize> =
                finding.rows().iter().filter_map(|r| scan.column(Column::User, *r)).filter_map(|u| lanes_by_text.get(u).copied().flatten()).collect();
            for lane in lanes {
                named[lane].push(finding);
            }
        }
        let level = |f: &Finding| scan.rules.rules[f.rule].meta.level;
        let mark = |mut found: Vec<&Finding>| {
            let at = x(found.first()?.first);
            // The most severe gives the shape and is named first.
            found.sort_by_key(|f| Reverse(level(f)));
            let first = *found.first()?;
            let named = found.iter().take(MAX_NAMED).map(|f| {
                let title = format!("{} ({}), {}", scan.rules.rules[f.rule].meta.title, level(f).name(), format_local(f.first, self.zone));
                printable(&title).into_owned()
            });
            let mut title = named.collect::<Vec<_>>().join("; ");
            if found.len() > MAX_NAMED {
                title.push_str(&format!("; {} more", grouped((found.len() - MAX_NAMED) as u64)));
            }
            Some(MarkContext { x: at, level: level(first).name(), anchor: first.id.to_lowercase(), findings: found.len(), title })
        };
        let lanes = users.iter().zip(ticks).zip(named).enumerate().map(|(i, ((user, ticks), mut named))| {
            named.sort_by_key(|f| f.first);
            // A mark begins where the one before it ends, or later: none hides another, and a lane has only so many.
            let mut places: Vec<Vec<&Finding>> = Vec::new();
            for finding in named {
                match places.last_mut() {
                    Some(place) if place.first().is_some_and(|f| x(finding.first) - x(f.first) < MARK) => place.push(finding),
                    _ => places.push(vec![finding]),
                }
            }
            let most = ticks.values().copied().max().unwrap_or(1) as f64;
            let CellContext::Text(name) = self.cell(&user.name) else { return None };
            let ticks = ticks.into_iter().map(|(at, n)| TickContext {
                x: ((LABELS + at as f64 / (TICKS - 1) as f64 * (WIDTH - LABELS - 12.0)) * 10.0).round() / 10.0,
                height: (3.0 + 7.0 * (n as f64 / most).sqrt()).round(),
            });
            Some(LaneContext {
                y: LANE * i as f64,
                // Shortened after the masking: a part of a secret is not known as one.
                short: lane_label(&name),
                name,
                score: format!("{:.1}", user.score),
                ticks: ticks.collect(),
                marks: places.into_iter().filter_map(mark).collect(),
            })
        });
        StripContext {
            width: WIDTH,
            height: LANE * users.len() as f64,
            labels: LABELS,
            from: format_time(from),
            to: format_time(to),
            users: risk.users.as_ref().map_or(0, Vec::len),
            lanes: lanes.flatten().collect(),
        }
    }
}
