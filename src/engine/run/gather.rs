//! What outlives a chunk: counts, places of events, kept rows and matches.

use super::{Keep, Placed, Recode, Worker, no_time, write_spool};
use crate::engine::batch::{Batch, RowState};
use crate::engine::chunk::Chunk;
use crate::engine::field::UNKNOWN;
use crate::engine::gathered::{Gathered, IndexEntry, Spooled};
use crate::engine::tally::{GroupKey, clipped};
use crate::event::Column;
use crate::event::dict::ABSENT;
use crate::event::time::SECOND;
use crate::event::value::{Kind, Value};
use crate::source::mapping::times::NoTime;
use std::hash::BuildHasher;

impl Worker<'_> {
    /// Takes what outlives the chunk; gives the records that are of another source.
    pub(super) fn gather(&mut self, file: u32, source: usize, chunk: &Chunk<'_>, batch: &mut Batch<'_>) -> Vec<Placed> {
        let mut odd = Vec::new();
        let mut rejects = Vec::new();
        let relays = batch.plan.mapping.relays();
        let mut before: (Option<u64>, i64, u32) = (None, 0, 0);
        let mut stat = std::mem::take(self.stat(file));
        let mut rows: Vec<u32> = vec![u32::MAX; batch.len()];
        let classes = batch.classes();
        let first_entry = self.out.index.len();
        let (from, to) = self.spec.bounds;
        self.out.tally.begin(source as u8, batch.epoch());
        for (row, kept) in rows.iter_mut().enumerate() {
            let record = batch.records[row];
            match batch.states[row] {
                RowState::OtherShape => {
                    odd.push((batch.spans[row], record, batch.parts[row]));
                    continue;
                }
                RowState::NoTime => {
                    let cut = |text: &str| text.chars().take(40).collect::<String>();
                    let reason = match batch.time(row as u32) {
                        Err(Some((text, NoTime::Unreadable))) => format!("the time `{}` cannot be read", cut(text)),
                        Err(Some((text, NoTime::Impossible))) => format!("the time `{}` is impossible: it lies outside 1980 to 2200", cut(text)),
                        _ => no_time(batch.plan),
                    };
                    rejects.push((record, reason, batch.spans[row]));
                    continue;
                }
                RowState::Accepted => {}
            }
            let time = batch.times[row];
            stat.read += 1;
            stat.rows += u64::from(batch.parts[row] == 0);
            stat.source = stat.source.or(Some(source as u8));
            stat.cover(time);
            self.out.by_source[source] += 1;
            let (start, end) = batch.spans[row];
            let part = batch.parts[row];
            // The events of one record share its id; where they were mapped before, they stand one after another.
            let named = batch.event_id(row as u32).map(|id| self.hasher.hash_one(id.as_ref()));
            let repeat = if relays && named.is_some() && before.0 == named && before.1 == time { before.2 + 1 } else { 0 };
            before = (named, time, repeat);
            let id = named.map_or(0, |id| self.hasher.hash_one((source as u8, part, repeat, id)).max(1));
            // Of a row without an id, read in part, only a copy of the file surely holds the same.
            let file_of_part = self.partial.as_ref().filter(|_| id == 0).map_or(0, |table| table.digest);
            let content = match batch.contents.get(row) {
                Some(sum) => self.hasher.hash_one((source as u8, file_of_part, sum)),
                None => self.hasher.hash_one((source as u8, file_of_part, &chunk.bytes[start..end])),
            };
            let seconds = u32::try_from(time.div_euclid(SECOND).max(0)).unwrap_or(u32::MAX);
            let (account, region) = batch.places(row as u32);
            let class = classes.get(row).copied().unwrap_or_default();
            let group = self.out.tally.group(source as u8, (account, region, class), || group_key(batch, row as u32, class));
            self.out.tally.count(group, file, record, source as u8, time, from.is_none_or(|f| time >= f) && to.is_none_or(|t| time < t));
            self.out.index.push(IndexEntry::new(id, content, (file, record, part), seconds, batch.outcome(row as u32), group));
            if let (Some(action), Some(activity)) = (batch.plan.action, batch.plan.activity)
                && batch.text(activity, row as u32).is_none()
            {
                self.out.tally.unmapped(source as u8, batch.text(action, row as u32));
            }
            let active = match self.spec.keep {
                Keep::Matched => false,
                Keep::Active => batch.plan.activity.is_some_and(|f| batch.text(f, row as u32).is_some()),
                Keep::All => true,
            };
            if active {
                *kept = self.keep_row(file, batch, row as u32, chunk);
            }
            if let Some(render) = self.spec.render {
                self.line.clear();
                render(batch, row as u32, chunk.bytes, &mut self.line);
                self.spool(time, file, record, part);
            }
        }
        self.out.files.insert(file, stat);
        if relays {
            self.note_origins(batch);
        }
        for (record, reason, (start, end)) in rejects {
            self.reject(file, Some(record), reason, &chunk.bytes[start..end]);
        }
        let Gathered { tally, index, .. } = &mut self.out;
        tally.end(file, index[first_entry..].iter().map(IndexEntry::group));
        let mut hits: Vec<(u32, u32)> = Vec::new();
        let mut is_hit = vec![false; batch.len()];
        batch.matches(&mut |rule, row| {
            hits.push((rule, row));
            is_hit[row as usize] = true;
        });
        // Row after row: their texts stand one after another in the chunk.
        for (row, kept) in (0..).zip(&mut rows) {
            if is_hit[row as usize] && *kept == u32::MAX {
                *kept = self.keep_row(file, batch, row, chunk);
            }
        }
        self.out.matches.extend(hits.into_iter().map(|(rule, row)| (rule, rows[row as usize])));
        odd
    }

    /// Notes which sources' events these were before.
    fn note_origins(&mut self, batch: &Batch<'_>) {
        let Some(field) = batch.plan.column_field(Column::Source) else { return };
        let mut before = None;
        for row in (0..batch.len() as u32).filter(|row| batch.states[*row as usize] == RowState::Accepted) {
            let origin = batch.text(field, row);
            if origin != before {
                before = origin;
                self.out.origins.extend(batch.plan.mapping.relayed.iter().filter(|(id, _)| Some(id.as_str()) == origin).map(|(id, _)| id.clone()));
            }
        }
    }

    fn keep_row(&mut self, file: u32, batch: &mut Batch<'_>, row: u32, chunk: &Chunk<'_>) -> u32 {
        let kept = &mut self.out.kept;
        let number = kept.time.len() as u32;
        kept.time.push(batch.times[row as usize]);
        kept.file.push(file);
        kept.record.push(batch.records[row as usize]);
        kept.part.push(batch.parts[row as usize]);
        kept.source.push(batch.plan.source);
        if let Some(id) = batch.event_id(row) {
            kept.ids.push_str(&id);
        }
        kept.id_ends.push(kept.ids.len() as u32);
        let recode = &mut self.recode[batch.plan.source as usize];
        if recode.codes.is_empty() || recode.epoch != batch.epoch() {
            *recode = Recode { epoch: batch.epoch(), codes: vec![Vec::new(); batch.plan.retained.len()] };
        }
        for (k, field) in batch.plan.retained.iter().enumerate() {
            let mut first = ABSENT;
            let mut more: Vec<u32> = Vec::new();
            if let Some(field) = *field {
                let (known, dict) = (&mut recode.codes[k], &mut kept.dict);
                batch.each_kept_code(field, row, chunk, &mut |batch, code| {
                    if known.len() <= code as usize {
                        known.resize(code as usize + 1, UNKNOWN);
                    }
                    if known[code as usize] == UNKNOWN {
                        // A null or an object is no value to group or show.
                        known[code as usize] = match batch.value(field, code) {
                            Some(v) if v.kind == Kind::Json => dict.intern(v).0,
                            Some(v) if v.kind.is_text() => dict.intern(Value::str(v.text)).0,
                            _ => ABSENT,
                        };
                    }
                    match known[code as usize] {
                        ABSENT => {}
                        code if first == ABSENT => first = code,
                        code => more.push(code),
                    }
                });
            }
            kept.columns[k].push(first);
            if !more.is_empty() {
                kept.extras.insert((number, k as u16), more);
            }
        }
        number
    }

    fn spool(&mut self, time: i64, file: u32, record: u32, part: u16) {
        write_spool(&mut self.out.spool, &self.line, &mut self.out.broken);
        self.out.spooled.push(Spooled { time, file, record, part, worker: self.number, offset: self.spool_at, len: self.line.len() as u32 });
        self.spool_at += self.line.len() as u64;
    }
}

/// What a row is counted under.
fn group_key(batch: &Batch<'_>, row: u32, classes: u64) -> GroupKey {
    let text = |place: usize| batch.plan.places.and_then(|p| batch.text(p[place], row)).filter(|t| !t.is_empty()).map(clipped);
    GroupKey { source: batch.plan.source, account: text(0), region: text(1), classes }
}
