//! Times, columns and masks of the rows of a chunk, from the values that were captured.

use super::{Batch, BatchRow, RowState};
use crate::engine::chunk::Chunk;
use crate::engine::field::{FEW, UNKNOWN};
use crate::engine::plan::Filled;
use crate::enrich;
use crate::event::derived::Derived;
use crate::event::dict::ABSENT;
use crate::event::time::{DAY, HOUR, format_time};
use crate::event::value::{Kind, Value, fold_case};
use crate::rule::detection::refers;
use crate::source::mapping::Expr;
use crate::source::walk::FieldId;
use std::borrow::Cow;

/// Computes a column's value in a row.
type Eval<'e> = &'e dyn Fn(&Batch<'_>, u32) -> Option<(Kind, String)>;

impl Batch<'_> {
    /// Computes times, columns and masks of all rows of the chunk.
    pub fn compute(&mut self, chunk: &Chunk<'_>) {
        self.masks.begin(self.plan.atoms, self.rows as usize);
        for row in 0..self.rows {
            let shaped = self.is_shaped(row) && (self.settled || !self.is_to_be_rewritten(row));
            let time = self.time(row).ok();
            let state = match (shaped, time) {
                (true, Some(_)) => RowState::Accepted,
                (true, None) => RowState::NoTime,
                (false, _) => RowState::OtherShape,
            };
            if state == RowState::Accepted {
                self.masks.accept(row);
            }
            self.times.push(time.map_or(0, |t| t.micros));
            self.states.push(state);
        }
        for id in self.late.to_compute() {
            let column = (0..self.rows).map(|row| self.late_code(id, row, chunk)).collect();
            self.fields[id as usize].column = column;
        }
        for i in 0..self.plan.column_order.len() {
            let id = self.plan.column_order[i];
            if !self.late.has(id) && (Some(id) != self.plan.event_id || !self.plan.fields[id as usize].atoms.is_empty()) {
                self.compute_column(id);
            }
        }
        for id in 0..self.fields.len() {
            self.set_bits(id as FieldId);
        }
        self.compare_pairs();
    }

    fn compute_column(&mut self, id: FieldId) {
        let plan = self.plan;
        let field = &plan.fields[id as usize];
        match field.filled {
            Filled::Record | Filled::Never => {}
            Filled::Source => {
                let code = self.intern(id, Value::str(&plan.mapping.id));
                self.fields[id as usize].column = vec![code; self.rows as usize];
            }
            Filled::Time => {
                for row in 0..self.rows {
                    let text = format_time(self.times[row as usize]);
                    let code = self.intern(id, Value::str(&text));
                    self.fields[id as usize].column.push(code);
                }
            }
            Filled::Hour => {
                // Two dozen values: no row needs a text of its own.
                let mut codes = [UNKNOWN; 24];
                for row in 0..self.rows {
                    let hour = (self.times[row as usize].rem_euclid(DAY) / HOUR) as usize;
                    if codes[hour] == UNKNOWN {
                        codes[hour] = self.intern(id, Value::str(&format!("{hour:02}")));
                    }
                    self.fields[id as usize].column.push(codes[hour]);
                }
            }
            Filled::UserKey(user) => self.compute_memo(id, &[user], &|batch, row| batch.text(user, row).map(|t| (Kind::Str, fold_case(t).into_owned()))),
            Filled::Derived(derived) => match field.inputs.as_slice() {
                &[input] => {
                    let column = (0..self.rows).map(|row| self.derived_code(id, derived, input, row)).collect();
                    self.fields[id as usize].column = column;
                }
                inputs => {
                    let text = |batch: &Batch<'_>, row, i: usize| inputs.get(i).and_then(|f| batch.text(*f, row)).map(str::to_owned);
                    self.compute_memo(id, inputs, &|batch, row| {
                        let [actor_type, role, user] = [0, 1, 2].map(|i| text(batch, row, i));
                        enrich::principal(actor_type.as_deref(), role.as_deref(), user.as_deref()).map(|text| (Kind::Str, text))
                    });
                }
            },
            Filled::Expr(index) => {
                let expr = &plan.mapping.reading().columns[index].expr;
                self.compute_memo(id, &field.inputs, &|batch, row| batch.eval(expr, row));
            }
        }
    }

    /// The code of a field that is derived from one column: worked out once for each distinct value of that.
    #[inline]
    fn derived_code(&mut self, id: FieldId, derived: Derived, input: FieldId, row: u32) -> u32 {
        let of = self.code(input, row);
        match self.fields[id as usize].by_code.get(of as usize) {
            _ if of == ABSENT => ABSENT,
            Some(&code) if code != UNKNOWN => code,
            _ => self.derive(id, derived, input, of),
        }
    }

    #[cold]
    fn derive(&mut self, id: FieldId, derived: Derived, input: FieldId, of: u32) -> u32 {
        let text = self.fields[input as usize].dict.text(of).unwrap_or_default();
        let value = match derived {
            Derived::UserAgentFamily => enrich::agent::family(text).map(Cow::Owned),
            _ => self.addresses.value(derived, of, text),
        };
        let code = value.map_or(ABSENT, |v| self.fields[id as usize].intern(&self.plan.fields[id as usize].atoms, Value::str(&v)));
        let by_code = &mut self.fields[id as usize].by_code;
        if by_code.len() <= of as usize {
            by_code.resize(of as usize + 1, UNKNOWN);
        }
        by_code[of as usize] = code;
        code
    }

    pub(super) fn eval(&self, expr: &Expr, row: u32) -> Option<(Kind, String)> {
        expr.eval(&BatchRow { batch: self, row }, self.plan.mapping.reading())
    }

    /// Fills a column by a pure function of its inputs, evaluated once for each distinct tuple of input codes.
    fn compute_memo(&mut self, id: FieldId, inputs: &[FieldId], eval: Eval<'_>) {
        let mut memo = std::mem::take(&mut self.fields[id as usize].memo);
        let mut column = Vec::with_capacity(self.rows as usize);
        let mut key: Vec<u32> = Vec::with_capacity(inputs.len() * 2);
        let plain = inputs.iter().all(|&i| !self.takes[i as usize].text);
        // Inputs that no record of the chunk has need no look.
        let filled: Vec<(u32, FieldId)> = (0..).zip(inputs.iter().copied()).filter(|(_, i)| !self.fields[*i as usize].column.is_empty()).collect();
        let few = plain && inputs.len() <= FEW && inputs.iter().all(|&i| self.fields[i as usize].extras.is_empty());
        for row in 0..self.rows {
            let mut codes = [ABSENT; FEW];
            if few {
                codes.iter_mut().zip(inputs).for_each(|(code, input)| *code = self.code(*input, row));
                if let Some(code) = self.fields[id as usize].lately(&codes) {
                    column.push(code);
                    continue;
                }
            }
            key.clear();
            for &(position, input) in &filled {
                self.each_code(input, row, &mut |code| key.extend([position, code]));
            }
            let code = match memo.get(key.as_slice()).filter(|_| plain) {
                Some(&code) => code,
                None => {
                    let code = self.eval_code(id, row, eval);
                    if plain {
                        memo.insert(key.as_slice().into(), code);
                    }
                    code
                }
            };
            if few {
                self.fields[id as usize].note(codes, code);
            }
            column.push(code);
        }
        let state = &mut self.fields[id as usize];
        state.memo = memo;
        state.column = column;
    }

    /// A column holds text: rules and outputs read JSON in it as text, too.
    fn eval_code(&mut self, id: FieldId, row: u32, eval: Eval<'_>) -> u32 {
        match eval(self, row) {
            Some((_, text)) => self.intern(id, Value::str(&text)),
            None => ABSENT,
        }
    }

    fn set_bits(&mut self, id: FieldId) {
        if self.plan.fields[id as usize].atoms.is_empty() {
            return;
        }
        let (state, masks) = (&self.fields[id as usize], &mut self.masks);
        let mut set = |row: u32, code: u32| state.accepting(code).iter().for_each(|&atom| masks.set(atom, row));
        for (row, &code) in (0..).zip(&state.column) {
            if code != ABSENT {
                set(row, code);
            }
        }
        state.extras.iter().for_each(|&(row, code)| set(row, code));
    }

    fn compare_pairs(&mut self) {
        let plan = self.plan;
        for pair in &plan.pairs {
            for row in 0..self.rows {
                let mut hit = false;
                self.each_value(pair.left, row, &mut |a| self.each_value(pair.right, row, &mut |b| hit = hit || refers(a, b, pair.op, pair.cased)));
                if hit {
                    self.masks.set(pair.atom, row);
                }
            }
        }
    }
}
