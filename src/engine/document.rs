//! The fast way through a whole JSON document: one walk, with the records' spans told from the addresses of their first keys.

use super::batch::Batch;
use crate::source::split::{Level, Scanner};
use crate::source::walk::{DocumentSeed, Element, ElementSink, KeyMemory, RecordSeed, Trie};
use serde::de::{DeserializeSeed, Deserializer, Error as _};

/// Adds every record of a document, an array or the arrays under the container keys of an object, to an emptied batch. Gives
/// up (false) when anything is out of the ordinary; what the batch holds then is to be cleared.
pub fn walk_document(batch: &mut Batch<'_>, text: &str, containers: &[String]) -> bool {
    batch.clear();
    batch.begin_chunk(text.as_bytes());
    let trie = &batch.plan.trie;
    let memory = batch.take_memory();
    let mut walk = ElementWalk { trie, memory, batch, starts: Vec::new(), base: text.as_ptr() as usize };
    let mut deserializer = sonic_rs::Deserializer::from_str(text);
    let done = DocumentSeed { containers, each: &mut walk }.deserialize(&mut deserializer).is_ok() && deserializer.end().is_ok();
    let ElementWalk { starts, memory, batch, .. } = walk;
    batch.remember(memory);
    done && record_spans(text.as_bytes(), &starts, &mut batch.spans)
}

struct ElementWalk<'b, 'p> {
    trie: &'p Trie,
    memory: KeyMemory,
    batch: &'b mut Batch<'p>,
    starts: Vec<usize>,
    base: usize,
}

impl ElementSink for ElementWalk<'_, '_> {
    #[inline]
    fn element<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        match (RecordSeed { trie: self.trie, memory: &mut self.memory, sink: &mut *self.batch }).deserialize(deserializer)? {
            Element::Object(Some(address)) => {
                self.starts.push(address - self.base);
                self.batch.end_row(self.starts.len() as u32, 0);
                Ok(())
            }
            // Left to the slow way, which names each record.
            Element::Object(None) | Element::Other => Err(D::Error::custom("out of the ordinary")),
        }
    }
}

/// Record spans from the positions of their first keys: a record ends before the comma that leads to the next one.
fn record_spans(bytes: &[u8], first_keys: &[usize], spans: &mut Vec<(usize, usize)>) -> bool {
    let open = |key: usize| bytes[..key].iter().rposition(|b| *b == b'{');
    let Some(starts) = first_keys.iter().map(|k| open(*k)).collect::<Option<Vec<_>>>() else { return false };
    spans.clear();
    for (i, &start) in starts.iter().enumerate() {
        let trimmed = starts.get(i + 1).and_then(|&next| {
            let mut end = next;
            while end > start && (bytes[end - 1].is_ascii_whitespace() || bytes[end - 1] == b',') {
                end -= 1;
            }
            (bytes[end - 1] == b'}').then_some(end)
        });
        let end = trimmed.or_else(|| {
            let mut found = None;
            Scanner::new(Level::Top, &[]).scan_while(&bytes[start..], 0, &mut |_, e| {
                found = Some(start + e);
                false
            });
            found
        });
        let Some(end) = end else { return false };
        spans.push((start, end));
    }
    true
}
