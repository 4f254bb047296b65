//! Which field fills a column: told by names, and by what the values look like.

use super::fields::{Field, Fields, words};
use super::write::quoted;
use super::{Guess, Sure};
use crate::event::address::parse_address;
use crate::event::time::parse_time;
use crate::event::value::fold_case;
use std::collections::BTreeMap;

/// strftime patterns of times that are not read by themselves.
const PATTERNS: &[&str] = &[
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d-%m-%Y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%b %d %Y %H:%M:%S",
    "%b %d, %Y %H:%M:%S",
    "%d/%b/%Y:%H:%M:%S %z",
    "%Y%m%d%H%M%S",
    "%Y.%m.%d %H:%M:%S",
];

/// Numbers since 1970 between 1990 and 2100.
const EPOCHS: &[(&str, f64)] = &[("epoch_s", 1.0), ("epoch_ms", 1e3), ("epoch_us", 1e6), ("epoch_ns", 1e9)];
const EPOCH_RANGE: std::ops::Range<f64> = 631_152_000.0..4_102_444_800.0;

const SUCCESS: &[&str] = &[
    "success",
    "succeeded",
    "successful",
    "ok",
    "okay",
    "allow",
    "allowed",
    "grant",
    "granted",
    "pass",
    "passed",
    "permit",
    "permitted",
    "completed",
    "accepted",
    "approved",
];
const FAILED: &[&str] = &[
    "failure",
    "failed",
    "fail",
    "error",
    "err",
    "deny",
    "denied",
    "block",
    "blocked",
    "reject",
    "rejected",
    "refused",
    "unauthorized",
    "forbidden",
    "invalid",
    "unsuccessful",
    "not ok",
    "ko",
];

fn is_one_of(word: &str, list: &[&str]) -> bool {
    list.contains(&word)
}

fn has_word(path: &str, list: &[&str]) -> bool {
    words(path).iter().any(|w| list.contains(&w.as_str()))
}

fn has_start(path: &str, list: &[&str]) -> bool {
    words(path).iter().any(|w| list.iter().any(|l| w.starts_with(l)))
}

/// The words of the last key without anything between them.
fn joined(field: &Field) -> String {
    words(field.last()).concat()
}

fn is_time(text: &str) -> bool {
    text.len() >= 8 && text.bytes().any(|b| b.is_ascii_digit()) && parse_time(text, chrono_tz::UTC).is_some()
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn epoch(text: &str) -> Option<&'static str> {
    let n: f64 = text.parse().ok()?;
    EPOCHS.iter().find(|(_, unit)| EPOCH_RANGE.contains(&(n / unit))).map(|(name, _)| *name)
}

fn by_pattern(text: &str, pattern: &str) -> Option<i64> {
    chrono::DateTime::parse_from_str(text.trim(), pattern)
        .ok()
        .map(|t| t.timestamp())
        .or_else(|| chrono::NaiveDateTime::parse_from_str(text.trim(), pattern).ok().map(|t| t.and_utc().timestamp()))
}

/// The best of the candidates: the highest score, then the first field.
fn best<T>(candidates: impl Iterator<Item = (i32, usize, T)>) -> Option<T> {
    candidates.min_by_key(|(score, order, _)| (-score, *order)).map(|(_, _, t)| t)
}

fn sure(by_name: bool, by_values: bool) -> Sure {
    match (by_name, by_values) {
        (true, true) => Sure::Sure,
        (false, false) => Sure::Guess,
        _ => Sure::Likely,
    }
}

/// Fields that may still be taken, and that most records have.
fn free<'f>(fields: &'f Fields, used: &'f [String], least: f64) -> impl Iterator<Item = &'f Field> {
    fields.all.iter().filter(move |f| !used.contains(&f.path) && !f.values.is_empty() && f.values.len() as f64 >= least * fields.records as f64)
}

