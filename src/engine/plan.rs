//! What a run asks of one source: fields to read, atoms to test distinct values against, and rules as boolean nodes.

use super::run::Keep;
use crate::enrich::database::Databases;
use crate::event::Column;
use crate::event::derived::{ANONYMISERS, Derived};
use crate::rule::detection::{Condition, Detection, Test};
use crate::rule::load::RuleSet;
use crate::rule::matcher::{Matcher, TextOp};
use crate::rule::meta::LogSource;
use crate::rule::{Body, DetectionRule, FieldRef, Taxonomy};
use crate::source::mapping::{ColumnExpr, Mapping, PathId};
use crate::source::walk::{FieldId, Trie, rank};
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Index of an atom: a distinct (field, test).
pub type AtomId = u32;

/// A rule's condition over masks.
#[derive(Debug, Clone)]
pub enum Node {
    /// An atom's mask.
    Atom(AtomId),
    /// Rows not in the mask.
    Not(Box<Node>),
    /// Rows in all masks.
    And(Vec<Node>),
    /// Rows in some mask.
    Or(Vec<Node>),
    /// Rows in at least so many masks.
    AtLeast(u64, Vec<Node>),
}

/// The atoms of one field.
#[derive(Debug, Default)]
pub struct FieldAtoms {
    /// Exact folded literals.
    pub literals: HashMap<String, Vec<AtomId>>,
    /// Everything else.
    pub others: Vec<(Matcher, AtomId)>,
    /// Atoms that hold for every present value.
    pub present: Vec<AtomId>,
}

/// A test that compares two fields of a row.
#[derive(Debug)]
pub struct Pair {
    /// Left field.
    pub left: FieldId,
    /// Right field.
    pub right: FieldId,
    /// Relation.
    pub op: TextOp,
    /// Upper and lower case differ.
    pub cased: bool,
    /// Its mask.
    pub atom: AtomId,
}

/// How a field gets its values.
#[derive(Debug)]
pub enum Filled {
    /// From the record, by the walk.
    Record,
    /// By a column expression of the mapping (index into [`Reading::columns`]).
    Expr(usize),
    /// The case-folded user.
    UserKey(FieldId),
    /// By what its columns say beyond their text.
    Derived(Derived),
    /// The source's id.
    Source,
    /// The time as text.
    Time,
    /// The hour of the time.
    Hour,
    /// Never: the mapping does not fill the column.
    Never,
}

/// A field of the plan.
#[derive(Debug)]
pub struct PlanField {
    /// What it is.
    pub field: FieldRef,
    /// How it is filled.
    pub filled: Filled,
    /// Its atoms.
    pub atoms: FieldAtoms,
    /// For expressions: the plan fields of its inputs, in the order of [`ColumnExpr::paths`] then columns.
    pub inputs: Vec<FieldId>,
}

/// Why a rule is not run over a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routing {
    /// It applies.
    Applies,
    /// Its logsource names other sources.
    OtherSource,
    /// It has no logsource.
    NoLogSource,
}

/// A rule that applies to the source.
#[derive(Debug)]
pub struct PlanRule {
    /// Index into the rule set.
    pub rule: u32,
    /// Its condition.
    pub node: Node,
    /// The plan fields that it names.
    pub fields: Vec<FieldId>,
}

/// An alternative of a mapping's `detect`, in plan fields.
#[derive(Debug)]
pub struct DetectPlan {
    /// Present.
    pub has: Vec<FieldId>,
    /// Absent.
    pub without: Vec<FieldId>,
    /// Fields that its selection names.
    pub selection: Vec<FieldId>,
}

