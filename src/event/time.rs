//! Instants in UTC microseconds, parsed from what logs write.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Timelike, Utc};

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Microseconds in an hour.
pub const HOUR: i64 = 3600 * SECOND;
/// Microseconds in a day.
pub const DAY: i64 = 24 * HOUR;

/// A parsed time: the instant, and whether the text named no zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    /// UTC, microseconds since 1970-01-01.
    pub micros: i64,
    /// The text had neither an offset nor a `Z`: the mapping's zone was assumed.
    pub zone_assumed: bool,
}

/// Parses ISO 8601 / RFC 3339 with `T` or a blank, any number of fraction digits (cut to microseconds),
/// `Z`, `UTC`, `+hh:mm`, `+hhmm`, `+hh` or no zone, a date alone, and the US 12-hour form of portal exports.
pub fn parse_time(text: &str, zone: chrono_tz::Tz) -> Option<Instant> {
    parse_rfc3339_utc(text.as_bytes()).map(|micros| Instant { micros, zone_assumed: false }).or_else(|| parse_general(text.trim(), zone))
}

/// The common case without any allocation: `YYYY-MM-DDThh:mm:ss[.fraction]Z`.
fn parse_rfc3339_utc(b: &[u8]) -> Option<i64> {
    if b.len() < 20 || b[b.len() - 1] != b'Z' || b[4] != b'-' || b[7] != b'-' || b[10] != b'T' || b[13] != b':' || b[16] != b':' {
        return None;
    }
    let n =
        |range: std::ops::Range<usize>| -> Option<i64> { b[range].iter().try_fold(0i64, |acc, c| c.is_ascii_digit().then(|| acc * 10 + i64::from(c - b'0'))) };
    let (y, mo, d, h, mi, s) = (n(0..4)?, n(5..7)?, n(8..10)?, n(11..13)?, n(14..16)?, n(17..19)?);
    if !(1..=12).contains(&mo) || d < 1 || d > days_in_month(y, mo) || h > 23 || mi > 59 || s > 59 {
        return None;
    }
    let fraction = &b[19..b.len() - 1];
    let mut micros = 0;
    if let [b'.', digits @ ..] = fraction {
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        for i in 0..6 {
            micros = micros * 10 + digits.get(i).map_or(0, |c| i64::from(c - b'0'));
        }
    } else if !fraction.is_empty() {
        return None;
    }
    Some((days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + s) * SECOND + micros)
}

