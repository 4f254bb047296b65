//! The names under which rules know a source and its fields: log sources and aliases of a mapping file.
//!
//! An alias is a field name as rules in use write it. A rule of the vendor's taxonomy that names it reads the record's own field
//! of that name; in a record without one, every value at the alias's paths, as if they stood in an array. The record's own field
//! goes first because one vendor's logs come in several shapes, and one of them may well have the name. Upper and lower case
//! count, as in all field names of Sigma. The mapping itself and rules over our columns (`raw.` too) know no alias.

use crate::rule::meta::LogSource;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Each part one value or several.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::source) struct LogSourceSpec {
    product: Option<Paths>,
    service: Option<Paths>,
    category: Option<Paths>,
}

/// One text or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(in crate::source) enum Paths {
    One(String),
    Many(Vec<String>),
}

impl Paths {
    fn list(&self) -> &[String] {
        match self {
            Paths::One(one) => std::slice::from_ref(one),
            Paths::Many(many) => many,
        }
    }
}

/// Every combination of the values that an entry declares.
pub(in crate::source) fn logsources(specs: &[LogSourceSpec]) -> Result<Vec<LogSource>, String> {
    let values =
        |part: &Option<Paths>| -> Vec<Option<String>> { part.as_ref().map_or_else(|| vec![None], |p| p.list().iter().map(|v| Some(v.clone())).collect()) };
    let mut out = Vec::new();
    for spec in specs {
        let (products, services, categories) = (values(&spec.product), values(&spec.service), values(&spec.category));
        if [&products, &services, &categories].iter().any(|v| v.is_empty()) {
            return Err("a list of values is empty".into());
        }
        for product in &products {
            for service in &services {
                out.extend(categories.iter().map(|category| LogSource { product: product.clone(), service: service.clone(), category: category.clone() }));
            }
        }
    }
    if out.iter().any(|l| *l == LogSource::default()) {
        return Err("an entry needs product, service or category".into());
    }
    Ok(out)
}

/// Checks the aliases and gives each its paths as a list.
pub(in crate::source) fn aliases(specs: &BTreeMap<String, Paths>) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut out = BTreeMap::new();
    for (alias, paths) in specs {
        let list = paths.list();
        if alias.is_empty() || list.is_empty() || list.iter().any(String::is_empty) {
            return Err(format!("`{alias}` needs the path of the field that it means, or a list of paths"));
        }
        if list.contains(alias) {
            return Err(format!("`{alias}` stands for itself: the record's own field of that name is read anyway"));
        }
        if list.iter().any(|p| p.starts_with('$')) {
            return Err(format!("`{alias}`: an alias stands for paths of the record, not for event columns"));
        }
        out.insert(alias.clone(), list.to_vec());
    }
    Ok(out)
}