/// The time: every record must have one.
pub(super) fn time(fields: &Fields) -> Option<Guess> {
    const NAMES: &[&str] = &["time", "timestamp", "date", "datetime", "ts", "when", "at", "zeit", "zeitpunkt", "datum", "fecha", "heure"];
    const NOT: &[&str] =
        &["expir", "updat", "modif", "receiv", "ingest", "index", "export", "end", "until", "valid", "birth", "last", "next", "due", "load", "complet"];
    let candidates = fields.all.iter().filter(|f| !f.values.is_empty() && f.values.len() as f64 >= 0.95 * fields.records as f64).filter_map(|f| {
        let by_name = has_word(f.last(), NAMES) || words(f.last()).last().is_some_and(|w| w.ends_with("time") || w.ends_with("timestamp"));
        let mut score = if by_name { 4 } else { 0 };
        score += i32::from(has_start(f.last(), &["creat", "event", "occur", "happen"])) * 2;
        score -= i32::from(has_start(&f.path, NOT)) * 5;
        score -= f.path.matches('.').count() as i32;
        let (format, how, more) = written(f)?;
        score += more;
        let no_zone = format.is_none() && f.values.iter().any(|v| parse_time(v, chrono_tz::UTC).is_some_and(|i| i.zone_assumed));
        let pattern = format.as_deref().filter(|f| f.contains('%') && !f.contains("%z"));
        let path = quoted(&f.path);
        let expression = match (&format, no_zone || pattern.is_some()) {
            (None, false) => path,
            (None, true) => format!("{{path: {path}, zone: UTC}}"),
            (Some(f), false) => format!("{{path: {path}, format: {}}}", quoted(f)),
            (Some(f), true) => format!("{{path: {path}, format: {}, zone: UTC}}", quoted(f)),
        };
        let ambiguous = how.contains("swapped");
        let why = match no_zone || pattern.is_some() {
            true => format!("{how}, without a zone: UTC is assumed"),
            false => how,
        };
        let sure = if ambiguous { Sure::Guess } else { sure(by_name, more >= 3) };
        Some((score, f.order, Guess { column: "time", path: f.path.clone(), sure, why, expression }))
    });
    best(candidates)
}

/// How a field's times are written: the format, in words, and how much that speaks for a time.
fn written(field: &Field) -> Option<(Option<String>, String, i32)> {
    let all = |holds: &dyn Fn(&str) -> bool| field.share(holds) >= 0.95;
    if all(&is_time) {
        let dates_only = field.share(|v| v.trim().len() <= 10) > 0.5;
        return Some((None, if dates_only { "dates without a time of day".into() } else { "every value is a time".into() }, if dates_only { 1 } else { 3 }));
    }
    if let Some(unit) = field.values.first().and_then(|v| epoch(v))
        && all(&|v| epoch(v) == Some(unit))
    {
        return Some((Some(unit.into()), format!("every value is a number of {unit} in 1990 to 2100"), 2));
    }
    let fits: Vec<&str> = PATTERNS.iter().copied().filter(|p| field.share(|v| by_pattern(v, p).is_some()) >= 0.95).collect();
    let ordered = |p: &str| {
        let times: Vec<i64> = field.values.iter().filter_map(|v| by_pattern(v, p)).collect();
        times.windows(2).filter(|w| w[0] == w[1]).count() + 1 < times.len() && (times.is_sorted() || times.iter().rev().is_sorted())
    };
    match fits.as_slice() {
        [] => None,
        [one] => Some((Some((*one).into()), "every value is written so".into(), 3)),
        // Day and month cannot be told by these values; exports are mostly in order.
        many => {
            let in_order: Vec<&&str> = many.iter().filter(|p| ordered(p)).collect();
            let chosen = if let [one] = in_order.as_slice() { **one } else { many[0] };
            Some((Some(chosen.into()), "day and month may be swapped: CHECK".into(), 2))
        }
    }
}

/// An address, of the caller rather than of the server.
pub(super) fn ip(fields: &Fields, used: &[String]) -> Option<Guess> {
    const NAMES: &[&str] =
        &["ip", "ips", "address", "addr", "remote", "client", "source", "src", "caller", "origin", "ipaddress", "clientip", "remoteip", "sourceip"];
    const NOT: &[&str] = &["dest", "destination", "dst", "server", "target", "local", "internal", "version", "new", "old", "to", "private", "gateway"];
    let first = |v: &str| v.split(',').next().is_some_and(|i| parse_address(i).is_some());
    let candidates = free(fields, used, 0.2).filter(|f| !has_word(&f.path, NOT) && f.share(first) >= 0.8).map(|f| {
        let by_name = has_word(&f.path, NAMES);
        let lists = f.values.iter().any(|v| v.contains(','));
        let conversion = if lists { "[first_item, ip]" } else { "ip" };
        let guess = Guess {
            column: "ip",
            path: f.path.clone(),
            sure: sure(by_name, true),
            why: percent(f.share(first), "of its values are addresses"),
            expression: format!("{{path: {}, as: {conversion}}}", quoted(&f.path)),
        };
        (i32::from(by_name) * 4 + (f.share(first) * 4.0) as i32, f.order, guess)
    });
    best(candidates)
}

