//! `off_hours`: outside a calendar of working hours. Nothing is learnt.

use super::{Fact, Subject};
use crate::rule::calendar::Calendar;

pub fn judge(subject: &mut Subject<'_>, calendar: Option<&Calendar>) {
    let entries = subject.entries;
    for instant in entries.chunk_by(|a, b| a.time == b.time) {
        let time = instant[0].time;
        let rows: Vec<u32> = instant.iter().filter(|e| !e.known_by).map(|e| e.row).collect();
        if let Some(calendar) = calendar
            && !rows.is_empty()
            && subject.is_judged(time)
            && subject.is_ready(time, rows.len() as u64)
            && !calendar.is_working(time)
        {
            let local = calendar.local(time).map(|t| t.format("%a %Y-%m-%d %H:%M").to_string()).unwrap_or_default();
            subject.hit(time, rows, vec![Fact::text("local_time", local), Fact::text("calendar", calendar.describe())]);
        }
        instant.iter().for_each(|_| subject.state.learn(time));
    }
}
