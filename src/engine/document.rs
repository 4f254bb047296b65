//! The fast way through a whole JSON document: one walk over all of its records.

use super::batch::Batch;
use crate::source::json::each_element;
use crate::source::split::{Level, Scanner};
use crate::source::walk::{Element, walk_carefully, walk_plain};

/// Adds every record of a document, an array or the arrays under the container keys of an object, to an emptied batch. Gives
/// up (false) when anything is out of the ordinary; what the batch holds then is to be cleared.
pub fn walk_document(batch: &mut Batch<'_>, text: &str, containers: &[String]) -> bool {
    batch.clear();
    batch.begin_chunk(text.as_bytes());
    let trie = &batch.plan.trie;
    let mut memory = batch.take_memory();
    let walked = each_element(text, containers, &mut |start| {
        let end = walk_plain(trie, &mut memory, batch, text, start).or_else(|| {
            batch.abort_row();
            let end = record_end(text.as_bytes(), start)?;
            let element = walk_carefully(trie, &mut memory, batch, text.get(start..end)?);
            // What is no record is left to the slow way, which names each.
            matches!(element, Ok(Element::Object)).then_some(end)
        })?;
        batch.spans.push((start, end));
        batch.end_row(batch.spans.len() as u32, 0);
        Some(end)
    });
    batch.remember(memory);
    walked.is_some()
}

/// The position after the object that begins here.
fn record_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut found = None;
    Scanner::new(Level::Top, &[]).scan_while(&bytes[start..], 0, &mut |_, end| {
        found = Some(start + end);
        false
    });
    found
}
