//! The one state that each rule of a run ends in: whether it could have hit, and if not, why not.

use crate::engine::merge::Merged;
use crate::engine::plan::{AtomId, MAX_CLASSES, Node, Routing, SourcePlan, route};
use crate::engine::plans::{Asked, Plans};
use crate::enrich::database::Databases;
use crate::event::Column;
use crate::event::value::fold_case;
use crate::rule::behaviour::Behaviour;
use crate::rule::correlation::{Correlation, CorrelationKind};
use crate::rule::lists::how_to_give;
use crate::rule::load::RuleSet;
use crate::rule::{Body, FieldRef};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The one state that a rule of a run ends in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleState {
    /// It could have hit.
    Ran,
    /// Fields that no event of the run has.
    CouldNotMatch(Vec<String>),
    /// No source of the run is meant by it, or the run read no event of such a source.
    NotApplicable(String),
    /// It needs something that is not set, or an event class that was not delivered.
    NotAssessable(String),
}

/// The state of every rule of a run.
pub fn rule_states(plans: &Plans<'_>, merged: &Merged) -> Vec<RuleState> {
    let Asked { sources, rules, databases, .. } = plans.asked;
    let read: Vec<&SourcePlan> = plans.made().filter(|p| merged.by_source.get(p.source as usize).is_some_and(|n| *n > 0)).collect();
    let unseen_classes: HashMap<u8, Undelivered> = read.iter().map(|p| (p.source, Undelivered::of(p, merged))).collect();
    // A list of what only a class shows may be wrong; a match is proof.
    let matched: HashSet<u32> = merged.matches.chunk_by(|a, b| a.0 == b.0).map(|of_rule| of_rule[0].0).collect();
    let detection = |i: usize| -> RuleState {
        let rule = &rules.rules[i];
        let Body::Detection(d) = &rule.body else { return RuleState::Ran };
        if let Some(list) = &rule.meta.unset_list {
            return RuleState::NotAssessable(format!("the list `{list}` is not set; {}", how_to_give(list)));
        }
        let routes: Vec<Routing> = sources.mappings().iter().map(|m| route(d, m)).collect();
        if routes.iter().all(|r| *r == Routing::NoLogSource) {
            return RuleState::NotApplicable("it has no logsource".into());
        }
        let mine: Vec<&&SourcePlan> = read.iter().filter(|p| routes[p.source as usize] == Routing::Applies).collect();
        if mine.is_empty() {
            let is_origin = |i: &usize| routes[*i] == Routing::Applies && merged.origins.contains(&sources.mappings()[*i].id);
            if let Some(origin) = (0..routes.len()).find(is_origin) {
                let title = &sources.mappings()[origin].title;
                return RuleState::NotAssessable(format!(
                    "it reads fields of the records of {title}, and normalised events hold columns: scan the original logs"
                ));
            }
            let l = &d.logsource;
            let words: Vec<&str> = [&l.product, &l.service, &l.category].into_iter().flatten().map(String::as_str).collect();
            return RuleState::NotApplicable(format!("no log of {} was read", words.join("/")));
        }
        // It could have hit where some source of the run has every field that the rule cannot do without.
        let mut missing: Option<Vec<String>> = None;
        let mut undelivered: Option<String> = None;
        for plan in mine {
            if let Some(reason) = plan.unassessable.get(&(i as u32)) {
                undelivered.get_or_insert_with(|| reason.clone());
                continue;
            }
            let Ok(at) = plan.rules.binary_search_by_key(&(i as u32), |r| r.rule) else { continue };
            let entry = &plan.rules[at];
            let unseen: Vec<u16> = entry.fields.iter().copied().filter(|f| !merged.seen[plan.source as usize].contains(f)).collect();
            let absent = |a: AtomId| plan.atom_fields(a).iter().any(|f| unseen.contains(f));
            let classes = &unseen_classes[&plan.source];
            let only_there = |a: AtomId| classes.alone_shows(plan, a);
            let in_class = classes.any() && !matched.contains(&(i as u32)) && !can_hit(&entry.node, &only_there);
            if in_class {
                undelivered.get_or_insert_with(|| classes.reason(plan, &entry.node));
                continue;
            }
            if let Some(reason) = plan.databases.lacks_anonymisers().filter(|_| !can_hit(&entry.node, &|a| plan.asks_for_untold_anonymisers(a))) {
                undelivered.get_or_insert(reason);
                continue;
            }
            if can_hit(&entry.node, &absent) {
                return RuleState::Ran;
            }
            let names: Vec<String> = unseen.iter().map(|f| plan.fields[*f as usize].name()).collect();
            if missing.as_ref().is_none_or(|m| names.len() < m.len()) {
                missing = Some(names);
            }
        }
        match (undelivered, missing) {
            (Some(reason), _) => RuleState::NotAssessable(reason),
            (None, Some(fields)) => RuleState::CouldNotMatch(fields),
            (None, None) => RuleState::Ran,
        }
    };
    let mut states: Vec<Option<RuleState>> = vec![None; rules.rules.len()];
    for i in (0..rules.rules.len()).filter(|i| matches!(rules.rules[*i].body, Body::Detection(_))).chain(rules.compound_in_order()) {
        states[i] = Some(match &rules.rules[i].body {
            Body::Detection(_) => detection(i),
            Body::Correlation(c) => match untold_field(rules, i, c, databases) {
                Some(reason) => RuleState::NotAssessable(reason),
                None => {
                    let bases: Vec<&RuleState> = rules.bases(i).iter().filter_map(|b| states[*b].as_ref()).collect();
                    correlation(c, &bases)
                }
            },
            Body::Behaviour(b) => match untold_behaviour(rules, i, b, databases) {
                Some(reason) => RuleState::NotAssessable(reason),
                None => {
                    let mut bases = rules.bases(i).iter().take(b.rules.len()).filter_map(|b| states[*b].clone());
                    // As a correlation: what one base can find, it can judge.
                    let first = bases.next().unwrap_or(RuleState::Ran);
                    if bases.any(|s| s == RuleState::Ran) { RuleState::Ran } else { first }
                }
            },
        });
    }
    states.into_iter().map(|s| s.unwrap_or(RuleState::Ran)).collect()
}