/// What a run asks of one source.
#[derive(Debug)]
pub struct SourcePlan {
    /// The mapping.
    pub mapping: Arc<Mapping>,
    /// Index of the source in the run.
    pub source: u8,
    /// The walk's trie.
    pub trie: Trie,
    /// Fields; those from the record come in any order, columns after what they read.
    pub fields: Vec<PlanField>,
    /// Order in which column fields are computed.
    pub column_order: Vec<FieldId>,
    /// Number of atoms.
    pub atoms: usize,
    /// Field comparisons.
    pub pairs: Vec<Pair>,
    /// Keyword tests over every scalar leaf.
    pub keywords: Vec<(Matcher, AtomId)>,
    /// Rules that apply.
    pub rules: Vec<PlanRule>,
    /// Conditions of the source's event classes; the `rule` of each is its index.
    pub classes: Vec<PlanRule>,
    /// Event classes that choose inside arrays, which masks cannot: index, and the fields that it reads.
    pub choosing_classes: Vec<(usize, Vec<FieldId>)>,
    /// The columns `account` and `region`, where events are told apart by them.
    pub places: Option<[FieldId; 2]>,
    /// The column `action`, where unmapped ones are counted.
    pub action: Option<FieldId>,
    /// The alternatives that detect the source, in the order of the mapping.
    pub detect: Vec<DetectPlan>,
    /// Plan fields of the time, in the order of the mapping.
    pub time: Vec<FieldId>,
    /// Plan fields whose text is JSON.
    pub json_text: Vec<FieldId>,
    /// Plan field of the array whose elements are events.
    pub each: Option<FieldId>,
    /// For each path of the mapping its plan field, where the plan reads it.
    pub path_fields: Vec<Option<FieldId>>,
    /// Plan field of the event id.
    pub event_id: Option<FieldId>,
    /// Plan field of the status.
    pub status: Option<FieldId>,
    /// For each retained field of the run, the plan field that holds it here.
    pub retained: Vec<Option<FieldId>>,
    /// The column `activity`, where rows with one are retained.
    pub activity: Option<FieldId>,
    /// What tells of addresses.
    pub databases: Arc<Databases>,
    /// Rules that apply and are not run, since only a database that is not there could decide them: why.
    pub unassessable: BTreeMap<u32, String>,
    by_ref: HashMap<FieldRef, FieldId>,
    /// Fields that rules read by an alias of the source: apart from the mapping's own reads of that name, which know no alias.
    /// The flag tells those that get JSON text too.
    by_alias: HashMap<(String, bool), FieldId>,
    atom_ids: HashMap<(FieldId, String), AtomId>,
    atom_fields: Vec<Vec<FieldId>>,
}

/// Event classes of a source: one bit each.
pub const MAX_CLASSES: usize = 64;

/// A mapping's condition with its field names as a rule over event columns writes them: `$name` is a column there.
fn as_columns(when: &Detection) -> Detection {
    let name = |field: &str| field.strip_prefix('$').map_or_else(|| format!("raw.{field}"), str::to_owned);
    match when {
        Detection::Items(items) => {
            let mut items = items.clone();
            for item in &mut items {
                item.field = item.field.as_deref().map(name);
                if let Test::FieldRef { field, .. } = &mut item.test {
                    *field = name(field);
                }
            }
            Detection::Items(items)
        }
        Detection::And(parts) => Detection::And(parts.iter().map(as_columns).collect()),
        Detection::Or(parts) => Detection::Or(parts.iter().map(as_columns).collect()),
        Detection::Members(members, key) => {
            let mut members = members.clone();
            members.field = name(&members.field);
            Detection::Members(members, key.clone())
        }
        Detection::Keywords { .. } | Detection::Conditional(..) => when.clone(),
    }
}

/// Whether a rule's logsource names this source.
pub fn route(rule: &DetectionRule, mapping: &Mapping) -> Routing {
    let wanted = &rule.logsource;
    if wanted.product.is_none() && wanted.service.is_none() && wanted.category.is_none() {
        return Routing::NoLogSource;
    }
    let fits = fits_all(rule, mapping) || !origins(rule, mapping).is_empty();
    if fits { Routing::Applies } else { Routing::OtherSource }
}

/// Whether a rule's logsource names all records of a source.
fn fits_all(rule: &DetectionRule, mapping: &Mapping) -> bool {
    is_general(&rule.logsource, &mapping.id) || mapping.logsources.iter().any(|l| fits(rule, l))
}

/// Of events that were mapped before: the sources whose events a rule over event columns names, where it does not name them all.
pub fn origins<'m>(rule: &DetectionRule, mapping: &'m Mapping) -> Vec<&'m str> {
    if rule.taxonomy != Taxonomy::Columns || fits_all(rule, mapping) {
        return Vec::new();
    }
    let named = |(id, logsources): &&(String, Vec<LogSource>)| is_general(&rule.logsource, id) || logsources.iter().any(|l| fits(rule, l));
    mapping.relayed.iter().filter(named).map(|(id, _)| id.as_str()).collect()
}

