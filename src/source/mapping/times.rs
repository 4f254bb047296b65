//! How a source writes its times.

use super::PathId;
use super::spec::{TimeSpec, TimesSpec};
use crate::event::pattern::Pattern;
use crate::event::time::{Instant, SECOND, local_to_utc, parse_time};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// Instants outside are no times of an audit log: 1980-01-01 to 2200-01-01, UTC microseconds.
const PLAUSIBLE: std::ops::Range<i64> = 315_532_800 * SECOND..7_258_118_400 * SECOND;

/// A field that may hold the time.
#[derive(Debug, Clone)]
pub struct TimeField {
    /// Where it stands.
    pub path: PathId,
    /// Its first group is the time.
    pub capture: Option<Pattern>,
    /// How it is written.
    pub format: TimeFormat,
    /// Zone of texts that name none.
    pub zone: chrono_tz::Tz,
}

/// How a time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// Any of the texts that [`parse_time`] knows.
    Text,
    /// A number since 1970; so many of its units make a second.
    Epoch(i64),
    /// A strftime pattern.
    Pattern(String),
}

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTime {
    /// It cannot be read.
    Unreadable,
    /// It lies outside 1980 to 2200.
    Impossible,
}

impl TimeField {
    /// The instant that a text means.
    pub fn read(&self, text: &str) -> Result<Instant, NoTime> {
        let text = match &self.capture {
            None => text,
            Some(re) => re.captures(text).and_then(|c| c.get(1)).ok_or(NoTime::Unreadable)?.as_str(),
        };
        let instant = match &self.format {
            TimeFormat::Text => parse_time(text, self.zone),
            TimeFormat::Epoch(per_second) => epoch(text.trim(), *per_second),
            TimeFormat::Pattern(pattern) => by_pattern(text.trim(), pattern, self.zone),
        };
        let instant = instant.ok_or(NoTime::Unreadable)?;
        if PLAUSIBLE.contains(&instant.micros) { Ok(instant) } else { Err(NoTime::Impossible) }
    }
}

/// A decimal number of units since 1970, cut to microseconds.
fn epoch(text: &str, per_second: i64) -> Option<Instant> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let micros = match whole.parse::<i64>() {
        Ok(units) if fraction.bytes().all(|b| b.is_ascii_digit()) && fraction.len() <= 18 => {
            // A fraction of a unit, as a part of 10^9.
            let part = i128::from(format!("{fraction:0<9}")[..9].parse::<i64>().ok()?);
            let exact = (i128::from(units.unsigned_abs()) * 1_000_000_000 + part) * i128::from(SECOND) / i128::from(per_second) / 1_000_000_000;
            i64::try_from(if text.starts_with('-') { -exact } else { exact }).ok()?
        }
        // The spelling of a large float.
        _ => {
            let units: f64 = text.parse().ok()?;
            let micros = units * SECOND as f64 / per_second as f64;
            if !micros.is_finite() || micros.abs() > 1e18 {
                return None;
            }
            micros as i64
        }
    };
    Some(Instant { micros, zone_assumed: false })
}

fn by_pattern(text: &str, pattern: &str, zone: chrono_tz::Tz) -> Option<Instant> {
    if text.len() > 128 {
        return None;
    }
    if let Ok(time) = DateTime::parse_from_str(text, pattern) {
        return Some(Instant { micros: time.timestamp_micros(), zone_assumed: false });
    }
    let utc = ["UTC", "GMT"].iter().any(|z| pattern.ends_with(z));
    let zone = if utc { chrono_tz::UTC } else { zone };
    let naive = NaiveDateTime::parse_from_str(text, pattern).ok().or_else(|| NaiveDate::parse_from_str(text, pattern).ok()?.and_hms_opt(0, 0, 0))?;
    Some(Instant { micros: local_to_utc(naive, zone)?, zone_assumed: !utc })
}

