//! What kept rows hold in several fields at once: the groups of correlations, the entities of behaviours.

use super::merge::EventRows;
use crate::event::dict::ABSENT;
use hashbrown::HashMap;

/// Tuples of codes, each named by a number.
#[derive(Debug, Default)]
pub struct Tuples {
    numbers: HashMap<Vec<u32>, u32>,
    /// Each tuple by its number.
    pub tuples: Vec<Vec<u32>>,
}

impl Tuples {
    /// The number of a tuple.
    pub fn number(&mut self, tuple: Vec<u32>) -> u32 {
        if let Some(&n) = self.numbers.get(&tuple) {
            return n;
        }
        let n = self.tuples.len() as u32;
        self.tuples.push(tuple.clone());
        self.numbers.insert(tuple, n);
        n
    }
}

/// Which tuples of a row count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// Null is a value, where at least one of the tuple is none.
    OfGroup,
    /// A tuple with a null is none.
    Drop,
}

/// The values of a field in a row: elements of an array one by one; an absent or null field is [`ABSENT`].
pub fn codes(field: usize, row: u32, events: &EventRows) -> Vec<u32> {
    let mut codes = vec![events.columns[field][row as usize]];
    if let Some(more) = events.extras.get(&(row, field as u16)) {
        codes.extend(more);
    }
    codes
}

/// Every distinct combination of the fields' values in a row.
pub fn tuples(fields: &[usize], row: u32, events: &EventRows, nulls: Nulls, out: &mut Tuples) -> Vec<u32> {
    let mut combined: Vec<Vec<u32>> = vec![Vec::new()];
    for &field in fields {
        let mut codes = codes(field, row, events);
        codes.sort_unstable();
        codes.dedup();
        if nulls == Nulls::Drop {
            codes.retain(|c| *c != ABSENT);
        }
        combined = combined.iter().flat_map(|prefix| codes.iter().map(move |c| prefix.iter().copied().chain([*c]).collect())).collect();
    }
    combined.retain(|t: &Vec<u32>| t.is_empty() || t.iter().any(|c| *c != ABSENT));
    combined.into_iter().map(|t| out.number(t)).collect()
}
