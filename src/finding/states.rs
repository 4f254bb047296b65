//! The one state that each rule of a run ends in: whether it could have hit, and if not, why not.

use crate::engine::merge::Merged;
use crate::engine::plan::{Node, Routing, SourcePlan, route};
use crate::rule::Body;
use crate::rule::correlation::{Correlation, CorrelationKind};
use crate::rule::load::RuleSet;

/// The one state that a rule of a run ends in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleState {
    /// It could have hit.
    Ran,
    /// Fields that no event of the run has.
    CouldNotMatch(Vec<String>),
    /// No source of the run is meant by it, or the run read no event of such a source.
    NotApplicable(String),
    /// It needs something that is not set.
    NotAssessable(String),
}

/// The state of every rule of the set.
pub fn rule_states(rules: &RuleSet, plans: &[SourcePlan], merged: &Merged) -> Vec<RuleState> {
    let read: Vec<&SourcePlan> = plans.iter().filter(|p| merged.by_source.get(p.source as usize).is_some_and(|n| *n > 0)).collect();
    let detection = |i: usize| -> RuleState {
        let rule = &rules.rules[i];
        let Body::Detection(d) = &rule.body else { return RuleState::Ran };
        if let Some(list) = &rule.meta.unset_list {
            return RuleState::NotAssessable(format!("the list `{list}` is not set; give it in a --vars file"));
        }
        let routes: Vec<Routing> = plans.iter().map(|p| route(d, &p.mapping)).collect();
        if routes.iter().all(|r| *r == Routing::NoLogSource) {
            return RuleState::NotApplicable("it has no logsource".into());
        }
        let mine: Vec<&&SourcePlan> = read.iter().filter(|p| routes[p.source as usize] == Routing::Applies).collect();
        if mine.is_empty() {
            let l = &d.logsource;
            let words: Vec<&str> = [&l.product, &l.service, &l.category].into_iter().flatten().map(String::as_str).collect();
            return RuleState::NotApplicable(format!("no log of {} was read", words.join("/")));
        }
        // It could have hit where some source of the run has every field that the rule cannot do without.
        let mut missing: Option<Vec<String>> = None;
        for plan in mine {
            let Ok(at) = plan.rules.binary_search_by_key(&(i as u32), |r| r.rule) else { continue };
            let entry = &plan.rules[at];
            let unseen: Vec<u16> = entry.fields.iter().copied().filter(|f| !merged.seen[plan.source as usize].contains(f)).collect();
            if can_hit(&entry.node, plan, &unseen) {
                return RuleState::Ran;
            }
            let names: Vec<String> = unseen.iter().map(|f| plan.fields[*f as usize].name()).collect();
            if missing.as_ref().is_none_or(|m| names.len() < m.len()) {
                missing = Some(names);
            }
        }
        missing.map_or(RuleState::Ran, RuleState::CouldNotMatch)
    };
    let mut states: Vec<Option<RuleState>> = vec![None; rules.rules.len()];
    for i in (0..rules.rules.len()).filter(|i| matches!(rules.rules[*i].body, Body::Detection(_))).chain(rules.correlations_in_order()) {
        states[i] = Some(match &rules.rules[i].body {
            Body::Detection(_) => detection(i),
            Body::Correlation(c) => {
                let bases: Vec<&RuleState> = rules.bases(i).iter().filter_map(|b| states[*b].as_ref()).collect();
                correlation(c, &bases)
            }
        });
    }
    states.into_iter().map(|s| s.unwrap_or(RuleState::Ran)).collect()
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

/// Whether the condition can hold when these fields never occur: their atoms are then never set.
fn can_hit(node: &Node, plan: &SourcePlan, unseen: &[u16]) -> bool {
    match node {
        Node::Atom(a) => !plan.atom_fields(*a).iter().any(|f| unseen.contains(f)),
        Node::Not(_) => true,
        Node::And(nodes) => nodes.iter().all(|n| can_hit(n, plan, unseen)),
        Node::Or(nodes) => nodes.iter().any(|n| can_hit(n, plan, unseen)),
        Node::AtLeast(n, nodes) => nodes.iter().filter(|x| can_hit(x, plan, unseen)).count() as u64 >= *n,
    }
}
