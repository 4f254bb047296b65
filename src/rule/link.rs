//! Links between documents: which rules a correlation counts, and which rules a filter narrows.

use super::behaviour::Behaviour;
use super::correlation::Correlation;
use super::load::RuleSet;
use super::meta::{LogSource, RuleMeta};
use super::{Body, Filter, FilterTarget, Rule};
use crate::diag::RuleProblem;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Levels of a chain, and ways from its top down to detections, beyond which it is refused: each level can double the ways.
const MAX_LEVELS: u64 = 32;
const MAX_WAYS: u64 = 10_000;

/// Rules by what a reference may call them.
struct Index<'a> {
    rules: &'a [Rule],
    by_id: HashMap<String, Vec<usize>>,
    by_name: HashMap<&'a str, Vec<usize>>,
    by_title: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn new(rules: &'a [Rule]) -> Index<'a> {
        let mut index = Index { rules, by_id: HashMap::new(), by_name: HashMap::new(), by_title: HashMap::new() };
        for (i, rule) in rules.iter().enumerate() {
            index.by_id.entry(rule.meta.id.to_ascii_lowercase()).or_default().push(i);
            index.by_title.entry(&rule.meta.title).or_default().push(i);
            if let Some(name) = &rule.meta.name {
                index.by_name.entry(name).or_default().push(i);
            }
        }
        index
    }

    /// By id, then name, then title; a title of the same file goes before those of other files.
    fn find(&self, reference: &str, from_file: &str) -> Result<usize, String> {
        let by_title = self.by_title.get(reference);
        let in_file: Option<Vec<usize>> = by_title.map(|all| all.iter().copied().filter(|i| self.rules[*i].meta.file == from_file).collect());
        let candidates = [
            self.by_id.get(&reference.to_ascii_lowercase()).cloned(),
            self.by_name.get(reference).cloned(),
            in_file.filter(|found| !found.is_empty()),
            by_title.cloned(),
        ];
        match candidates.into_iter().flatten().next().as_deref() {
            Some([one]) => Ok(*one),
            None | Some([]) => Err(format!("no rule has the id, name or title `{reference}`")),
            Some(many) => Err(format!("`{reference}` could mean {} rules", many.len())),
        }
    }

    /// The rules that a filter names.
    fn targets(&self, filter: &Filter) -> Result<Vec<usize>, (String, Option<String>)> {
        let FilterTarget::Rules(references) = &filter.target else {
            return Ok((0..self.rules.len()).filter(|i| matches!(self.rules[*i].body, Body::Detection(_))).collect());
        };
        let mut out = Vec::new();
        for reference in references {
            let found = self.find(reference, &filter.meta.file).map_err(|e| (e, Some("list ids or names of rules that are loaded in the same run".into())))?;
            if !matches!(self.rules[found].body, Body::Detection(_)) {
                let help = "name the detections that it rests on";
                return Err((format!("`{reference}` is a {}: a filter narrows detections", self.rules[found].body.kind()), Some(help.into())));
            }
            if !out.contains(&found) {
                out.push(found);
            }
        }
        Ok(out)
    }
}

impl RuleSet {
    /// A set of rules that are loaded already; references among them are resolved.
    pub fn of(rules: Vec<Rule>) -> RuleSet {
        let mut set = RuleSet { rules, ..RuleSet::default() };
        set.link();
        set
    }

    /// The rule that a reference means: by id, then name, then title (own file first).
    pub fn find(&self, reference: &str, from_file: &str) -> Result<usize, String> {
        Index::new(&self.rules).find(reference, from_file)
    }

    /// The rules that a correlation counts, in the order of its `rules`; those that a behaviour judges, then those that make
    /// its entities known; none for a detection.
    pub fn bases(&self, rule: usize) -> &[usize] {
        self.bases.get(rule).map_or(&[], Vec::as_slice)
    }

