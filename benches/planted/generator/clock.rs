//! The ninety days, in the time zones and with the holidays of those who live through them.

use super::world::{CITIES, City};
use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, TimeZone};

/// In milliseconds, as all times here.
pub const SECOND: i64 = 1000;
/// Sixty seconds.
pub const MINUTE: i64 = 60 * SECOND;
/// Sixty minutes.
pub const HOUR: i64 = 60 * MINUTE;
/// Twenty-four hours.
pub const DAY: i64 = 24 * HOUR;

/// The first day; a Monday. Summer time begins within the ninety days, on two dates.
pub fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 2).expect("a date")
}

/// Midnight of a day in UTC.
pub fn utc(day: i64) -> i64 {
    first_day().and_hms_opt(0, 0, 0).expect("a time").and_utc().timestamp_millis() + day * DAY
}

/// An hour of a day, as the clocks of the city show it.
pub fn local(city: usize, day: i64, hour: f64) -> i64 {
    let date = first_day() + chrono::Duration::days(day);
    let noon = date.and_hms_opt(12, 0, 0).expect("a time");
    // Noon exists once on each day.
    let noon = CITIES[city].zone.from_local_datetime(&noon).single().expect("a noon").timestamp_millis();
    noon + ((hour - 12.0) * HOUR as f64) as i64
}

/// The number of the day on which something is in UTC.
pub fn day_of(at: i64) -> i64 {
    (at - utc(0)).div_euclid(DAY)
}

fn instant(at: i64) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp_millis(at).expect("an instant")
}

/// With milliseconds.
pub fn rfc3339(at: i64) -> String {
    instant(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// With seconds.
pub fn seconds(at: i64) -> String {
    instant(at).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The date of a day.
pub fn date(day: i64) -> NaiveDate {
    first_day() + chrono::Duration::days(day)
}

/// Whether people in this city work on this day.
pub fn is_working_day(city: &City, day: i64) -> bool {
    let date = date(day);
    if date.weekday().number_from_monday() > 5 {
        return false;
    }
    let holidays: &[(u32, u32)] = match city.country {
        "US" => &[(5, 25)],
        "CA" => &[(4, 3), (5, 18)],
        "GB" => &[(4, 3), (4, 6), (5, 4), (5, 25)],
        "DE" => &[(4, 3), (4, 6), (5, 1), (5, 14), (5, 25)],
        "IE" => &[(3, 17), (4, 6), (5, 4)],
        "IN" => &[(3, 4), (3, 26), (4, 3), (5, 1)],
        "AU" => &[(4, 3), (4, 6), (4, 25)],
        _ => &[],
    };
    !holidays.contains(&(date.month(), date.day()))
}
