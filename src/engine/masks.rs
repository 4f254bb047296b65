//! Bit masks over the rows of a chunk, one an atom; a rule's condition is boolean algebra over them.

use super::plan::{AtomId, Node, PlanRule};
use std::borrow::Cow;

/// One dense mask an atom, and the rows that are events at all.
#[derive(Debug, Default)]
pub struct Masks {
    rows: usize,
    words: usize,
    bits: Vec<u64>,
    touched: Vec<bool>,
    accepted: Vec<u64>,
}

impl Masks {
    /// Empty masks of so many atoms over so many rows.
    pub fn begin(&mut self, atoms: usize, rows: usize) {
        (self.rows, self.words) = (rows, rows.div_ceil(64));
        for (bits, words) in [(&mut self.bits, self.words * atoms), (&mut self.accepted, self.words)] {
            bits.clear();
            bits.resize(words, 0);
        }
        self.touched.clear();
        self.touched.resize(atoms, false);
    }

    /// The row is an event of the source: only such rows match.
    pub fn accept(&mut self, row: u32) {
        self.accepted[row as usize / 64] |= 1 << (row % 64);
    }

    /// The atom holds in the row.
    #[inline]
    pub fn set(&mut self, atom: AtomId, row: u32) {
        self.bits[atom as usize * self.words + row as usize / 64] |= 1 << (row % 64);
        self.touched[atom as usize] = true;
    }

    /// Calls `hit` for each (rule, row) that matches, in the order of the rules, then rows.
    pub fn matches(&self, rules: &[PlanRule], hit: &mut dyn FnMut(u32, u32)) {
        for rule in rules {
            let mask = self.eval(&rule.node);
            let Some(mask) = mask.as_deref() else { continue };
            for (w, (&word, &accepted)) in mask.iter().zip(&self.accepted).enumerate() {
                let mut word = word & accepted;
                while word != 0 {
                    hit(rule.rule, (w * 64) as u32 + word.trailing_zeros());
                    word &= word - 1;
                }
            }
        }
    }

    /// The mask of a node; `None` is the empty mask.
    fn eval(&self, node: &Node) -> Option<Cow<'_, [u64]>> {
        match node {
            Node::Atom(a) => self.touched[*a as usize].then(|| Cow::Borrowed(&self.bits[*a as usize * self.words..(*a as usize + 1) * self.words])),
            Node::Not(inner) => Some(match self.eval(inner) {
                None => Cow::Owned(vec![u64::MAX; self.words]),
                Some(mask) => Cow::Owned(mask.iter().map(|w| !w).collect()),
            }),
            Node::And(nodes) => {
                // Atoms first: one that no row touched ends the conjunction at once.
                if nodes.iter().any(|n| matches!(n, Node::Atom(a) if !self.touched[*a as usize])) {
                    return None;
                }
                let mut acc = None;
                for n in nodes {
                    acc = Some(combine(acc, self.eval(n)?, |x, y| *x &= y));
                    if acc.as_ref().is_some_and(|a| a.iter().all(|w| *w == 0)) {
                        return None;
                    }
                }
                Some(acc.unwrap_or_else(|| Cow::Owned(vec![u64::MAX; self.words])))
            }
            Node::Or(nodes) => nodes.iter().filter_map(|n| self.eval(n)).fold(None, |acc, mask| Some(combine(acc, mask, |x, y| *x |= y))),
            Node::AtLeast(n, nodes) => {
                let masks: Vec<_> = nodes.iter().filter_map(|n| self.eval(n)).collect();
                let mut out = vec![0u64; self.words];
                for row in 0..self.rows {
                    let count = masks.iter().filter(|m| m[row / 64] >> (row % 64) & 1 == 1).count() as u64;
                    if count >= *n {
                        out[row / 64] |= 1 << (row % 64);
                    }
                }
                Some(Cow::Owned(out))
            }
        }
    }
}

/// A mask joined to those before it; the first one is not copied.
fn combine<'m>(acc: Option<Cow<'m, [u64]>>, mask: Cow<'m, [u64]>, join: impl Fn(&mut u64, u64)) -> Cow<'m, [u64]> {
    let Some(acc) = acc else { return mask };
    let mut acc = acc.into_owned();
    acc.iter_mut().zip(mask.iter()).for_each(|(x, y)| join(x, *y));
    Cow::Owned(acc)
}
