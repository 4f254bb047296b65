//! JSON in which paths choose by brackets: the text of a row is parsed once for all paths of all columns.

use crate::source::walk::FieldId;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde_json::Value as Json;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Bytes of text of which the parsed form is kept: a chunk of a stream. What a larger document has beyond is parsed by each
/// path anew, so that the memory stays bounded.
const MOST: usize = 4 << 20;

/// The parsed texts of a chunk.
#[derive(Default)]
pub struct Parsed {
    known: RefCell<HashMap<(FieldId, u32), Rc<Json>, RandomState>>,
    bytes: Cell<usize>,
}

impl Parsed {
    /// The JSON of the text that a field has by this code.
    pub fn get(&self, field: FieldId, code: u32, text: &str) -> Option<Rc<Json>> {
        if let Some(json) = self.known.borrow().get(&(field, code)) {
            return Some(json.clone());
        }
        let json: Rc<Json> = Rc::new(serde_json::from_str(text).ok()?);
        let bytes = self.bytes.get() + text.len();
        if bytes <= MOST {
            self.bytes.set(bytes);
            self.known.borrow_mut().insert((field, code), json.clone());
        }
        Some(json)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.known.get_mut().clear();
        self.bytes.set(0);
    }
}
