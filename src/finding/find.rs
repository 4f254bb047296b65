//! From matches to findings: correlations over the matches of their bases, then one finding for each entity and burst.

use super::behaviour::Indexed;
use super::scan::{RuleState, Scan};
use super::{Finding, MAX_BURST, QUIET, RECORD_LONGEST, RECORD_QUIET, bursts};
use crate::diag::UserError;
use crate::engine::behaviour::Behaved;
use crate::engine::correlate::{Base, Correlated, Input, LeafFields, correlate};
use crate::engine::gathered::IndexEntry;
use crate::event::Column;
use crate::event::dict::ABSENT;
use crate::event::time::push_time;
use crate::rule::correlation::Correlation;
use crate::rule::load::RuleSet;
use crate::rule::meta::Level;
use crate::rule::{Body, FieldRef};
use rayon::prelude::*;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What one correlation or behaviour gave.
enum Ran {
    Correlation(Correlated),
    Behaviour(Box<Behaved>),
    Nothing,
}

/// What others gave that a rule may rest on, by rule.
struct Done<'d> {
    runs: &'d BTreeMap<usize, Arc<Correlated>>,
    /// Of each behaviour the rows of its hits: single events, as a detection's.
    unusual: &'d BTreeMap<usize, Vec<u32>>,
}

/// Correlations and behaviours in rounds: those of one rest on those of earlier ones alone.
fn rounds(set: &RuleSet) -> Vec<Vec<usize>> {
    let mut round_of: BTreeMap<usize, usize> = BTreeMap::new();
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for i in set.compound_in_order() {
        let round = set.bases(i).iter().filter_map(|b| round_of.get(b)).max().map_or(0, |r| r + 1);
        round_of.insert(i, round);
        if rounds.len() <= round {
            rounds.push(Vec::new());
        }
        rounds[round].push(i);
    }
    rounds
}

/// Findings of several lists in one: most severe first, then by time. They are put in their places once.
fn in_order(set: &RuleSet, mut lists: Vec<Vec<Option<Finding>>>) -> Vec<Finding> {
    let ids: BTreeSet<&str> = set.rules.iter().map(|r| r.meta.id.as_str()).collect();
    let ranks: HashMap<&str, u32> = ids.into_iter().zip(0..).collect();
    let rank_of: Vec<u32> = set.rules.iter().map(|r| ranks[r.meta.id.as_str()]).collect();
    let key = |f: &Finding| (Reverse(set.rules[f.rule].meta.level), f.first, rank_of[f.rule]);
    let mut order: Vec<_> = Vec::with_capacity(lists.iter().map(Vec::len).sum());
    for (l, list) in lists.iter().enumerate() {
        order.extend(list.iter().enumerate().filter_map(|(i, f)| f.as_ref().map(|f| (key(f), l as u32, i as u32))));
    }
    let at = |&(_, list, i): &(_, u32, u32)| lists[list as usize][i as usize].as_ref().map(|f| (&f.entity, &f.id));
    order.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| at(a).cmp(&at(b))));
    order.iter().filter_map(|(_, list, i)| lists[*list as usize][*i as usize].take()).collect()
}