/// An id that every record has and none shares.
pub(super) fn event_id(fields: &Fields, used: &[String]) -> Option<Guess> {
    const NAMES: &[&str] = &[
        "id",
        "eventid",
        "uuid",
        "guid",
        "uid",
        "insertid",
        "logid",
        "recordid",
        "auditid",
        "entryid",
        "messageid",
        "eventuuid",
        "auditlogid",
        "activityid",
        "rowid",
        "logentryid",
    ];
    const NOT: &[&str] = &[
        "user",
        "actor",
        "session",
        "request",
        "correlation",
        "trace",
        "target",
        "resource",
        "object",
        "account",
        "tenant",
        "org",
        "organization",
        "organisation",
        "device",
        "project",
        "parent",
        "client",
        "app",
        "application",
        "workspace",
        "team",
        "group",
        "role",
        "principal",
        "policy",
    ];
    let candidates = free(fields, used, 1.0).filter(|f| !f.several && f.there == fields.records && !has_word(&f.path, NOT)).filter_map(|f| {
        let by_name = is_one_of(&joined(f), NAMES);
        let unique = f.distinct().len() == f.values.len();
        let uuids = f.share(is_uuid) == 1.0;
        if !unique || !(by_name || uuids) || (fields.records < 2 && !by_name) {
            return None;
        }
        let why = format!("{} different values in {} records", f.values.len(), fields.records);
        let guess = Guess { column: "event_id", path: f.path.clone(), sure: sure(by_name, fields.records > 2), why, expression: quoted(&f.path) };
        Some((i32::from(by_name) * 3 + i32::from(uuids) - f.path.matches('.').count() as i32, f.order, guess))
    });
    best(candidates)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// What a value says of the outcome, in a field of this name.
fn outcome(text: &str, field: &Field) -> Option<&'static str> {
    const GOOD: &[&str] = &["success", "succeeded", "successful", "ok", "allowed", "granted", "authorized", "passed", "permitted", "erfolg", "erfolgreich"];
    const BAD: &[&str] = &["error", "failed", "failure", "denied", "blocked", "rejected", "fehler"];
    let folded = fold_case(text.trim());
    if is_one_of(&folded, SUCCESS) {
        return Some("success");
    }
    if is_one_of(&folded, FAILED) {
        return Some("failed");
    }
    let yes = match folded.as_ref() {
        "true" | "yes" | "1" => true,
        "false" | "no" | "0" => false,
        _ => return None,
    };
    match (has_word(field.last(), GOOD), has_word(field.last(), BAD)) {
        (true, false) => Some(if yes { "success" } else { "failed" }),
        (false, true) => Some(if yes { "failed" } else { "success" }),
        _ => None,
    }
}

/// A status of HTTP.
fn http(text: &str) -> Option<&'static str> {
    match text.parse::<u16>().ok()? {
        200..=299 => Some("success"),
        400..=599 => Some("failed"),
        _ => None,
    }
}

