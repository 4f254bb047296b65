//! Working hours: when the people of a site work, in their own time zone.

use crate::event::time::to_local;
use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike, Weekday};
use serde::Deserialize;
use std::collections::BTreeSet;

/// When work is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Minutes of the local day: from the first on, up to and without the second. The second may lie after midnight (be smaller).
    minutes: (u32, u32),
    /// Days of the week, Monday first.
    days: [bool; 7],
    /// Days on which nobody works.
    holidays: BTreeSet<NaiveDate>,
    /// Zone of all of these.
    pub zone: chrono_tz::Tz,
}

/// A calendar as files write it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarDocument {
    /// `07:00-19:00`.
    pub hours: String,
    /// `mon-fri`, or a list such as `sun-thu` or `mon, tue, thu`.
    pub days: String,
    /// `Europe/Berlin`.
    pub zone: String,
    /// Dates, `2026-12-25`.
    #[serde(default)]
    pub holidays: Vec<String>,
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

impl CalendarDocument {
    /// The calendar, or what is wrong with it.
    pub fn read(&self) -> Result<Calendar, String> {
        Calendar::parse(&self.hours, &self.days, &self.zone, &self.holidays)
    }
}

impl Calendar {
    /// Reads `07:00-19:00`, `mon-fri`, a zone's name and dates; an error says what was expected.
    pub fn parse(hours: &str, days: &str, zone: &str, holidays: &[String]) -> Result<Calendar, String> {
        let minute = |text: &str| -> Option<u32> {
            let (h, m) = text.trim().split_once(':')?;
            let (h, m): (u32, u32) = (h.parse().ok()?, m.parse().ok()?);
            (m < 60 && h * 60 + m <= 24 * 60).then_some(h * 60 + m)
        };
        let minutes = hours
            .split_once('-')
            .and_then(|(a, b)| Some((minute(a)?, minute(b)?)))
            .filter(|(a, b)| a != b && *a < 24 * 60)
            .ok_or_else(|| format!("hours: `{hours}` is not a stretch of the day such as 07:00-19:00"))?;
        let number = |text: &str| DAYS.iter().position(|(n, _)| text.trim().get(..3).is_some_and(|t| t.eq_ignore_ascii_case(n)));
        let mut of_week = [false; 7];
        for part in days.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Some(first), Some(last)) = (number(first), number(last)) else {
                return Err(format!("days: `{}` is no day of the week or stretch of them such as mon-fri", part.trim()));
            };
            let count = (last + 7 - first) % 7;
            (0..=count).for_each(|i| of_week[(first + i) % 7] = true);
        }
        let holidays = holidays
            .iter()
            .map(|d| NaiveDate::parse_from_str(d.trim(), "%Y-%m-%d").map_err(|_| format!("holidays: `{d}` is not a date such as 2026-12-25")))
            .collect::<Result<_, _>>()?;
        let zone = zone.parse().map_err(|_| format!("zone: `{zone}` is not a time zone such as Europe/Berlin or UTC"))?;
        Ok(Calendar { minutes, days: of_week, holidays, zone })
    }

    /// Whether people work at an instant (UTC microseconds). Hours that end after midnight belong to the day on which they began.
    pub fn is_working(&self, micros: i64) -> bool {
        let Some(local) = to_local(micros, self.zone) else { return false };
        let minute = local.hour() * 60 + local.minute();
        let (from, to) = self.minutes;
        if from < to {
            return self.is_working_day(local.date()) && (from..to).contains(&minute);
        }
        if minute >= from {
            return self.is_working_day(local.date());
        }
        minute < to && local.date().pred_opt().is_some_and(|d| self.is_working_day(d))
    }

    fn is_working_day(&self, date: NaiveDate) -> bool {
        self.days[date.weekday().num_days_from_monday() as usize] && !self.holidays.contains(&date)
    }

    /// The calendar in words: what a report says that it judged by.
    pub fn describe(&self) -> String {
        let clock = |m: u32| format!("{:02}:{:02}", m / 60, m % 60);
        let days: Vec<&str> = DAYS.iter().zip(self.days).filter(|(_, on)| *on).map(|((n, _), _)| *n).collect();
        let holidays = if self.holidays.is_empty() { String::new() } else { format!(", {} holidays", self.holidays.len()) };
        format!("{}-{} {} {}{holidays}", clock(self.minutes.0), clock(self.minutes.1), days.join(" "), self.zone)
    }

    /// An instant as the clock on the wall shows it.
    pub fn local(&self, micros: i64) -> Option<NaiveDateTime> {
        to_local(micros, self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::time::parse_time;

    fn at(text: &str) -> i64 {
        parse_time(text, chrono_tz::UTC).expect("time").micros
    }

    #[test]
    fn working_hours_follow_the_zone_with_its_summer_time() {
        let c = Calendar::parse("08:00-18:00", "mon-fri", "Europe/Berlin", &["2026-12-25".into()]).expect("calendar");
        // Berlin is one hour ahead of UTC in winter, two in summer.
        for (time, works) in [
            ("2026-01-05T06:59:59Z", false),
            ("2026-01-05T07:00:00Z", true),
            ("2026-01-05T16:59:59Z", true),
            ("2026-01-05T17:00:00Z", false),
            ("2026-07-06T06:00:00Z", true),
            ("2026-07-06T16:00:00Z", false),
            ("2026-01-04T10:00:00Z", false),
            ("2026-12-25T10:00:00Z", false),
            ("2026-12-24T10:00:00Z", true),
        ] {
            assert_eq!(c.is_working(at(time)), works, "{time}");
        }
    }

    #[test]
    fn a_night_shift_belongs_to_the_day_on_which_it_began() {
        let c = Calendar::parse("22:00-06:00", "fri", "UTC", &[]).expect("calendar");
        for (time, works) in [
            ("2026-01-02T21:59:00Z", false),
            ("2026-01-02T22:00:00Z", true),
            ("2026-01-03T05:59:00Z", true),
            ("2026-01-03T06:00:00Z", false),
            ("2026-01-02T05:00:00Z", false),
        ] {
            assert_eq!(c.is_working(at(time)), works, "{time}");
        }
    }

    #[test]
    fn what_is_no_calendar_says_why() {
        for (hours, days, zone, holidays, word) in [
            ("8-18", "mon-fri", "UTC", vec![], "hours"),
            ("08:00-08:00", "mon-fri", "UTC", vec![], "hours"),
            ("25:00-26:00", "mon", "UTC", vec![], "hours"),
            ("08:00-18:00", "mon-xyz", "UTC", vec![], "days"),
            ("08:00-18:00", "mon", "Mars/Olympus", vec![], "zone"),
            ("08:00-18:00", "mon", "UTC", vec!["25.12.2026".to_owned()], "holidays"),
        ] {
            let error = Calendar::parse(hours, days, zone, &holidays).expect_err(hours);
            assert!(error.starts_with(word), "{error}");
        }
        let c = Calendar::parse("07:00-19:00", "sat-tue, thu", "UTC", &[]).expect("calendar");
        assert_eq!(c.describe(), "07:00-19:00 mon tue thu sat sun UTC");
    }
}
