//! Lists in files of their own: `--list name=FILE` and indicators of compromise.

use super::vars::Vars;
use crate::event::address::Network;

/// The list of the addresses and networks among the indicators.
pub const IOC_NETWORKS: &str = "ioc_networks";
/// The list of all other indicators.
pub const IOC_VALUES: &str = "ioc_values";

/// Entries of a file, each with its 1-based line.
pub type Entries = Vec<(u32, String)>;

/// One value a line; blank lines, and what follows a `#` at the start of a line or after white space, are left out.
pub fn parse_list(text: &str) -> Entries {
    let lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    lines.map(|(n, line)| (n, without_comment(line).trim().to_owned())).filter(|(_, entry)| !entry.is_empty()).collect()
}

fn without_comment(line: &str) -> &str {
    let starts = |at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').map(|(at, _)| at).find(|at| starts(*at)).map_or(line, |at| &line[..at])
}

/// Headings of the column that holds indicators.
const HEADINGS: &[&str] =
    &["indicator", "indicators", "ioc", "iocs", "value", "observable", "ip", "ip_address", "address", "domain", "url", "dst_ip", "src_ip"];

/// Indicators, one a line or in the first column of a CSV, as reports write them so that nobody clicks on them: addresses and
/// networks, and everything else.
pub fn parse_indicators(text: &str) -> (Entries, Entries) {
    let mut entries: Vec<(u32, String)> =
        parse_list(text).into_iter().map(|(n, line)| (n, refanged(first_column(&line)))).filter(|e| !e.1.is_empty()).collect();
    if entries.first().is_some_and(|(_, e)| HEADINGS.contains(&e.to_ascii_lowercase().as_str())) {
        entries.remove(0);
    }
    entries
        .into_iter()
        .map(|(n, entry)| match (Network::parse(&entry), crate::event::address::parse_address(&entry)) {
            (Some(_), _) => (n, entry, true),
            // An address with a port is looked for by the address.
            (None, Some(addr)) => (n, addr.to_string(), true),
            (None, None) => (n, entry, false),
        })
        .fold((Vec::new(), Vec::new()), |(mut networks, mut values), (n, entry, is_network)| {
            if is_network {
                networks.push((n, entry))
            } else {
                values.push((n, entry))
            }
            (networks, values)
        })
}

fn first_column(line: &str) -> &str {
    match line.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default(),
        None => line.split([',', ';', '\t']).next().unwrap_or_default(),
    }
    .trim()
}

/// An indicator without what keeps it from being clicked: `hxxp`, `[.]`, `(dot)`, `[:]`, `[at]`.
fn refanged(text: &str) -> String {
    let mut out = text.to_owned();
    for (fanged, plain) in [
        ("[.]", "."),
        ("(.)", "."),
        ("{.}", "."),
        ("[dot]", "."),
        ("(dot)", "."),
        ("{dot}", "."),
        ("[:]", ":"),
        ("[://]", "://"),
        ("[/]", "/"),
        ("[@]", "@"),
        ("[at]", "@"),
        ("(at)", "@"),
    ] {
        out = replace_ignoring_case(&out, fanged, plain);
    }
    for scheme in ["hxxp", "hXXp", "h**p", "fxp"] {
        if let Some(rest) = out.get(scheme.len()..).filter(|r| out.starts_with(scheme) && (r.starts_with("://") || r.starts_with("s://"))) {
            out = format!("{}{rest}", if scheme == "fxp" { "ftp" } else { "http" });
        }
    }
    out
}

fn replace_ignoring_case(text: &str, from: &str, to: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for (at, found) in lower.match_indices(from) {
        out.push_str(&text[last..at]);
        out.push_str(to);
        last = at + found.len();
    }
    out.push_str(&text[last..]);
    out
}

/// What to do about a list that is not set.
pub fn how_to_give(list: &str) -> String {
    match list {
        IOC_NETWORKS | IOC_VALUES => "give indicators with --ioc FILE".to_owned(),
        _ => format!("give it with --list {list}=FILE or in a --vars file"),
    }
}

impl Vars {
    /// Puts indicators into their lists; those of several files add up. A kind of which there is none stays unset: a rule that
    /// looks for it could not have hit.
    pub fn add_indicators(&mut self, text: &str, file: &str) -> usize {
        let (networks, values) = parse_indicators(text);
        let count = networks.len() + values.len();
        for (name, entries) in [(IOC_NETWORKS, networks), (IOC_VALUES, values)] {
            if !entries.is_empty() {
                self.add_to_list(name, entries, file);
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(entries: Entries) -> Vec<String> {
        entries.into_iter().map(|e| e.1).collect()
    }

    #[test]
    fn a_list_is_one_value_a_line() {
        let entries = parse_list("\u{feff}# people\r\n\r\nann@example.com\r\n  bob # on leave\r\nc#d\r\n#\r\n10.0.0.0/8");
        assert_eq!(entries[0], (3, "ann@example.com".into()));
        assert_eq!(texts(entries), ["ann@example.com", "bob", "c#d", "10.0.0.0/8"]);
    }

    #[test]
    fn indicators_are_refanged_and_told_apart() {
        let text = "Indicator,Type\n198[.]51[.]100[.]7,ip\n\"hxxps://evil[.]example/a,b\",url\n203.0.113.0/24;net\nevil(DOT)example\nuser[at]evil.example\n198.51.100.8:443\n2001:db8::1\n# x\n";
        let (networks, values) = parse_indicators(text);
        assert_eq!(texts(networks), ["198.51.100.7", "203.0.113.0/24", "198.51.100.8", "2001:db8::1"]);
        assert_eq!(texts(values), ["https://evil.example/a,b", "evil.example", "user@evil.example"]);
    }
}
