//! The page about what is unusual: where to look first, addresses with what was learnt of them, users by country and network,
//! a strip of time for each flagged user, and whom behaviour rules could not judge.

use super::context::{CellContext, LaneContext, MarkContext, StripContext, TableContext, TickContext, UnusualContext};
use crate::event::Column;
use crate::event::derived::Derived;
use crate::event::secrets::mask;
use crate::event::time::{format_local, format_time};
use crate::event::value::fold_case;
use crate::finding::Finding;
use crate::finding::addresses;
use crate::finding::risk::{FORMULA, Risk, Score};
use crate::finding::scan::Scan;
use crate::output::behaviour::{fact, fact_words, histories_of, unready_name};
use crate::output::printable;
use crate::output::risk::reason_words;
use crate::rule::Body;
use crate::rule::meta::Level;
use std::collections::{BTreeMap, BTreeSet};

/// Rows printed in a table; the rest is counted.
const MAX_ROWS: usize = 100;
/// Users that get a strip.
const MAX_LANES: usize = 12;
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
        let shown = if self.show_secrets { value.into() } else { mask(value).0 };
        text(printable(&shown).into_owned())
    }

    fn is_behaviour(&self, finding: &Finding) -> bool {
        matches!(self.scan.rules.rules[finding.rule].body, Body::Behaviour(_))
    }

    fn look_first(&self, risk: &Risk) -> TableContext {
        let one = |kind: &'static str, s: &Score| -> Vec<CellContext> {
            vec![text(kind), self.cell(&s.name), text(format!("{:.1}", s.score)), text(printable(&reason_words(self.scan, s, 6)).into_owned())]
        };
        let users = risk.users.iter().flatten().take(20).map(|s| one("user", s));
        let rows = users.chain(risk.addresses.iter().take(20).map(|s| one("address", s))).collect();
        let people = if risk.users.is_none() { " People are left out, as asked." } else { "" };
        let about = format!("Users and addresses by the rules that named them. A score is the {FORMULA}. It orders work and is no verdict.{people}");
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
        let mut lines: Vec<(i64, Vec<CellContext>)> = Vec::new();
        for (i, f) in scan.findings.iter().enumerate().filter(|(_, f)| self.is_behaviour(f) && scan.rules.rules[f.rule].meta.level > Level::Informational) {
            for ip in of(f) {
                let Some(&row) = f.rows().iter().find(|r| scan.column(Column::Ip, **r) == Some(ip)) else { continue };
                let place = addresses::of_row(scan, row).map(|a| a.words()).filter(|w| !w.is_empty());
                let place = place.map_or_else(|| text(if known { "the databases do not say" } else { "not looked up" }), |w| self.cell(&w));
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
                    text(format_local(scan.rows.time[row as usize], self.zone)),
                    self.cell(&format!("{}: {}", scan.rules.rules[f.rule].meta.title, fact_words(&f.facts))),
                    text(learnt),
                    text(if else_did.is_empty() { "nothing else".into() } else { else_did.join("; ") }),
                ];
                lines.push((scan.rows.time[row as usize], cells));
            }
        }
        lines.sort();
        lines.dedup();
        let asked = if known { "" } else { " Where addresses are was not looked up: no database was given (--geoip)." };
        table(
            "unusual-addresses",
            "Unusual addresses",
            format!(
                "Addresses in findings of behaviour rules: what was unusual, since when and by how many events the entity was known, and what else names the address.{asked}"
            ),
            vec!["Address", "Who", "Where", "First seen", "What was unusual", "Learnt", "Also named in"],
            lines.into_iter().map(|l| l.1).collect(),
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
        let empty = StripContext { width: WIDTH, height: 0.0, labels: LABELS, from: String::new(), to: String::new(), lanes: Vec::new() };
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
        let mut marks: Vec<Vec<MarkContext>> = vec![Vec::new(); users.len()];
        // Most severe last: it is drawn above the others.
        for finding in scan.findings.iter().rev() {
            let meta = &scan.rules.rules[finding.rule].meta;
            if meta.level == Level::Informational {
                continue;
            }
            let lanes: BTreeSet<usize> =
                finding.rows().iter().filter_map(|r| scan.column(Column::User, *r)).filter_map(|u| lanes_by_text.get(u).copied().flatten()).collect();
            for lane in lanes {
                let title = format!("{} ({}), {}", meta.title, meta.level.name(), format_local(finding.first, self.zone));
                marks[lane].push(MarkContext {
                    x: x(finding.first),
                    level: meta.level.name(),
                    anchor: finding.id.to_lowercase(),
                    title: printable(&title).into_owned(),
                });
            }
        }
        let lanes = users.iter().zip(ticks).zip(marks).enumerate().map(|(i, ((user, ticks), marks))| {
            let most = ticks.values().copied().max().unwrap_or(1) as f64;
            let CellContext::Text(name) = self.cell(&user.name) else { return None };
            let ticks = ticks.into_iter().map(|(at, n)| TickContext {
                x: ((LABELS + at as f64 / (TICKS - 1) as f64 * (WIDTH - LABELS - 12.0)) * 10.0).round() / 10.0,
                height: (3.0 + 7.0 * (n as f64 / most).sqrt()).round(),
            });
            Some(LaneContext {
                y: LANE * i as f64,
                name,
                short: printable(&crate::output::shorten(&user.name, 24)).into_owned(),
                score: format!("{:.1}", user.score),
                ticks: ticks.collect(),
                marks,
            })
        });
        StripContext {
            width: WIDTH,
            height: LANE * users.len() as f64,
            labels: LABELS,
            from: format_time(from),
            to: format_time(to),
            lanes: lanes.flatten().collect(),
        }
    }
}