    /// Every rule that a rule counts, at any depth, each once, near ones first; itself only where it counts itself.
    pub fn below(&self, rule: usize) -> Vec<usize> {
        let mut out: Vec<usize> = Vec::new();
        let (mut seen, mut at) = (BTreeSet::new(), 0);
        let mut next = Some(rule);
        while let Some(counts) = next {
            out.extend(self.bases(counts).iter().copied().filter(|b| seen.insert(*b)));
            next = out.get(at).copied();
            at += 1;
        }
        out
    }

    /// The detections that a rule rests on in the end, itself included.
    pub fn leaves(&self, rule: usize) -> BTreeSet<usize> {
        self.below(rule).into_iter().chain([rule]).filter(|r| matches!(self.rules[*r].body, Body::Detection(_))).collect()
    }

    /// Correlations and behaviours, each after the rules that it rests on.
    pub fn compound_in_order(&self) -> Vec<usize> {
        let (mut begun, mut out) = (vec![false; self.rules.len()], Vec::new());
        // A stack of its own: chains of a foreign pack may be deeper than the machine's.
        let mut open: Vec<(usize, usize)> = Vec::new();
        for first in 0..self.rules.len() {
            let mut next = Some(first);
            loop {
                if let Some(rule) = next.take()
                    && !std::mem::replace(&mut begun[rule], true)
                    && !matches!(self.rules[rule].body, Body::Detection(_))
                {
                    open.push((rule, 0));
                }
                let Some((rule, at)) = open.last_mut() else { break };
                match self.bases.get(*rule).and_then(|b| b.get(*at)) {
                    Some(&base) => {
                        *at += 1;
                        next = Some(base);
                    }
                    None => {
                        out.push(*rule);
                        open.pop();
                    }
                }
            }
        }
        out
    }