fn fits(rule: &DetectionRule, logsource: &LogSource) -> bool {
    let wanted = &rule.logsource;
    let same = |a: &Option<String>, b: &Option<String>| match (a, b) {
        (None, _) => true,
        (Some(x), Some(y)) => x.eq_ignore_ascii_case(y),
        (Some(_), None) => false,
    };
    let category = rule.taxonomy == Taxonomy::Columns || same(&wanted.category, &logsource.category);
    same(&wanted.product, &logsource.product) && same(&wanted.service, &logsource.service) && category
}

/// `product: auditmill` means every source, with a source's id as `service` that one; the category is then the event's column.
fn is_general(logsource: &LogSource, source: &str) -> bool {
    names_auditmill(logsource) && logsource.service.as_deref().is_none_or(|s| s.eq_ignore_ascii_case(source))
}

fn names_auditmill(logsource: &LogSource) -> bool {
    logsource.product.as_deref().is_some_and(|p| p.eq_ignore_ascii_case("auditmill"))
}

/// The category that an event must have besides the rule's condition: `logsource.category` of a rule over event columns.
pub fn implied_category(rule: &DetectionRule) -> Option<&str> {
    let asks = names_auditmill(&rule.logsource) || rule.taxonomy == Taxonomy::Columns;
    rule.logsource.category.as_deref().filter(|_| asks)
}

/// How a plan names the field that holds the JSON text of what stands at a path.
pub fn json_reference(path: &str) -> FieldRef {
    FieldRef::Record(format!("\0json {path}"))
}

impl SourcePlan {
    /// Compiles every rule of the set that applies to the source.
    ///
    /// `retained` are the fields kept for matched rows; `keep` says which rows outlive their chunk; with `tell_places` events
    /// are told apart by account and region; `databases` tell of addresses.
    pub fn build(
        source: u8,
        mapping: &Arc<Mapping>,
        rules: &RuleSet,
        retained: &[FieldRef],
        keep: Keep,
        tell_places: bool,
        databases: &Arc<Databases>,
    ) -> SourcePlan {
        let reading = mapping.reading();
        let mut plan = SourcePlan {
            mapping: mapping.clone(),
            source,
            trie: Trie::new(),
            fields: Vec::new(),
            column_order: Vec::new(),
            atoms: 0,
            pairs: Vec::new(),
            keywords: Vec::new(),
            rules: Vec::new(),
            classes: Vec::new(),
            choosing_classes: Vec::new(),
            places: None,
            action: None,
            detect: Vec::new(),
            time: Vec::new(),
            json_text: Vec::new(),
            each: None,
            path_fields: vec![None; reading.paths.len()],
            event_id: None,
            status: None,
            retained: Vec::new(),
            activity: None,
            databases: databases.clone(),
            unassessable: BTreeMap::new(),
            by_ref: HashMap::new(),
            by_alias: HashMap::new(),
            atom_ids: HashMap::new(),
            atom_fields: Vec::new(),
        };
        for alternative in &mapping.detect {
            let mut selection = Vec::new();
            if let Some(detection) = &alternative.selection {
                let mut names = Vec::new();
                detection.visit_fields(&mut |name| names.push(name.to_owned()));
                selection = names.iter().filter_map(|n| reading.path_of(n)).map(|p| plan.path_field(p)).collect();
            }
            let mut fields = |paths: &[String]| paths.iter().map(|p| plan.field(&FieldRef::Record(p.clone()))).collect();
            let (has, without) = (fields(&alternative.has), fields(&alternative.without));
            plan.detect.push(DetectPlan { has, without, selection });
        }
        plan.time = reading.time.iter().map(|t| plan.path_field(t.path)).collect();
        plan.json_text = mapping.json_text.iter().map(|p| plan.field(&FieldRef::Record(p.clone()))).collect();
        plan.each = mapping.each.as_ref().map(|p| plan.field(&FieldRef::Record(p.clone())));
        if mapping.relays() {
            plan.field(&FieldRef::Column(Column::Source));
        }
        plan.event_id = Some(plan.field(&FieldRef::Column(Column::EventId)));
        // Outcomes are counted where the population is shown; a scan shows what matched.
        if keep != Keep::Matched {
            plan.status = Some(plan.field(&FieldRef::Column(Column::Status)));
        }
        if keep == Keep::Active {
            plan.activity = Some(plan.field(&FieldRef::Column(Column::Activity)));
        }
        if tell_places {
            plan.places = Some([Column::Account, Column::Region].map(|c| plan.field(&FieldRef::Column(c))));
            plan.action = plan.activity.map(|_| plan.field(&FieldRef::Column(Column::Action)));
        }
        for (i, class) in reading.classes.iter().enumerate().take(MAX_CLASSES) {
            let mut names = Vec::new();
            class.when.visit_fields(&mut |name| names.push(name.to_owned()));
            let mut fields = Vec::new();
            if names.iter().any(|n| reading.selects.contains_key(n)) {
                for name in names {
                    let column = name.strip_prefix('$').and_then(|n| n.parse().ok()).map(|c| plan.field(&FieldRef::Column(c)));
                    fields.extend(column.or_else(|| reading.path_of(&name).map(|p| plan.path_field(p))));
                }
                plan.choosing_classes.push((i, fields));
            } else {
                let node = plan.detection(Taxonomy::Columns, &as_columns(&class.when), &mut fields);
                plan.classes.push(PlanRule { rule: i as u32, node, fields });
            }
        }
        plan.retained = retained.iter().map(|f| Some(plan.rule_reference(f))).collect();
        for (i, rule) in rules.rules.iter().enumerate() {
            let Body::Detection(d) = &rule.body else { continue };
            if rule.meta.unset_list.is_some() || route(d, mapping) != Routing::Applies {
                continue;
            }
            plan.add_rule(i as u32, d);
        }
        plan.atom_fields = vec![Vec::new(); plan.atoms];
        for (&(field, _), &atom) in &plan.atom_ids {
            if field != FieldId::MAX {
                plan.atom_fields[atom as usize].push(field);
            }
        }
        for pair in &plan.pairs {
            plan.atom_fields[pair.atom as usize].push(pair.right);
        }
        plan.withhold_unknown();
        plan
    }