/// Why a correlation cannot be judged: it groups by or counts what only a database that is not there could tell.
fn untold_field(rules: &RuleSet, index: usize, correlation: &Correlation, databases: &Databases) -> Option<String> {
    for &base in rules.bases(index) {
        let names = [&correlation.group_by, &correlation.fields].into_iter().filter_map(|f| rules.fields_for(correlation, base, f).ok()).flatten();
        for name in names {
            for leaf in rules.leaves(base) {
                if let Body::Detection(d) = &rules.rules[leaf].body
                    && let Ok(FieldRef::Derived(derived)) = d.taxonomy.resolve(name)
                    && let Some(reason) = databases.lacks(derived)
                {
                    return Some(reason);
                }
            }
        }
    }
    None
}

/// Why a behaviour cannot be judged: as [`untold_field`].
fn untold_behaviour(rules: &RuleSet, index: usize, behaviour: &Behaviour, databases: &Databases) -> Option<String> {
    let Body::Detection(d) = &rules.rules[*rules.bases(index).first()?].body else { return None };
    let names = behaviour.group_by.iter().map(String::as_str).chain(behaviour.fields());
    names.into_iter().find_map(|name| match d.taxonomy.resolve(name) {
        Ok(FieldRef::Derived(derived)) => databases.lacks(derived),
        _ => None,
    })
}

/// A correlation could have hit where enough of its bases could.
fn correlation(correlation: &Correlation, bases: &[&RuleState]) -> RuleState {
    let ran = |b: usize| *bases[b] == RuleState::Ran;
    let could = match &correlation.kind {
        CorrelationKind::Temporal(p) => !p.only_grows_into_holding() || p.holds(&ran, bases.len()),
        CorrelationKind::TemporalOrdered => (0..bases.len()).all(ran),
        _ => (0..bases.len()).any(ran),
    };
    if could { RuleState::Ran } else { bases.iter().find(|s| ***s != RuleState::Ran).map_or(RuleState::Ran, |s| (*s).clone()) }
}