/// Compiles the time section; `path` gives a path its number.
pub fn compile(spec: &TimesSpec, path: &mut dyn FnMut(&str) -> Result<PathId, String>) -> Result<Vec<TimeField>, String> {
    let (list, zone) = match spec {
        TimesSpec::List(list) => (list, None),
        TimesSpec::Zoned(zoned) => (&zoned.first, zoned.zone.as_deref()),
    };
    if list.is_empty() {
        return Err("time needs at least one path".into());
    }
    list.iter()
        .map(|item| {
            let (at, capture, format, own) = match item {
                TimeSpec::Path(p) => (p, None, None, None),
                TimeSpec::Full(full) => (&full.path, full.capture.as_deref(), full.format.as_deref(), full.zone.as_deref()),
            };
            if at.contains('[') {
                return Err(format!("time: `{at}`: a time is read by a plain path, without brackets"));
            }
            let zone = own.or(zone).unwrap_or("UTC");
            Ok(TimeField {
                path: path(at).map_err(|e| format!("time: {e}"))?,
                capture: capture.map(super::compile::capture).transpose().map_err(|e| format!("time: {e}"))?,
                format: format_of(format)?,
                zone: zone.parse().map_err(|_| format!("time.zone: `{zone}` is not a time zone"))?,
            })
        })
        .collect()
}

fn format_of(format: Option<&str>) -> Result<TimeFormat, String> {
    Ok(match format {
        None | Some("text") => TimeFormat::Text,
        Some("epoch_s") => TimeFormat::Epoch(1),
        Some("epoch_ms") => TimeFormat::Epoch(1_000),
        Some("epoch_us") => TimeFormat::Epoch(SECOND),
        Some("epoch_ns") => TimeFormat::Epoch(1_000 * SECOND),
        Some(pattern) => {
            let items = chrono::format::StrftimeItems::new(pattern);
            let is_bad = items.clone().any(|i| matches!(i, chrono::format::Item::Error));
            if !pattern.contains('%') || is_bad {
                return Err(format!(
                    "time: `{pattern}` is neither text, epoch_s, epoch_ms, epoch_us, epoch_ns nor a strftime pattern such as '%d.%m.%Y %H:%M:%S'"
                ));
            }
            TimeFormat::Pattern(pattern.to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::time::format_time;

    fn read(format: &str, text: &str) -> Result<String, NoTime> {
        let field = TimeField { path: 0, capture: None, format: format_of(Some(format)).expect("a format"), zone: chrono_tz::Europe::Berlin };
        field.read(text).map(|i| format_time(i.micros))
    }

    #[test]
    fn numbers_since_1970_in_every_unit() {
        let whole = Ok("2022-08-16T16:56:49Z".to_owned());
        let part = Ok("2022-08-16T16:56:49.309000Z".to_owned());
        for (format, text) in [("epoch_s", "1660669009"), ("epoch_ms", "1660669009000"), ("epoch_us", "1660669009000000"), ("epoch_ns", "1660669009000000000")]
        {
            assert_eq!(read(format, text), whole, "{format}");
        }
        for (format, text) in
            [("epoch_s", "1660669009.309"), ("epoch_ms", "1660669009309"), ("epoch_ms", "1660669009309.0"), ("epoch_ns", "1660669009309000123")]
        {
            assert_eq!(read(format, text), part, "{format}");
        }
        assert_eq!(read("epoch_ms", "1660669009"), Err(NoTime::Impossible), "seconds taken for milliseconds lie in 1970");
        assert_eq!(read("epoch_s", "1660669009309"), Err(NoTime::Impossible));
        assert_eq!(read("epoch_ms", "0"), Err(NoTime::Impossible));
        for bad in ["", "x", "1e999", "NaN", "--1"] {
            assert_eq!(read("epoch_ms", bad), Err(NoTime::Unreadable), "{bad}");
        }
    }

    #[test]
    fn patterns_and_zones() {
        assert_eq!(read("%d.%m.%Y %H:%M", "15.01.2024 15:30"), Ok("2024-01-15T14:30:00Z".into()), "Berlin in winter");
        assert_eq!(read("%b %d %Y %H:%M:%S UTC", "Mar 01 2021 20:35:54 UTC"), Ok("2021-03-01T20:35:54Z".into()));
        assert_eq!(read("%d/%b/%Y:%H:%M:%S %z", "15/Jan/2024:15:30:45 +0100"), Ok("2024-01-15T14:30:45Z".into()));
        assert_eq!(read("text", "0001-01-01T00:00:00Z"), Err(NoTime::Impossible));
        for bad in ["epoch", "iso", "%Q"] {
            assert!(format_of(Some(bad)).is_err(), "{bad}");
        }
    }
}