    /// Takes out of the rules what only a missing database could answer. An answer of no, for want of a database, would make
    /// a rule that asks for its opposite hit on every event; so neither yes nor no counts, and a rule that cannot hit
    /// without the answer is not run.
    fn withhold_unknown(&mut self) {
        let lacks: Vec<Option<String>> = self
            .fields
            .iter()
            .map(|f| match f.field {
                FieldRef::Derived(d) => self.databases.lacks(d),
                _ => None,
            })
            .collect();
        if lacks.iter().all(Option::is_none) {
            return;
        }
        let unknown: Vec<bool> = self.atom_fields.iter().map(|fields| fields.iter().any(|f| lacks[*f as usize].is_some())).collect();
        for mut rule in std::mem::take(&mut self.rules) {
            if let Some(reason) = rule.fields.iter().find_map(|f| lacks[*f as usize].as_ref()) {
                rule.node = withhold(rule.node, &unknown, false);
                if rule.node.is_never() {
                    self.unassessable.insert(rule.rule, reason.clone());
                    continue;
                }
            }
            self.rules.push(rule);
        }
    }

    /// Whether an atom asks for kinds of addresses that only a database of anonymisers tells, and there is none.
    pub fn asks_for_untold_anonymisers(&self, atom: AtomId) -> bool {
        !self.databases.can_tell_anonymisers()
            && self.atom_fields(atom).iter().any(|f| {
                self.fields[*f as usize].field == FieldRef::Derived(Derived::IpKind)
                    && self.atom_literals(*f, atom).is_some_and(|mut texts| texts.all(|t| ANONYMISERS.contains(&t)))
            })
    }

    /// Texts (folded) that a field must have for an atom to hold; `None` where others make it hold too.
    pub fn atom_literals(&self, field: FieldId, atom: AtomId) -> Option<impl Iterator<Item = &str>> {
        let atoms = &self.fields[field as usize].atoms;
        let beyond = atoms.present.contains(&atom) || atoms.others.iter().any(|(_, id)| *id == atom);
        (!beyond).then(|| atoms.literals.iter().filter(move |(_, ids)| ids.contains(&atom)).map(|(text, _)| text.as_str()))
    }