/// The outcome: a few words for success and failure, or a status of HTTP.
pub(super) fn status(fields: &Fields, used: &[String]) -> Option<Guess> {
    const NAMES: &[&str] = &[
        "status",
        "result",
        "outcome",
        "success",
        "succeeded",
        "successful",
        "ok",
        "decision",
        "allowed",
        "granted",
        "response",
        "ergebnis",
        "error",
        "failed",
    ];
    let candidates = free(fields, used, 0.3).filter(|f| f.distinct().len() <= 12 && !has_word(&f.path, &["old", "new", "before", "after"])).filter_map(|f| {
        let by_name = has_word(&f.path, NAMES);
        let is_http =
            has_word(&f.path, &["status", "code", "http"]) && f.values.iter().all(|v| v.len() == 3 && v.parse::<u16>().is_ok_and(|n| (100..600).contains(&n)));
        let read = |v: &str| if is_http { http(v) } else { outcome(v, f) };
        let known = f.share(|v| read(v).is_some());
        if known < if by_name { 0.5 } else { 0.95 } {
            return None;
        }
        let mut map: BTreeMap<String, &str> = BTreeMap::new();
        let mut unknown: Vec<String> = Vec::new();
        for value in f.distinct() {
            match read(value) {
                Some(to) => drop(map.insert(fold_case(value.trim()).into_owned(), to)),
                None => unknown.push(quoted(value)),
            }
        }
        let entries: Vec<String> = map.iter().map(|(k, v)| format!("{}: {v}", super::write::in_quotes(k))).collect();
        let mut why = if is_http {
            "status codes of HTTP".to_owned()
        } else {
            format!("its values are {}", map.keys().map(|k| quoted(k)).collect::<Vec<_>>().join(", "))
        };
        if !unknown.is_empty() {
            why.push_str(&format!("; null for {}", unknown.join(", ")));
        }
        let guess = Guess {
            column: "status",
            path: f.path.clone(),
            sure: sure(by_name, !is_http && known == 1.0),
            why,
            expression: format!("{{path: {}, map: {{{}}}}}", quoted(&f.path), entries.join(", ")),
        };
        let score = i32::from(by_name) * 3 + i32::from(!is_http) * 2 + (known * 2.0) as i32 - f.path.matches('.').count() as i32;
        Some((score, f.order, guess))
    });
    best(candidates)
}

/// A product with its version, such as `curl/8.4.0`.
fn is_agent(text: &str) -> bool {
    let Some((product, version)) = text.split_once('/') else { return false };
    let named = !product.is_empty()
        && product.len() <= 40
        && product.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && product.bytes().any(|b| b.is_ascii_alphabetic());
    let number = version.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    named && number.starts_with(|c: char| c.is_ascii_digit()) && number.contains('.')
}

/// A browser or a client with its version.
pub(super) fn user_agent(fields: &Fields, used: &[String]) -> Option<Guess> {
    let candidates = free(fields, used, 0.1).filter_map(|f| {
        let exact = joined(f).ends_with("useragent") || matches!(joined(f).as_str(), "ua" | "browser" | "agent");
        let looks = f.share(is_agent);
        let by_name = exact || has_word(f.last(), &["client", "agent", "browser"]);
        let browsers = f.share(|v| v.starts_with("Mozilla/"));
        if !(exact && f.share(|v| is_number(v) || v == "true" || v == "false") < 0.5 || looks >= 0.8 && (by_name || browsers > 0.2)) {
            return None;
        }
        let why = percent(looks, "of its values look like a client with its version");
        let guess = Guess { column: "user_agent", path: f.path.clone(), sure: sure(by_name, looks >= 0.8), why, expression: quoted(&f.path) };
        Some((i32::from(exact) * 3 + i32::from(by_name) + (looks * 3.0) as i32, f.order, guess))
    });
    best(candidates)
}

fn is_mail(text: &str) -> bool {
    let text = text.trim();
    text.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.') && !text.contains([' ', ',', '/']) && !domain.contains('@'))
}

/// A text that could be a name: no number, no time, no address, not long.
fn is_name(text: &str) -> bool {
    text.len() <= 200 && !is_number(text) && !is_time(text) && parse_address(text).is_none() && !matches!(text, "true" | "false")
}

/// Whom something was done to, or who was something before: not who acted.
const OTHERS: &[&str] = &[
    "target",
    "object",
    "resource",
    "affected",
    "new",
    "old",
    "invited",
    "invitee",
    "member",
    "recipient",
    "owner",
    "to",
    "assignee",
    "before",
    "after",
    "agent",
    "details",
    "changes",
    "manager",
];

