//! What is known of the addresses of one batch: each distinct one is looked up once, whatever is asked of it.

use crate::enrich::database::{Databases, FactsId, Lookups};
use crate::event::address::parse_address;
use crate::event::derived::Derived;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Debug, Clone, Copy)]
enum Known {
    NotYet,
    NoAddress,
    Address(IpAddr, FactsId),
}

/// The addresses of a batch, by their codes in its dictionary.
pub struct Addresses {
    lookups: Lookups,
    known: Vec<Known>,
}

impl Addresses {
    /// Nothing is known yet.
    pub fn new(databases: Arc<Databases>) -> Addresses {
        Addresses { lookups: Lookups::new(databases), known: Vec::new() }
    }

    /// A derived field of the address that has this code and this text.
    pub fn value(&mut self, derived: Derived, code: u32, text: &str) -> Option<Cow<'_, str>> {
        let at = code as usize;
        if self.known.len() <= at {
            self.known.resize(at + 1, Known::NotYet);
        }
        if let Known::NotYet = self.known[at] {
            self.known[at] = parse_address(text).map_or(Known::NoAddress, |addr| Known::Address(addr, self.lookups.look_up(addr)));
        }
        match self.known[at] {
            Known::Address(addr, id) => self.lookups.value(derived, addr, id),
            Known::NotYet | Known::NoAddress => None,
        }
    }

    /// Forgets the codes.
    pub fn clear(&mut self) {
        self.known.clear();
    }
}