    /// Whether a field holds what the mapping takes the column from, as it stands in the record.
    pub fn feeds(&self, field: FieldId, column: Column) -> bool {
        let paths = |id: PathId| self.mapping.reading().paths[id].path.as_str();
        let Some(expr) = self.mapping.reading().columns.iter().find(|c| c.column == column) else { return false };
        let Some(order) = expr.expr.decided_by_first() else { return false };
        let read = |path: &str| order.iter().any(|p| paths(*p) == path);
        match &self.fields[field as usize].field {
            FieldRef::Column(_) | FieldRef::Derived(_) => false,
            FieldRef::Record(path) => match self.mapping.aliases.get(path) {
                Some(stand_for) => stand_for.iter().all(|p| read(p)),
                None => read(path),
            },
        }
    }

    /// Fields without which an atom never holds.
    pub fn atom_fields(&self, atom: AtomId) -> &[FieldId] {
        &self.atom_fields[atom as usize]
    }

    fn add_rule(&mut self, index: u32, rule: &DetectionRule) {
        let mut fields = Vec::new();
        let mut node = self.condition(rule.taxonomy, &rule.selections, &rule.condition, &mut fields);
        for filter in &rule.filters {
            let narrowed = self.condition(filter.taxonomy, &filter.selections, &filter.condition, &mut fields);
            node = Node::And(vec![node, narrowed]);
        }
        let origins: Vec<String> = origins(rule, &self.mapping).into_iter().map(str::to_owned).collect();
        if !origins.is_empty() {
            let field = self.field(&FieldRef::Column(Column::Source));
            let any = origins.into_iter().map(|needle| {
                let matcher = Matcher::Text { op: TextOp::Exact, needle: needle.to_lowercase(), cased: false };
                Node::Atom(self.atom(field, &format!("source {needle}"), &matcher))
            });
            node = Node::And(vec![Node::Or(any.collect()), node]);
        }
        if let Some(category) = implied_category(rule) {
            let field = self.field(&FieldRef::Column(Column::Category));
            let matcher = Matcher::Text { op: TextOp::Exact, needle: category.to_lowercase(), cased: false };
            let atom = self.atom(field, &format!("category {category}"), &matcher);
            node = Node::And(vec![Node::Atom(atom), node]);
        }
        fields.sort_unstable();
        fields.dedup();
        self.rules.push(PlanRule { rule: index, node, fields });
    }

    /// Named selections under a condition.
    fn condition(&mut self, taxonomy: Taxonomy, selections: &BTreeMap<String, Detection>, condition: &Condition, fields: &mut Vec<FieldId>) -> Node {
        let named = selections.iter().map(|(name, d)| (name.as_str(), self.detection(taxonomy, d, fields))).collect();
        lower_condition(condition, &named)
    }

    /// The plan's field for a reference, added with all that it reads when it is new.
    pub fn field(&mut self, reference: &FieldRef) -> FieldId {
        if let Some(&id) = self.by_ref.get(reference) {
            return id;
        }
        let (filled, inputs) = match reference {
            FieldRef::Record(_) => (Filled::Record, Vec::new()),
            FieldRef::Column(Column::UserKey) => {
                let user = self.field(&FieldRef::Column(Column::User));
                (Filled::UserKey(user), vec![user])
            }
            FieldRef::Derived(Derived::TimeHour) => (Filled::Hour, Vec::new()),
            FieldRef::Derived(derived) => {
                let inputs = derived.columns().iter().map(|c| self.field(&FieldRef::Column(*c))).collect();
                (Filled::Derived(*derived), inputs)
            }
            FieldRef::Column(Column::Source) if !self.mapping.relays() => (Filled::Source, Vec::new()),
            FieldRef::Column(Column::Time) => (Filled::Time, Vec::new()),
            FieldRef::Column(column) => match self.mapping.reading().columns.iter().position(|c| c.column == *column) {
                None => (Filled::Never, Vec::new()),
                Some(i) => {
                    let mapping = self.mapping.clone();
                    (Filled::Expr(i), self.inputs(&mapping.reading().columns[i]))
                }
            },
        };
        let id = self.fields.len() as FieldId;
        let is_record = matches!(filled, Filled::Record);
        self.fields.push(PlanField { field: reference.clone(), filled, atoms: FieldAtoms::default(), inputs });
        self.by_ref.insert(reference.clone(), id);
        if let FieldRef::Record(path) = reference {
            self.trie.add(path, id, false);
        }
        if !is_record {
            self.column_order.push(id);
        }
        id
    }