/// Who acted: a name that says so, or mail addresses.
pub(super) fn user(fields: &Fields, used: &[String]) -> Option<Guess> {
    const WHO: &[&str] = &[
        "user",
        "actor",
        "principal",
        "initiator",
        "author",
        "operator",
        "identity",
        "who",
        "performedby",
        "initiatedby",
        "by",
        "caller",
        "admin",
        "benutzer",
        "nutzer",
        "usuario",
    ];
    const NAMES: &[&str] = &[
        "username",
        "useremail",
        "email",
        "mail",
        "login",
        "upn",
        "userprincipalname",
        "actoremail",
        "actorname",
        "loginname",
        "account",
        "accountname",
        "emailaddress",
        "alternateid",
    ];
    let candidates = free(fields, used, 0.5).filter(|f| !has_word(&f.path, OTHERS)).filter_map(|f| {
        let mails = f.share(is_mail);
        if f.share(is_name) < 0.8 {
            return None;
        }
        let last = joined(f);
        let whose = has_word(&f.path, WHO);
        let score = match last.as_str() {
            l if NAMES.contains(&l) => 4 + i32::from(whose),
            l if WHO.contains(&l) => 4,
            "name" | "id" | "displayname" if whose => 2,
            l if whose && (l.ends_with("name") || l.ends_with("email") || l.ends_with("by")) => 3,
            _ => 0,
        };
        // A field of mail addresses under an unknown name is most likely who acted; other texts are not.
        if score == 0 && mails < 0.8 {
            return None;
        }
        let why = if mails > 0.0 { percent(mails, "of its values are mail addresses") } else { "by its name alone".into() };
        let guess = Guess { column: "user", path: f.path.clone(), sure: sure(score > 0, mails >= 0.8), why, expression: quoted(&f.path) };
        Some((score + (mails * 4.0) as i32, f.order, guess))
    });
    best(candidates)
}

/// What was done: a name from a short list of names.
pub(super) fn action(fields: &Fields, used: &[String]) -> Option<Guess> {
    let candidates = free(fields, used, 0.8).filter(|f| !f.several).filter_map(|f| {
        let score = match joined(f).as_str() {
            "action" | "eventname" | "eventtype" | "operation" | "operationname" | "actionname" | "actiontype" | "eventaction" | "auditaction" => 6,
            "event" | "activity" | "activityname" | "aktion" | "accion" | "ereignis" => 5,
            "verb" | "op" | "method" | "methodname" | "command" | "what" => 4,
            "type" | "description" | "summary" => 2,
            "name" | "message" => 1,
            _ if has_word(f.last(), &["action", "event", "operation", "activity", "what"])
                && !has_word(f.last(), &["id", "time", "date", "version", "source", "count"]) =>
            {
                3
            }
            _ => return None,
        };
        let inside_other =
            f.path.rsplit_once('.').is_some_and(|(parent, _)| has_word(parent, &["actor", "user", "target", "resource", "object", "client", "geo"]));
        let distinct = f.distinct().len();
        let repeats = fields.records < 10 || distinct <= fields.records.div_ceil(2).max(20);
        if inside_other || f.share(|v| is_name(v) && v.len() <= 120) < 0.95 || (!repeats && score < 5) {
            return None;
        }
        let why = format!("{distinct} different names in {} records", fields.records);
        let guess = Guess { column: "action", path: f.path.clone(), sure: sure(score >= 4, repeats && distinct > 1), why, expression: quoted(&f.path) };
        Some((score - f.path.matches('.').count() as i32, f.order, guess))
    });
    best(candidates)
}

/// What it was done to, told by the name.
pub(super) fn resource(fields: &Fields, used: &[String]) -> Option<Guess> {
    const WHAT: &[&str] = &["resource", "target", "object", "entity", "item", "ressource", "objekt"];
    const NAMES: &[&str] = &["file", "filename", "document", "path", "project", "repository", "repo", "bucket", "key", "secret", "database", "table"];
    let candidates = free(fields, used, 0.1).filter_map(|f| {
        let last = joined(f);
        let under = has_word(&f.path, WHAT);
        let score = match last.as_str() {
            l if WHAT.contains(&l) => 5,
            "name" | "path" | "title" if under => 5,
            "id" | "identifier" | "uid" | "arn" | "uri" if under => 4,
            l if under && (l.ends_with("name") || l.ends_with("path")) => 4,
            l if under && l.ends_with("id") => 3,
            l if NAMES.contains(&l) => 2,
            _ => return None,
        };
        if has_word(&f.path, &["type", "kind", "user", "actor", "ip", "count"]) || f.share(|v| is_time(v) && !is_number(v) || parse_address(v).is_some()) > 0.2
        {
            return None;
        }
        let guess = Guess {
            column: "resource",
            path: f.path.clone(),
            sure: if score >= 4 { Sure::Likely } else { Sure::Guess },
            why: "by its name alone".into(),
            expression: quoted(&f.path),
        };
        Some((score, f.order, guess))
    });
    best(candidates)
}

fn percent(share: f64, what: &str) -> String {
    format!("{:.0} % {what}", (share * 100.0).floor())
}
