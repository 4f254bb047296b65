//! The engine against rsigma-eval, the row-by-row oracle: our own rules over real records, generated rules over generated
//! events, and by name each point where the two differ on purpose.

mod decisions;
mod definitions;
pub mod exceptions;
pub mod generated;
mod limits;
mod pack_rules;
pub mod strategies;

use rsigma_eval::Engine;
use rsigma_eval::event::JsonEvent;
use serde_json::Value;
use std::collections::BTreeSet;

/// rsigma-eval with the rules of one YAML stream.
pub struct Oracle {
    engine: Engine,
}

impl Oracle {
    /// Loads every document, or says why one does not load.
    pub fn new(yaml: &str) -> Result<Oracle, String> {
        let collection = rsigma_parser::parse_sigma_yaml(yaml).map_err(|e| e.to_string())?;
        if let Some(error) = collection.errors.first() {
            return Err(error.clone());
        }
        let mut engine = Engine::new();
        engine.add_collection(&collection).map_err(|e| e.to_string())?;
        Ok(Oracle { engine })
    }

    /// Ids of the rules that match an event.
    pub fn hits(&self, event: &Value) -> BTreeSet<String> {
        self.engine.evaluate(&JsonEvent::borrow(event)).into_iter().filter_map(|r| r.header.rule_id).collect()
    }
}