    fn inputs(&mut self, column: &ColumnExpr) -> Vec<FieldId> {
        let mut inputs: Vec<FieldId> = column.paths.iter().map(|p| self.path_field(*p)).collect();
        inputs.extend(column.columns.iter().map(|c| self.field(&FieldRef::Column(*c))));
        inputs
    }

    /// The plan's field of a path that the mapping reads.
    fn path_field(&mut self, path: PathId) -> FieldId {
        if let Some(id) = self.path_fields[path] {
            return id;
        }
        let mapping = self.mapping.clone();
        let read = &mapping.reading().paths[path];
        let id = if read.json { self.json_field(&read.path) } else { self.field(&FieldRef::Record(read.path.clone())) };
        self.path_fields[path] = Some(id);
        id
    }

    /// A field that also gets the JSON text of objects and arrays at its path: kept apart from the plain field.
    fn json_field(&mut self, path: &str) -> FieldId {
        let reference = json_reference(path);
        if let Some(&id) = self.by_ref.get(&reference) {
            return id;
        }
        let id = self.fields.len() as FieldId;
        self.fields.push(PlanField { field: reference.clone(), filled: Filled::Record, atoms: FieldAtoms::default(), inputs: Vec::new() });
        self.by_ref.insert(reference, id);
        self.trie.add(path, id, true);
        id
    }

    fn detection(&mut self, taxonomy: Taxonomy, detection: &Detection, fields: &mut Vec<FieldId>) -> Node {
        match detection {
            Detection::And(parts) => Node::And(parts.iter().map(|p| self.detection(taxonomy, p, fields)).collect()),
            Detection::Or(parts) => Node::Or(parts.iter().map(|p| self.detection(taxonomy, p, fields)).collect()),
            Detection::Items(items) => Node::And(
                items
                    .iter()
                    .map(|item| {
                        let id = self.rule_field(taxonomy, item.field.as_deref().unwrap_or_default());
                        fields.push(id);
                        self.test(taxonomy, id, &item.test, &item.key, fields)
                    })
                    .collect(),
            ),
            Detection::Keywords { words, all, key, .. } => {
                let nodes = words.iter().enumerate().map(|(i, word)| {
                    let id = *self.atom_ids.entry((FieldId::MAX, format!("{key} {i}"))).or_insert_with(|| {
                        let id = self.atoms as AtomId;
                        self.atoms += 1;
                        self.keywords.push((word.clone(), id));
                        id
                    });
                    Node::Atom(id)
                });
                let nodes: Vec<Node> = nodes.collect();
                if *all { Node::And(nodes) } else { Node::Or(nodes) }
            }
            Detection::Members(members, key) => {
                let path = match taxonomy.resolve(&members.field) {
                    Ok(FieldRef::Record(path)) => path,
                    _ => members.field.clone(),
                };
                let id = match taxonomy {
                    Taxonomy::Vendor => self.alias_field(&path, true).unwrap_or_else(|| self.json_field(&path)),
                    Taxonomy::Columns => self.json_field(&path),
                };
                fields.push(id);
                let node = Node::Atom(self.atom(id, key, &Matcher::Members(members.clone())));
                use crate::rule::detection::Quantifier;
                if matches!(members.quantifier, Quantifier::AllOrEmpty | Quantifier::None) {
                    // An absent array satisfies these.
                    let present = self.atom(id, "present", &Matcher::Present);
                    return Node::Or(vec![node, Node::Not(Box::new(Node::Atom(present)))]);
                }
                node
            }
            // Only the body of an array block is conditional, and that is tested member by member.
            Detection::Conditional(..) => Node::Or(Vec::new()),
        }
    }