/// Whether the condition can hold when these atoms never do.
fn can_hit(node: &Node, never: &dyn Fn(AtomId) -> bool) -> bool {
    match node {
        Node::Atom(a) => !never(*a),
        Node::Not(_) => true,
        Node::And(nodes) => nodes.iter().all(|n| can_hit(n, never)),
        Node::Or(nodes) => nodes.iter().any(|n| can_hit(n, never)),
        Node::AtLeast(n, nodes) => nodes.iter().filter(|x| can_hit(x, never)).count() as u64 >= *n,
    }
}

/// What only event classes show of which a source's log holds no event.
struct Undelivered {
    /// Folded names of actions and of activities, each with the indices of its classes.
    actions: Vec<(String, usize)>,
    activities: Vec<(String, usize)>,
}

impl Undelivered {
    fn of(plan: &SourcePlan, merged: &Merged) -> Undelivered {
        let mine = merged.tallied.groups.iter().filter(|(key, _)| key.source == plan.source);
        let seen = mine.fold(0, |mask, (key, _)| mask | key.classes);
        let classes = || plan.mapping.reading().classes.iter().enumerate().take(MAX_CLASSES);
        let delivered = |i: usize| seen >> i & 1 == 1;
        // What a delivered class shows too is not missing.
        let names = |of: &dyn Fn(usize) -> Vec<String>| -> Vec<(String, usize)> {
            let shown: BTreeSet<String> = classes().filter(|(i, _)| delivered(*i)).flat_map(|(i, _)| of(i)).collect();
            classes().filter(|(i, _)| !delivered(*i)).flat_map(|(i, _)| of(i).into_iter().map(move |n| (n, i))).filter(|(n, _)| !shown.contains(n)).collect()
        };
        let folded = |list: &[String]| list.iter().map(|n| fold_case(n).into_owned()).collect();
        Undelivered {
            actions: names(&|i| folded(&plan.mapping.reading().classes[i].actions)),
            activities: names(&|i| folded(&plan.mapping.reading().classes[i].activities)),
        }
    }

    fn any(&self) -> bool {
        !self.actions.is_empty() || !self.activities.is_empty()
    }

    /// The classes that an atom needs an event of; `None` where other events make it hold too.
    fn needed(&self, plan: &SourcePlan, atom: AtomId) -> Option<BTreeSet<usize>> {
        let mut out = BTreeSet::new();
        for &field in plan.atom_fields(atom) {
            let names = if plan.column_field(Column::Activity) == Some(field) {
                &self.activities
            } else if plan.column_field(Column::Action) == Some(field) || plan.feeds(field, Column::Action) {
                &self.actions
            } else {
                return None;
            };
            for literal in plan.atom_literals(field, atom)? {
                let of: Vec<usize> = names.iter().filter(|(n, _)| n == literal).map(|(_, i)| *i).collect();
                if of.is_empty() {
                    return None;
                }
                out.extend(of);
            }
        }
        (!out.is_empty()).then_some(out)
    }

    fn alone_shows(&self, plan: &SourcePlan, atom: AtomId) -> bool {
        self.needed(plan, atom).is_some()
    }

    fn reason(&self, plan: &SourcePlan, node: &Node) -> String {
        let mut classes = BTreeSet::new();
        each_atom(node, &mut |a| classes.extend(self.needed(plan, a).unwrap_or_default()));
        let titles: Vec<&str> = classes.iter().filter_map(|i| plan.mapping.reading().classes.get(*i)).map(|c| c.title.as_str()).collect();
        format!("it looks for events of the class {} of {}, and the logs hold none", titles.join(" or "), plan.mapping.title)
    }
}

/// Calls `f` with the atoms that a condition asks for.
fn each_atom(node: &Node, f: &mut dyn FnMut(AtomId)) {
    match node {
        Node::Atom(a) => f(*a),
        Node::Not(_) => {}
        Node::And(nodes) | Node::Or(nodes) | Node::AtLeast(_, nodes) => nodes.iter().for_each(|n| each_atom(n, f)),
    }
}
