//! One field of a batch: its dictionary, the codes of its rows, and which atoms accept each value.

use super::plan::{AtomId, FieldAtoms};
use crate::event::dict::{ABSENT, Dict, MAX_VALUES};
use crate::event::value::{Value, fold_case};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// The values of one field in the rows of a chunk, as codes of a dictionary that lives on.
pub struct FieldState {
    pub dict: Dict,
    /// For each code, the range of its accepting atoms in `accepted`.
    accepts: Vec<(u32, u32)>,
    accepted: Vec<AtomId>,
    pub column: Vec<u32>,
    /// Further values of a row, as (row, code) in row order.
    pub extras: Vec<(u32, u32)>,
    pub seen: bool,
    /// Results of a column expression by its inputs, as (position, code) pairs of those that are there.
    pub memo: HashMap<Box<[u32]>, u32, RandomState>,
    /// Such results that were asked for lately, by the codes of up to [`FEW`] inputs: most rows are among them, and finding them
    /// here takes no hash.
    lately: Vec<([u32; FEW], u32)>,
    /// Of a field that is derived from one column: its code by the column's, [`UNKNOWN`] where nobody asked yet.
    pub by_code: Vec<u32>,
}

/// Inputs whose codes are compared at once.
pub const FEW: usize = 4;
/// Slots of the results asked for lately.
const LATELY: usize = 256;

/// A code that was not worked out yet.
pub const UNKNOWN: u32 = u32::MAX;

impl FieldState {
    /// The further values of a row.
    #[inline]
    pub fn extras(&self, row: u32) -> &[(u32, u32)] {
        if self.extras.is_empty() {
            return &[];
        }
        let start = self.extras.partition_point(|e| e.0 < row);
        let end = start + self.extras[start..].iter().take_while(|e| e.0 == row).count();
        &self.extras[start..end]
    }

    /// Adds a value of a row; rows come in order.
    #[inline]
    pub fn push(&mut self, row: u32, code: u32) {
        if self.column.len() <= row as usize {
            self.column.resize(row as usize, ABSENT);
            self.column.push(code);
        } else {
            self.extras.push((row, code));
        }
    }

    /// Forgets the values of a row, which is the last one.
    pub fn forget(&mut self, row: u32) {
        self.column.truncate(row as usize);
        self.extras.truncate(self.extras.partition_point(|e| e.0 < row));
    }

    /// The result for these codes of the inputs, if it was asked for lately.
    #[inline]
    pub fn lately(&self, codes: &[u32; FEW]) -> Option<u32> {
        self.lately.get(slot_of(codes)).filter(|known| known.0 == *codes && known.1 != UNKNOWN).map(|known| known.1)
    }

    /// Notes the result for these codes of the inputs.
    pub fn note(&mut self, codes: [u32; FEW], result: u32) {
        if self.lately.is_empty() {
            self.lately = vec![([ABSENT; FEW], UNKNOWN); LATELY];
        }
        self.lately[slot_of(&codes)] = (codes, result);
    }

    /// The code of a value; a new one is tested against the field's atoms.
    #[inline]
    pub fn intern(&mut self, atoms: &FieldAtoms, value: Value<'_>) -> u32 {
        let (code, new) = self.dict.intern(value);
        if new {
            self.seen = true;
            self.test(atoms, value);
        }
        code
    }

    /// Atoms that accept the value of a code.
    #[inline]
    pub fn accepting(&self, code: u32) -> &[AtomId] {
        let (start, end) = self.accepts[code as usize];
        &self.accepted[start as usize..end as usize]
    }

    /// Forgets the rows, and with `anew` the values too.
    pub fn clear(&mut self, anew: bool) {
        self.column.clear();
        self.extras.clear();
        if anew {
            self.dict.clear();
            self.accepts.truncate(1);
            self.accepted.clear();
            self.memo.clear();
            self.lately.clear();
            self.by_code.clear();
        }
    }

    /// Whether it holds more distinct values than a dictionary should.
    pub fn is_too_large(&self) -> bool {
        self.dict.is_too_large() || self.memo.len() > MAX_VALUES
    }

    /// Tests a new distinct value against the field's atoms.
    fn test(&mut self, atoms: &FieldAtoms, value: Value<'_>) {
        let start = self.accepted.len() as u32;
        if !atoms.is_empty() {
            let folded = fold_case(value.text);
            self.accepted.extend_from_slice(&atoms.present);
            if value.kind.is_text()
                && let Some(ids) = atoms.literals.get(folded.as_ref())
            {
                self.accepted.extend_from_slice(ids);
            }
            self.accepted.extend(atoms.others.iter().filter(|(m, _)| m.accepts(value, &folded)).map(|(_, id)| *id));
        }
        self.accepts.push((start, self.accepted.len() as u32));
    }
}

fn slot_of(codes: &[u32; FEW]) -> usize {
    let [a, b, c, d] = codes.map(u64::from);
    let mixed = (a | b << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (c | d << 32).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    (mixed >> 40) as usize % LATELY
}

impl Default for FieldState {
    fn default() -> FieldState {
        FieldState {
            dict: Dict::default(),
            accepts: vec![(0, 0)],
            accepted: Vec::new(),
            column: Vec::new(),
            extras: Vec::new(),
            seen: false,
            memo: HashMap::default(),
            lately: Vec::new(),
            by_code: Vec::new(),
        }
    }
}