    fn rule_field(&mut self, taxonomy: Taxonomy, name: &str) -> FieldId {
        let reference = taxonomy.resolve(name).unwrap_or_else(|_| FieldRef::Record(name.to_owned()));
        match taxonomy {
            Taxonomy::Vendor => self.rule_reference(&reference),
            // `raw.` reaches the record as it is.
            Taxonomy::Columns => self.field(&reference),
        }
    }

    /// A field as a vendor rule names it: an alias of the source, or the record's.
    fn rule_reference(&mut self, reference: &FieldRef) -> FieldId {
        let alias = match reference {
            FieldRef::Record(name) => self.alias_field(name, false),
            FieldRef::Column(_) | FieldRef::Derived(_) => None,
        };
        alias.unwrap_or_else(|| self.field(reference))
    }

    /// The field of an alias of the source: the record's own path of that name, and below it in rank the paths it stands for.
    /// So null, absent, `exists` and "never seen" mean for an alias what they mean for any field.
    fn alias_field(&mut self, name: &str, json: bool) -> Option<FieldId> {
        let mapping = self.mapping.clone();
        let paths = mapping.aliases.get(name)?;
        if let Some(&id) = self.by_alias.get(&(name.to_owned(), json)) {
            return Some(id);
        }
        let id = self.fields.len() as FieldId;
        let field = if json { json_reference(name) } else { FieldRef::Record(name.to_owned()) };
        self.fields.push(PlanField { field, filled: Filled::Record, atoms: FieldAtoms::default(), inputs: Vec::new() });
        self.by_alias.insert((name.to_owned(), json), id);
        self.trie.add(name, id, json);
        paths.iter().for_each(|path| self.trie.add_ranked(path, id, json, rank::ALIAS));
        Some(id)
    }

    fn test(&mut self, taxonomy: Taxonomy, id: FieldId, test: &Test, key: &str, fields: &mut Vec<FieldId>) -> Node {
        let not = |n: Node| Node::Not(Box::new(n));
        match test {
            Test::Null => not(Node::Atom(self.atom(id, "not null", &Matcher::NotNull))),
            Test::Exists(expected) => {
                let present = Node::Atom(self.atom(id, "present", &Matcher::Present));
                if *expected { present } else { not(present) }
            }
            Test::Some(m) => Node::Atom(self.atom(id, key, m)),
            Test::Each(ms) => Node::And(ms.iter().enumerate().map(|(i, m)| Node::Atom(self.atom(id, &format!("{key} {i}"), m))).collect()),
            Test::None(m) => {
                let present = Node::Atom(self.atom(id, "present", &Matcher::Present));
                Node::And(vec![present, not(Node::Atom(self.atom(id, &format!("some of {key}"), m)))])
            }
            Test::FieldRef { field, op, cased, negated } => {
                let right = self.rule_field(taxonomy, field);
                fields.push(right);
                let atom = *self.atom_ids.entry((id, format!("ref {right} {op:?} {cased}"))).or_insert_with(|| {
                    let atom = self.atoms as AtomId;
                    self.atoms += 1;
                    self.pairs.push(Pair { left: id, right, op: *op, cased: *cased, atom });
                    atom
                });
                if *negated {
                    let present = Node::Atom(self.atom(id, "present", &Matcher::Present));
                    Node::And(vec![present, not(Node::Atom(atom))])
                } else {
                    Node::Atom(atom)
                }
            }
        }
    }

    fn atom(&mut self, field: FieldId, key: &str, matcher: &Matcher) -> AtomId {
        if let Some(&id) = self.atom_ids.get(&(field, key.to_owned())) {
            return id;
        }
        let id = self.atoms as AtomId;
        self.atoms += 1;
        self.atom_ids.insert((field, key.to_owned()), id);
        let atoms = &mut self.fields[field as usize].atoms;
        atoms.add(matcher, id);
        id
    }

    /// Whether no event of the source can have the field: the mapping fills neither the column nor those that it is derived from.
    pub fn is_unmapped(&self, field: FieldId) -> bool {
        let field = &self.fields[field as usize];
        match field.filled {
            Filled::Never => true,
            Filled::Derived(_) | Filled::UserKey(_) => field.inputs.iter().all(|i| self.is_unmapped(*i)),
            Filled::Record | Filled::Expr(_) | Filled::Source | Filled::Time | Filled::Hour => false,
        }
    }

