//! Reports: a context that templates may see, and its rendering.

pub mod compliance;
pub mod context;
pub mod incident;
pub mod render;
pub mod tables;
mod unusual;

use crate::event::secrets::mask;
use crate::output::printable;

/// A text of a log as a report may show it, and how many secrets in it were masked.
fn shown(text: &str, show_secrets: bool) -> (String, usize) {
    let (shown, masked) = if show_secrets { (text.into(), 0) } else { mask(text) };
    (printable(&shown).into_owned(), masked)
}