impl Scan<'_> {
    /// Makes the findings, and the matches of the period, from all matches in the order of rule, then row.
    pub(super) fn find(&mut self, matches: &[(u32, u32)], index: &[IndexEntry]) -> Result<(), UserError> {
        let by_rule: Vec<&[(u32, u32)]> = matches.chunk_by(|a, b| a.0 == b.0).collect();
        let mut findings: Vec<Finding> = Vec::new();
        let silent = self.find_compound(&by_rule, index, &mut findings)?;
        let times = &self.rows.time;
        // Rows are in time order: those of the period are one stretch.
        let inside = times.partition_point(|t| self.period.from.is_some_and(|f| *t < f)) as u32
            ..times.partition_point(|t| self.period.to.is_none_or(|to| *t < to)) as u32;
        let made: Vec<(usize, u64, Vec<Finding>)> = self.pool.install(|| {
            let one = |of_rule: &&[(u32, u32)]| {
                let start = of_rule.partition_point(|m| m.1 < inside.start);
                let end = of_rule.partition_point(|m| m.1 < inside.end).max(start);
                let of_rule_in_period = &of_rule[start..end];
                let rule = of_rule[0].0 as usize;
                (rule, of_rule_in_period.len() as u64, self.detection_findings(rule, of_rule_in_period))
            };
            by_rule.par_iter().with_max_len(1).map(one).collect()
        });
        let mut lists: Vec<Vec<Option<Finding>>> = vec![findings.into_iter().map(Some).collect()];
        for (rule, hits, made) in made {
            self.hits[rule] = hits;
            if silent.contains(&rule) {
                self.hidden += made.len() as u64;
            } else {
                lists.push(made.into_iter().map(Some).collect());
            }
        }
        self.matches = matches.iter().copied().filter(|m| inside.contains(&m.1)).collect();
        let matches = &mut self.matches;
        let rules = self.rules;
        let by_row = || matches.par_sort_unstable_by_key(|&(rule, row)| (row, rule));
        let ((), findings) = self.pool.install(|| rayon::join(by_row, || in_order(rules, lists)));
        self.findings = findings;
        Ok(())
    }

    /// Runs correlations and behaviours, each after those that it rests on; gives the rules whose own findings such a rule stands
    /// for.
    fn find_compound(&mut self, by_rule: &[&[(u32, u32)]], index: &[IndexEntry], findings: &mut Vec<Finding>) -> Result<BTreeSet<usize>, UserError> {
        let set = self.rules;
        let mut silent: BTreeSet<usize> = BTreeSet::new();
        let mut runs: BTreeMap<usize, Arc<Correlated>> = BTreeMap::new();
        let mut unusual: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let counted: BTreeSet<usize> = (0..set.rules.len()).flat_map(|i| set.bases(i).iter().copied()).collect();
        let about = Indexed::new(index, self.tallied.groups.len());
        for (i, rule) in set.rules.iter().enumerate() {
            let generate = match &rule.body {
                Body::Detection(_) => continue,
                Body::Correlation(c) => c.generate,
                Body::Behaviour(b) => {
                    self.know(i);
                    b.generate
                }
            };
            let fed_only = |base: &usize| {
                let m = &set.rules[*base].meta;
                !generate && (m.level <= Level::Low || m.file == rule.meta.file)
            };
            silent.extend(set.bases(i).iter().copied().filter(fed_only));
        }
        for round in rounds(set) {
            let run = |i: &usize| self.run_compound(*i, by_rule, &Done { runs: &runs, unusual: &unusual }, &about, counted.contains(i));
            let ran: Vec<Result<Ran, UserError>> = self.pool.install(|| round.par_iter().with_max_len(1).map(run).collect());
            for (i, ran) in round.into_iter().zip(ran) {
                match (ran?, &set.rules[i].body) {
                    (Ran::Behaviour(found), Body::Behaviour(b)) => {
                        let hits = self.take_behaved(i, b, *found, &about, findings);
                        unusual.insert(i, hits);
                    }
                    (Ran::Correlation(found), Body::Correlation(c)) => {
                        self.take_correlated(i, c, &found, findings);
                        if counted.contains(&i) {
                            runs.insert(i, Arc::new(found));
                        }
                    }
                    (_, Body::Behaviour(_)) => _ = unusual.insert(i, Vec::new()),
                    _ => {}
                }
            }
        }
        // A correlation that only feeds another one is hidden like any base.
        let hidden = findings.len();
        findings.retain(|f| !silent.contains(&f.rule));
        self.hidden += (hidden - findings.len()) as u64;
        Ok(silent)
    }

    /// Runs one of them; what it rests on is done.
    fn run_compound(&self, i: usize, by_rule: &[&[(u32, u32)]], done: &Done<'_>, about: &Indexed<'_>, counted: bool) -> Result<Ran, UserError> {
        let set = self.rules;
        let rule = &set.rules[i];
        // Without the values that it groups by, its windows would be of something else.
        if matches!(self.states[i], RuleState::NotAssessable(_)) {
            return Ok(Ran::Nothing);
        }
        let matched = |base: &usize| -> Vec<u32> {
            let found = by_rule.binary_search_by_key(&(*base as u32), |m| m[0].0);
            found.map_or(Vec::new(), |at| by_rule[at].iter().map(|m| m.1).collect())
        };
        let rows: Vec<Vec<u32>> = set.bases(i).iter().map(matched).collect();
        let c = match &rule.body {
            Body::Detection(_) => return Ok(Ran::Nothing),
            Body::Behaviour(b) => return self.behave_one(i, b, &rows, about).map(|found| Ran::Behaviour(Box::new(found))),
            Body::Correlation(c) => c,
        };
        let inputs = set.bases(i).iter().zip(&rows).map(|(&base, rows)| Input {
            base: match (done.runs.get(&base), done.unusual.get(&base)) {
                (Some(run), _) => Base::Correlation(run.clone()),
                (None, Some(hits)) => Base::Detection(base as u32, hits),
                (None, None) => Base::Detection(base as u32, rows),
            },
            group_by: self.leaf_fields(c, base, &c.group_by),
            fields: self.leaf_fields(c, base, &c.fields),
        });
        let found = correlate(c, inputs.collect(), &self.rows, counted);
        found
            .map(Ran::Correlation)
            .map_err(|e| UserError::new(format!("{}:{}: `{}`: correlating failed: {e}", rule.meta.file, rule.meta.line, rule.meta.title)))
    }

    /// Takes what a correlation found.
    fn take_correlated(&mut self, i: usize, c: &Correlation, found: &Correlated, findings: &mut Vec<Finding>) {
        let meta = &self.rules.rules[i].meta;
        self.ungrouped[i] = found.without_group;
        for burst in &found.bursts {
            if !self.period.contains(burst.crossed) {
                continue;
            }
            self.hits[i] += 1;
            let value = |code: u32| self.rows.dict.text(code).unwrap_or_default().to_owned();
            let entity: Vec<(String, String)> = c.group_by.iter().zip(&burst.group).map(|(f, code)| (f.clone(), value(*code))).collect();
            let longest = MAX_BURST.max(c.timespan);
            for part in bursts(&burst.rows, &self.rows.time, i64::MAX, longest) {
                findings.extend(Finding::new(i, meta, entity.clone(), part.to_vec(), &self.rows.time, &self.event_name(part[0])));
            }
        }
    }

    /// Where the fields of a correlation stand in the kept rows, for each detection below a base.
    fn leaf_fields(&self, correlation: &Correlation, base: usize, fields: &[String]) -> LeafFields {
        let Ok(names) = self.rules.fields_for(correlation, base, fields) else { return LeafFields::new() };
        let of_leaf = |leaf: usize| match &self.rules.rules[leaf].body {
            Body::Detection(d) => names.iter().filter_map(|n| d.taxonomy.resolve(n).ok().and_then(|f| self.field(&f))).collect(),
            Body::Correlation(_) | Body::Behaviour(_) => Vec::new(),
        };
        let leaves = self.rules.leaves(base).into_iter().map(|leaf| (leaf as u32, of_leaf(leaf)));
        // A behaviour's hits are events of its bases, which all name their fields alike.
        let below = [base].into_iter().chain(self.rules.below(base)).filter(|r| matches!(self.rules.rules[*r].body, Body::Behaviour(_)));
        let behaviours = below.filter_map(|b| self.rules.bases(b).first().map(|first| (b as u32, of_leaf(*first))));
        leaves.chain(behaviours).collect()
    }

    /// Names an event so that the name does not depend on files.
    pub(super) fn event_name(&self, row: u32) -> Cow<'_, str> {
        match self.rows.event_id(row) {
            Some(id) => Cow::Borrowed(id),
            None => {
                let mut name = Vec::new();
                push_time(self.rows.time[row as usize], &mut name);
                for column in [Column::User, Column::Resource] {
                    name.push(b' ');
                    name.extend_from_slice(self.column(column, row).unwrap_or_default().as_bytes());
                }
                Cow::Owned(String::from_utf8(name).unwrap_or_default())
            }
        }
    }

    /// One finding for each entity and burst of a detection's matches.
    fn detection_findings(&self, rule: usize, matches: &[(u32, u32)]) -> Vec<Finding> {
        let user = self.field(&FieldRef::Column(Column::User));
        let resource = self.field(&FieldRef::Column(Column::Resource));
        let code = |field: Option<usize>, row: u32| field.map_or(ABSENT, |f| self.rows.columns[f][row as usize]);
        // The user stands for the entity, else the resource, else nothing does.
        let mut keyed: Vec<(u8, u32, u32)> = matches
            .iter()
            .map(|&(_, row)| match (code(user, row), code(resource, row)) {
                (ABSENT, ABSENT) => (2, ABSENT, row),
                (ABSENT, r) => (1, r, row),
                (u, _) => (0, u, row),
            })
            .collect();
        keyed.sort_unstable();
        let meta = &self.rules.rules[rule].meta;
        let (quiet, longest) = if meta.level == Level::Informational { (RECORD_QUIET, RECORD_LONGEST) } else { (QUIET, MAX_BURST) };
        let mut out = Vec::new();
        for group in keyed.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let entity = match (group[0].0, self.rows.dict.text(group[0].1)) {
                (0, Some(u)) => vec![("user".to_owned(), u.to_owned())],
                (1, Some(r)) => vec![("resource".to_owned(), r.to_owned())],
                _ => Vec::new(),
            };
            let rows: Vec<u32> = group.iter().map(|k| k.2).collect();
            for part in bursts(&rows, &self.rows.time, quiet, longest) {
                out.extend(Finding::new(rule, meta, entity.clone(), part.to_vec(), &self.rows.time, &self.event_name(part[0])));
            }
        }
        out
    }
}