    /// Plan field of a column.
    pub fn column_field(&self, column: Column) -> Option<FieldId> {
        self.plan_field(&FieldRef::Column(column))
    }

    /// Plan field of a reference that was asked for.
    pub fn plan_field(&self, reference: &FieldRef) -> Option<FieldId> {
        self.by_ref.get(reference).copied()
    }
}

impl FieldAtoms {
    /// Whether no rule tests the field.
    pub fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.others.is_empty() && self.present.is_empty()
    }

    fn add(&mut self, matcher: &Matcher, id: AtomId) {
        match matcher {
            Matcher::Present => self.present.push(id),
            Matcher::Any(parts) if parts.iter().all(|p| p.exact_literal().is_some()) => {
                for literal in parts.iter().filter_map(Matcher::exact_literal) {
                    let ids = self.literals.entry(literal.to_owned()).or_default();
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
            }
            m => match m.exact_literal() {
                Some(literal) => self.literals.entry(literal.to_owned()).or_default().push(id),
                None => self.others.push((m.clone(), id)),
            },
        }
    }
}

impl Node {
    const NEVER: Node = Node::Or(Vec::new());
    const ALWAYS: Node = Node::And(Vec::new());

    fn is_never(&self) -> bool {
        matches!(self, Node::Or(nodes) if nodes.is_empty())
    }

    fn is_always(&self) -> bool {
        matches!(self, Node::And(nodes) if nodes.is_empty())
    }
}

/// A condition that holds only where it would whatever the unknown atoms say: they are false, and true where their opposite is
/// asked for. What is then decided is folded away.
fn withhold(node: Node, unknown: &[bool], negated: bool) -> Node {
    let each = |nodes: Vec<Node>| nodes.into_iter().map(|n| withhold(n, unknown, negated));
    match node {
        Node::Atom(a) if !unknown[a as usize] => Node::Atom(a),
        Node::Atom(_) if negated => Node::ALWAYS,
        Node::Atom(_) => Node::NEVER,
        Node::Not(inner) => match withhold(*inner, unknown, !negated) {
            n if n.is_never() => Node::ALWAYS,
            n if n.is_always() => Node::NEVER,
            n => Node::Not(Box::new(n)),
        },
        Node::And(nodes) => {
            let nodes: Vec<Node> = each(nodes).filter(|n| !n.is_always()).collect();
            if nodes.iter().any(Node::is_never) { Node::NEVER } else { Node::And(nodes) }
        }
        Node::Or(nodes) => {
            let nodes: Vec<Node> = each(nodes).filter(|n| !n.is_never()).collect();
            if nodes.iter().any(Node::is_always) { Node::ALWAYS } else { Node::Or(nodes) }
        }
        Node::AtLeast(n, nodes) => {
            let nodes: Vec<Node> = each(nodes).filter(|n| !n.is_never()).collect();
            let (always, nodes): (Vec<Node>, Vec<Node>) = nodes.into_iter().partition(Node::is_always);
            match n.saturating_sub(always.len() as u64) {
                0 => Node::ALWAYS,
                n if n > nodes.len() as u64 => Node::NEVER,
                n => Node::AtLeast(n, nodes),
            }
        }
    }
}

fn lower_condition(condition: &Condition, named: &HashMap<&str, Node>) -> Node {
    let get = |name: &str| named.get(name).cloned().unwrap_or(Node::Or(Vec::new()));
    match condition {
        Condition::Name(n) => get(n),
        Condition::Not(c) => Node::Not(Box::new(lower_condition(c, named))),
        Condition::And(cs) => Node::And(cs.iter().map(|c| lower_condition(c, named)).collect()),
        Condition::Or(cs) => Node::Or(cs.iter().map(|c| lower_condition(c, named)).collect()),
        Condition::AtLeast(n, names) => {
            let nodes: Vec<Node> = names.iter().map(|x| get(x)).collect();
            match *n {
                0 => Node::And(Vec::new()),
                1 => Node::Or(nodes),
                n if n as usize == nodes.len() => Node::And(nodes),
                n => Node::AtLeast(n, nodes),
            }
        }
    }
}
