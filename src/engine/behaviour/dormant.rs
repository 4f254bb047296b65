//! `dormant`: the entity is back after a long time. Its first event ever is no return.

use super::{Fact, Subject, Unready};

pub fn judge(subject: &mut Subject<'_>, after: i64) {
    let reaches_back = |since: Option<i64>, time: i64| since.is_some_and(|s| time - s >= after);
    let entries = subject.entries;
    for instant in entries.chunk_by(|a, b| a.time == b.time) {
        let time = instant[0].time;
        let rows: Vec<u32> = instant.iter().filter(|e| !e.known_by).map(|e| e.row).collect();
        if !rows.is_empty() && subject.is_judged(time) {
            if !reaches_back(subject.run.setting.since, time) {
                // Nobody can have been away for so long in these logs.
                let unjudged = subject.unready.map_or(0, |u| u.2) + rows.len() as u64;
                subject.unready = Some((Unready::HistoryTooShort, subject.state.events, unjudged));
            } else if subject.is_ready(time, rows.len() as u64)
                && let Some(last) = subject.state.last.filter(|l| time - l >= after)
            {
                subject.hit(time, rows, vec![Fact::time("last_seen", last), Fact::text("away_for", crate::event::time::format_duration(time - last))]);
            }
        }
        instant.iter().for_each(|_| subject.state.learn(time));
    }
}