fn days_in_month(y: i64, m: i64) -> i64 {
    match m {
        4 | 6 | 9 | 11 => 30,
        2 if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(y: i64, m: i64, d: i64) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

fn parse_general(text: &str, zone: chrono_tz::Tz) -> Option<Instant> {
    const FORMATS: &[&str] = &[
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
        "%Y/%m/%d %H:%M:%S%.f",
        "%m/%d/%Y %I:%M:%S%.f %p",
        "%m/%d/%Y, %I:%M:%S%.f %p",
        "%a %b %e %H:%M:%S %Y",
        "%b %e %Y %H:%M:%S%.f",
    ];
    if text.len() > 64 || !text.is_ascii() {
        // Some portals put narrow blanks before AM and PM.
        let plain = text.replace(['\u{202f}', '\u{a0}'], " ");
        return if text.len() <= 64 && plain.is_ascii() { parse_general(&plain, zone) } else { None };
    }
    // Windows PowerShell's JSON.
    if let Some(millis) = text.strip_prefix("/Date(").and_then(|t| t.strip_suffix(")/")) {
        return Some(Instant { micros: millis.parse::<i64>().ok()?.checked_mul(1000)?, zone_assumed: false });
    }
    let with_offset = |micros: i64| Instant { micros, zone_assumed: false };
    if let Ok(t) = DateTime::parse_from_rfc2822(text) {
        return Some(with_offset(t.timestamp_micros()));
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"] {
        if let Ok(t) = DateTime::parse_from_str(text, format) {
            return Some(with_offset(t.timestamp_micros()));
        }
    }
    let (naive_text, utc) = match text.strip_suffix("UTC").or_else(|| text.strip_suffix("GMT")).or_else(|| text.strip_suffix('Z')) {
        Some(rest) => (rest.trim_end(), true),
        None => (text, false),
    };
    let naive = FORMATS
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(naive_text, f).ok())
        .or_else(|| NaiveDate::parse_from_str(naive_text, "%Y-%m-%d").ok().and_then(|d| d.and_hms_opt(0, 0, 0)))?;
    if utc {
        return Some(with_offset(naive.and_utc().timestamp_micros()));
    }
    Some(Instant { micros: local_to_utc(naive, zone)?, zone_assumed: true })
}

/// The instant of a wall-clock time; of two (clocks set back) the earlier, of none (set forward) the one an hour on.
pub fn local_to_utc(naive: NaiveDateTime, zone: chrono_tz::Tz) -> Option<i64> {
    let local = zone.from_local_datetime(&naive);
    let instant = local.earliest().or_else(|| zone.from_local_datetime(&(naive + chrono::Duration::hours(1))).earliest())?;
    Some(instant.timestamp_micros())
}

/// RFC 3339 in UTC: whole seconds without a fraction, else six digits.
pub fn format_time(micros: i64) -> String {
    let mut out = Vec::with_capacity(27);
    push_time(micros, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends what [`format_time`] gives. Written out by hand: outputs hold a time for every match.
pub fn push_time(micros: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    if !(0..=9999).contains(&year) {
        let text = match DateTime::<Utc>::from_timestamp_micros(micros) {
            Some(t) if t.nanosecond() == 0 => t.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Some(t) => t.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            None => format!("{micros} us"),
        };
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut date = *b"0000-00-00T";
    for (at, n) in [0, 2, 5, 8].into_iter().zip([year / 100, year % 100, month, day]) {
        date[at..at + 2].copy_from_slice(&two(n as u32));
    }
    push_of_day(&date, second as u32, fraction as u32, out);
}

/// Two digits.
fn two(n: u32) -> [u8; 2] {
    [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]
}

/// Appends a time whose date is spelt.
fn push_of_day(date: &[u8; 11], second: u32, fraction: u32, out: &mut Vec<u8>) {
    let mut text = *b"0000-00-00T00:00:00Z";
    text[..11].copy_from_slice(date);
    for (at, n) in [11, 14, 17].into_iter().zip([second / 3600, second / 60 % 60, second % 60]) {
        text[at..at + 2].copy_from_slice(&two(n));
    }
    if fraction == 0 {
        return out.extend_from_slice(&text);
    }
    out.extend_from_slice(&text[..19]);
    out.push(b'.');
    [fraction / 10_000, fraction / 100 % 100, fraction % 100].into_iter().for_each(|n| out.extend_from_slice(&two(n)));
    out.push(b'Z');
}

/// The dates of a stretch of time, spelt once for many times in it.
pub struct Days {
    first: i64,
    dates: Vec<[u8; 11]>,
}

impl Days {
    /// Days that are spelt at most.
    const MOST: i64 = 36_600;

    /// For the times between two instants, UTC microseconds; others are taken too.
    pub fn new(from: i64, to: i64) -> Days {
        let day = |micros: i64| micros.div_euclid(DAY);
        let mut text = Vec::new();
        let mut date = |day: i64| {
            text.clear();
            push_time(day * DAY, &mut text);
            text.first_chunk::<11>().copied().filter(|_| text.len() == 20)
        };
        let last = day(to).min(day(from) + Days::MOST);
        Days { first: day(from), dates: (day(from)..=last).map_while(&mut date).collect() }
    }

    /// As [`push_time`].
    pub fn push_time(&self, micros: i64, out: &mut Vec<u8>) {
        let (day, of_day) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        match usize::try_from(day - self.first).ok().and_then(|at| self.dates.get(at)) {
            Some(date) => push_of_day(date, (of_day / SECOND) as u32, (of_day % SECOND) as u32, out),
            None => push_time(micros, out),
        }
    }
}

/// Year, month and day of a day counted from 1970-01-01: the inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// `YYYY-MM-DD hh:mm:ss` in a zone, for people.
pub fn format_local(micros: i64, zone: chrono_tz::Tz) -> String {
    match DateTime::<Utc>::from_timestamp_micros(micros) {
        Some(t) => t.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string(),
        None => format!("{micros} us"),
    }
}

/// The calendar date of an instant in a zone.
pub fn local_date(micros: i64, zone: chrono_tz::Tz) -> Option<NaiveDate> {
    to_local(micros, zone).map(|t| t.date())
}

/// An instant as the clocks of a zone show it.
pub fn to_local(micros: i64, zone: chrono_tz::Tz) -> Option<NaiveDateTime> {
    DateTime::<Utc>::from_timestamp_micros(micros).map(|t| t.with_timezone(&zone).naive_local())
}

/// A duration such as `90s`, `10m`, `24h`, `30d` or `2w` in microseconds; zero and other units are refused.
pub fn parse_duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let count: i64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    if count <= 0 {
        return None;
    }
    count.checked_mul(seconds)?.checked_mul(SECOND)
}

/// A duration for people: `45 s`, `10 min`, `3 h 05 min`, `2 d 4 h`.
pub fn format_duration(micros: i64) -> String {
    let s = micros / SECOND;
    match s {
        0..=119 => format!("{s} s"),
        120..=7199 => format!("{} min", s / 60),
        7200..=172_799 => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_as_vendors_write_them() {
        let utc = chrono_tz::UTC;
        let at = |t: &str| parse_time(t, utc).map(|i| format_time(i.micros));
        let same = |t: &str| assert_eq!(at(t).as_deref(), Some("2024-01-15T14:30:45Z"), "{t}");
        for t in [
            "2024-01-15T14:30:45Z",
            "2024-01-15T14:30:45.000Z",
            "2024-01-15 14:30:45 UTC",
            "2024-01-15 14:30:45",
            "2024-01-15T15:30:45+01:00",
            "2024-01-15T14:30:45+0000",
            "2024-01-15T11:30:45-03:00",
            "1/15/2024 2:30:45 PM",
            "2024-01-15T14:30:45",
            "2024-01-15 14:30:45+00",
            "1/15/2024, 2:30:45.000 PM",
            "1/15/2024, 2:30:45\u{202f}PM",
            "Mon, 15 Jan 2024 14:30:45 GMT",
            "Mon Jan 15 14:30:45 2024",
            "Jan 15 2024 14:30:45 UTC",
            "/Date(1705329045000)/",
        ] {
            same(t);
        }
        assert_eq!(at("2024-01-15T14:30:45.1234567Z").as_deref(), Some("2024-01-15T14:30:45.123456Z"));
        for bad in ["", "yesterday", "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "2024-01-15T25:00:00Z", "2024-01-15T14:30:45.Z"] {
            assert_eq!(at(bad), None, "{bad}");
        }
        assert!(parse_time("2024-01-15 14:30:45", utc).is_some_and(|i| i.zone_assumed));
        let berlin = parse_time("2024-01-15 14:30:45", chrono_tz::Europe::Berlin).expect("time");
        assert_eq!(format_time(berlin.micros), "2024-01-15T13:30:45Z");
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("10m"), Some(600 * SECOND));
        assert_eq!(parse_duration("24h"), Some(DAY));
        for bad in ["0s", "-5m", "5", "m", "", "1x", "5 M"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_path_equals_chrono(y in 1970i32..2100, m in 1u32..13, d in 1u32..32, s in 0u32..86400, us in 0u32..1_000_000) {
            let text = format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}.{us:06}Z", s / 3600, s % 3600 / 60, s % 60);
            let expected = DateTime::parse_from_rfc3339(&text).ok().map(|t| t.timestamp_micros());
            prop_assert_eq!(parse_rfc3339_utc(text.as_bytes()), expected);
        }

        #[test]
        fn times_are_written_as_chrono_writes_them(micros in prop_oneof![
            -90_000_000_000_000_000i64..300_000_000_000_000_000,
            (-90_000_000_000i64..300_000_000_000).prop_map(|s| s * SECOND),
            any::<i64>(),
        ]) {
            let expected = match DateTime::<Utc>::from_timestamp_micros(micros) {
                Some(t) if t.nanosecond() == 0 => t.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
                Some(t) => t.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
                None => format!("{micros} us"),
            };
            prop_assert_eq!(format_time(micros), expected);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,40}") {
            let _ = parse_time(&text, chrono_tz::UTC);
        }
    }
}
