//! Leaf matchers: does one distinct value fit one pattern? Compiled once, asked once per distinct value.

use crate::event::address::{Network, NetworkSet, parse_address};
use crate::event::pattern::Pattern;
use crate::event::time::parse_time;
use crate::event::value::{Kind, Number, Value, fold_case};
use chrono::{DateTime, Datelike, Timelike, Utc};
use foldhash::fast::RandomState;
use hashbrown::HashSet;
use std::cmp::Ordering;
use std::sync::Arc;

/// How a text is compared with a needle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextOp {
    /// The whole text.
    Exact,
    /// Anywhere in the text.
    Contains,
    /// At the start.
    StartsWith,
    /// At the end.
    EndsWith,
}

impl TextOp {
    /// Whether `text` and `needle` stand in this relation.
    pub fn holds(self, text: &str, needle: &str) -> bool {
        match self {
            TextOp::Exact => text == needle,
            TextOp::Contains => text.contains(needle),
            TextOp::StartsWith => text.starts_with(needle),
            TextOp::EndsWith => text.ends_with(needle),
        }
    }
}

/// A comparison of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberOp {
    /// Equal.
    Eq,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Gte,
    /// Less than.
    Lt,
    /// Less than or equal.
    Lte,
}

impl NumberOp {
    /// Whether an ordering of (value, limit) satisfies the comparison.
    pub fn holds(self, ordering: Ordering) -> bool {
        match self {
            NumberOp::Eq => ordering == Ordering::Equal,
            NumberOp::Gt => ordering == Ordering::Greater,
            NumberOp::Gte => ordering != Ordering::Less,
            NumberOp::Lt => ordering == Ordering::Less,
            NumberOp::Lte => ordering != Ordering::Greater,
        }
    }
}

/// A part of a time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimePart {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// Day of the month.
    Day,
    /// ISO 8601 week, 1 to 53.
    Week,
    /// 1 to 12.
    Month,
    /// Year.
    Year,
}

/// A test of one value.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Text comparison; the needle is folded unless `cased`.
    Text {
        /// Relation.
        op: TextOp,
        /// What to look for.
        needle: String,
        /// Upper and lower case differ.
        cased: bool,
    },
    /// A pattern with inner wildcards, over the folded text unless `cased`.
    Wildcard {
        /// Anchored, dot matches newline.
        regex: Box<Pattern>,
        /// Upper and lower case differ.
        cased: bool,
    },
    /// A regular expression of the rule, over the text as it is.
    Regex(Box<Pattern>),
    /// An address in a network.
    Cidr(Network),
    /// An address in one of many networks.
    Networks(Arc<NetworkSet>),
    /// One of many whole texts, folded.
    Texts(Arc<HashSet<Box<str>, RandomState>>),
    /// A number compared exactly.
    Number {
        /// Comparison.
        op: NumberOp,
        /// The rule's number.
        limit: Number,
    },
    /// A boolean, however the log spells it.
    Bool(bool),
    /// A part of a time.
    Time {
        /// Which part.
        part: TimePart,
        /// Comparison.
        op: NumberOp,
        /// The rule's number.
        limit: Number,
    },
    /// The field is there, whatever it holds.
    Present,
    /// The field is there and is not null.
    NotNull,
    /// Any of several.
    Any(Vec<Matcher>),
    /// An array whose members satisfy a nested detection: asked of the array's JSON text.
    Members(Box<super::detection::Members>),
}

impl Matcher {
    /// Whether the value fits. `folded` is the folded text of the value.
    pub fn accepts(&self, value: Value<'_>, folded: &str) -> bool {
        match self {
            Matcher::Text { op, needle, cased } => value.kind.is_text() && op.holds(if *cased { value.text } else { folded }, needle),
            Matcher::Wildcard { regex, cased } => value.kind.is_text() && regex.is_match(if *cased { value.text } else { folded }),
            Matcher::Regex(regex) => value.kind.is_text() && regex.is_match(value.text),
            Matcher::Cidr(network) => value.kind == Kind::Str && parse_plain_address(value.text).is_some_and(|a| network.contains(a)),
            Matcher::Networks(networks) => value.kind == Kind::Str && parse_plain_address(value.text).is_some_and(|a| networks.contains(a)),
            Matcher::Texts(texts) => value.kind.is_text() && texts.contains(folded),
            Matcher::Number { op, limit } => {
                matches!(value.kind, Kind::Int | Kind::Float | Kind::Str) && Number::parse(value.text).is_some_and(|n| op.holds(n.compare(*limit)))
            }
            Matcher::Bool(expected) => match value.kind {
                Kind::Bool => (value.text == "true") == *expected,
                Kind::Str => match folded {
                    "true" | "1" | "yes" => *expected,
                    "false" | "0" | "no" => !*expected,
                    _ => false,
                },
                _ => false,
            },
            Matcher::Time { part, op, limit } => time_part(value, *part).is_some_and(|n| op.holds(Number::Int(n).compare(*limit))),
            Matcher::Present => true,
            Matcher::NotNull => value.kind != Kind::Null,
            Matcher::Any(matchers) => matchers.iter().any(|m| m.accepts(value, folded)),
            Matcher::Members(members) => members.accepts_json(value),
        }
    }

    /// As [`Matcher::accepts`] for a caller without the folded text.
    pub fn accepts_value(&self, value: Value<'_>) -> bool {
        self.accepts(value, &fold_case(value.text))
    }

    /// The exact folded literal, where that is all the matcher asks for: such matchers are found by hash.
    pub fn exact_literal(&self) -> Option<&str> {
        match self {
            Matcher::Text { op: TextOp::Exact, needle, cased: false } => Some(needle),
            _ => None,
        }
    }
}

/// `cidr` takes an address as it is: no port, no brackets; IPv4 mapped into IPv6 equals IPv4.
pub fn parse_plain_address(text: &str) -> Option<std::net::IpAddr> {
    if text.contains(['[', ' ']) || (text.contains('.') && text.matches(':').count() == 1) {
        return None;
    }
    parse_address(text)
}

fn time_part(value: Value<'_>, part: TimePart) -> Option<i128> {
    let time: DateTime<Utc> = match value.kind {
        Kind::Str => DateTime::from_timestamp_micros(parse_time(value.text, chrono_tz::UTC)?.micros)?,
        Kind::Int => {
            let n: i64 = value.text.parse().ok()?;
            DateTime::from_timestamp(if n > 1_000_000_000_000 { n / 1000 } else { n }, 0)?
        }
        _ => return None,
    };
    Some(match part {
        TimePart::Minute => time.minute().into(),
        TimePart::Hour => time.hour().into(),
        TimePart::Day => time.day().into(),
        TimePart::Week => time.iso_week().week().into(),
        TimePart::Month => time.month().into(),
        TimePart::Year => time.year().into(),
    })
}