    /// The fields of a correlation in the events of a detection below one of its bases, as that detection's record names them.
    pub fn fields_for<'a>(&'a self, correlation: &'a Correlation, base: usize, fields: &'a [String]) -> Result<Vec<&'a str>, String> {
        let names = names_of(&self.rules[base].meta);
        fields.iter().map(|f| correlation.field_for(f, &names)).collect()
    }

    /// A set of one rule and all that it rests on; that rule comes first.
    pub fn only(&self, rule: usize) -> RuleSet {
        let chosen: Vec<usize> = [rule].into_iter().chain(self.below(rule)).collect();
        let place: BTreeMap<usize, usize> = chosen.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let bases = chosen.iter().map(|c| self.bases(*c).iter().filter_map(|b| place.get(b).copied()).collect()).collect();
        RuleSet { rules: chosen.iter().map(|c| self.rules[*c].clone()).collect(), bases, ..RuleSet::default() }
    }

    /// Resolves all references. Correlations and filters whose references mean nothing become problems, and so do the
    /// correlations that count those.
    pub(super) fn link(&mut self) {
        self.apply_filters();
        let mut resolved: Vec<Vec<usize>> = vec![Vec::new(); self.rules.len()];
        let mut bad: BTreeMap<usize, (String, Option<String>)> = BTreeMap::new();
        let index = Index::new(&self.rules);
        for (i, rule) in self.rules.iter().enumerate() {
            let references: Vec<&String> = match &rule.body {
                Body::Detection(_) => continue,
                Body::Correlation(c) => c.rules.iter().collect(),
                Body::Behaviour(b) => b.rules.iter().chain(&b.known_by).collect(),
            };
            match references.iter().map(|r| index.find(r, &rule.meta.file)).collect::<Result<Vec<_>, _>>() {
                Ok(found) if found.iter().collect::<BTreeSet<_>>().len() < found.len() => {
                    bad.insert(i, ("`rules` names the same rule twice".into(), None));
                }
                Ok(found) => resolved[i] = found,
                Err(reason) => {
                    let skipped = references.into_iter().find(|r| self.skipped_names.contains(*r));
                    let help = match skipped {
                        Some(r) => format!("`{r}` is skipped for its status"),
                        None => "list names or ids of rules that are loaded in the same run".into(),
                    };
                    bad.insert(i, (reason, Some(help)));
                }
            }
        }
        self.bases = resolved;
        for i in 0..self.rules.len() {
            if !bad.contains_key(&i) && self.below(i).contains(&i) {
                bad.insert(i, ("it counts itself in a circle".into(), Some("a correlation may only count rules that do not count it".into())));
            }
        }
        self.spread(&mut bad);
        // Without circles by now: levels and ways down a chain can be counted.
        let mut shape: Vec<(u64, u64)> = vec![(1, 1); self.rules.len()];
        for i in self.compound_in_order() {
            let below = || self.bases[i].iter().map(|b| shape[*b]);
            shape[i] = (1 + below().map(|s| s.0).max().unwrap_or(0), below().fold(0u64, |sum, s| sum.saturating_add(s.1)));
            if !bad.contains_key(&i) && (shape[i].0 > MAX_LEVELS || shape[i].1 > MAX_WAYS) {
                let reason = format!("its chain has more than {MAX_LEVELS} levels, or more than {MAX_WAYS} ways down to detections");
                bad.insert(i, (reason, Some("count fewer correlations, or the detections below them".into())));
            }
        }
        self.spread(&mut bad);
        for i in 0..self.rules.len() {
            if !bad.contains_key(&i)
                && let Err(fault) = self.check_fields(i)
            {
                bad.insert(i, fault);
            }
        }
        self.spread(&mut bad);
        self.remove(bad);
    }

    /// What counts something bad is bad, too; bases come first in the order, so that one pass reaches all.
    fn spread(&self, bad: &mut BTreeMap<usize, (String, Option<String>)>) {
        for i in self.compound_in_order() {
            if !bad.contains_key(&i)
                && let Some(dead) = self.bases[i].iter().find(|b| bad.contains_key(b))
            {
                let title = &self.rules[*dead].meta.title;
                bad.insert(i, (format!("it counts `{title}`, which did not load"), Some("mend that rule first".into())));
            }
        }
    }

    /// Every group-by and counted field must mean something in the events of every base.
    fn check_fields(&self, rule: usize) -> Result<(), (String, Option<String>)> {
        let c = match &self.rules[rule].body {
            Body::Detection(_) => return Ok(()),
            Body::Correlation(c) => c,
            Body::Behaviour(b) => return self.check_behaviour(rule, b),
        };
        let bases: Vec<Vec<&str>> = self.bases(rule).iter().map(|b| names_of(&self.rules[*b].meta)).collect();
        for (alias, of_rules) in &c.aliases {
            if let Some(stranger) = of_rules.keys().find(|r| !bases.iter().any(|names| names.contains(&r.as_str()))) {
                return Err((format!("the alias `{alias}` names `{stranger}`, which is not among `rules`"), Some("use a rule's name or id".into())));
            }
        }
        for &base in self.bases(rule) {
            if c.kind.takes_numbers() && !matches!(self.rules[base].body, Body::Detection(_)) {
                let Rule { meta, body } = &self.rules[base];
                let reason = format!("{} needs events with a number; `{}` is a {}", c.kind.name(), meta.title, body.kind());
                return Err((reason, Some(format!("use event_count or value_count over a {}", body.kind()))));
            }
            for fields in [&c.group_by, &c.fields] {
                let help = || Some("give each rule a field under the alias, by the rule's name or id".to_owned());
                let names = self.fields_for(c, base, fields).map_err(|e| (e, help()))?;
                for leaf in self.leaves(base) {
                    let Body::Detection(d) = &self.rules[leaf].body else { continue };
                    for name in &names {
                        d.taxonomy.resolve(name).map_err(|e| (e, None))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A behaviour judges single events, and reads the same fields of all of them.
    fn check_behaviour(&self, rule: usize, behaviour: &Behaviour) -> Result<(), (String, Option<String>)> {
        let mut vocabulary = None;
        for (i, &base) in self.bases(rule).iter().enumerate() {
            let Rule { meta, body } = &self.rules[base];
            let Body::Detection(d) = body else {
                let help = "name the detections whose events it judges; a correlation may count the behaviour in turn";
                return Err((format!("`{}` is a {}: a behaviour rests on detections", meta.title, body.kind()), Some(help.into())));
            };
            if *vocabulary.get_or_insert(d.taxonomy) != d.taxonomy {
                let help = "keep rules with `taxonomy: auditmill` and rules over vendors' records apart";
                return Err((format!("`{}` names its fields by another taxonomy than the rules before it", meta.title), Some(help.into())));
            }
            let own = if i < behaviour.rules.len() { behaviour.fields() } else { Vec::new() };
            for name in behaviour.group_by.iter().map(String::as_str).chain(own) {
                d.taxonomy.resolve(name).map_err(|e| (e, None))?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, bad: BTreeMap<usize, (String, Option<String>)>) {
        if bad.is_empty() {
            return;
        }
        let mut place = vec![0; self.rules.len()];
        let (mut rules, mut bases) = (Vec::new(), Vec::new());
        for (i, rule) in std::mem::take(&mut self.rules).into_iter().enumerate() {
            match bad.get(&i) {
                Some((reason, help)) => {
                    let problem = RuleProblem {
                        file: rule.meta.file.clone(),
                        line: rule.meta.line,
                        reason: format!("`{}`: {reason}", rule.meta.title),
                        help: help.clone(),
                    };
                    self.add_problem(problem, rule.meta.required);
                }
                None => {
                    place[i] = rules.len();
                    rules.push(rule);
                    bases.push(std::mem::take(&mut self.bases[i]));
                }
            }
        }
        self.rules = rules;
        self.bases = bases.into_iter().map(|b| b.into_iter().map(|old| place[old]).collect()).collect();
    }

    /// Adds each filter to the rules that it names.
    fn apply_filters(&mut self) {
        let filters = std::mem::take(&mut self.filters);
        let index = Index::new(&self.rules);
        let targets: Vec<_> = filters.iter().map(|f| index.targets(f)).collect();
        for (mut filter, targets) in filters.into_iter().zip(targets) {
            match targets {
                Err((reason, help)) => {
                    let problem = RuleProblem { file: filter.meta.file.clone(), line: filter.meta.line, reason, help };
                    self.add_problem(problem, filter.meta.required);
                }
                Ok(targets) => {
                    let (fits, misfits): (Vec<usize>, Vec<usize>) = targets.into_iter().partition(|t| match &self.rules[*t].body {
                        Body::Detection(d) => narrows(&filter.logsource, &d.logsource),
                        Body::Correlation(_) | Body::Behaviour(_) => false,
                    });
                    if !matches!(filter.target, FilterTarget::Any) {
                        for rule in misfits.iter().map(|m| &self.rules[*m].meta) {
                            self.notes.push(format!("{}: the filter's logsource is not that of `{}`, which it leaves as it is", filter.meta.file, rule.title));
                        }
                    }
                    for &target in &fits {
                        if let Body::Detection(d) = &mut self.rules[target].body {
                            d.filters.push(filter.narrowing.clone());
                        }
                        filter.applied_to.push(self.rules[target].meta.id.clone());
                        let unset = &mut self.rules[target].meta.unset_list;
                        *unset = unset.take().or_else(|| filter.meta.unset_list.clone());
                    }
                    self.filters.push(filter);
                }
            }
        }
    }
}

/// What a correlation may call a base under an alias.
fn names_of(meta: &RuleMeta) -> Vec<&str> {
    meta.name.as_deref().into_iter().chain([meta.id.as_str(), meta.title.as_str()]).collect()
}

/// Whether a filter's logsource covers a rule's: what the filter names, the rule names too, case aside.
fn narrows(filter: &LogSource, rule: &LogSource) -> bool {
    let covers = |f: &Option<String>, r: &Option<String>| f.as_ref().is_none_or(|f| r.as_ref().is_some_and(|r| f.eq_ignore_ascii_case(r)));
    covers(&filter.product, &rule.product) && covers(&filter.service, &rule.service) && covers(&filter.category, &rule.category)
}
