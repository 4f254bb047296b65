//! Addresses that belong to nobody in particular, by IANA's special-purpose registries (RFC 6890 and its updates).
//!
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>
//! and, for what no registry of addresses was given at all, <https://www.iana.org/assignments/ipv6-address-space>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a special range is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Special {
    /// Networks of one's own: RFC 1918, unique local (RFC 4193), local translation (RFC 8215), site-local (RFC 3879).
    Private,
    /// The machine itself.
    Loopback,
    /// One link: RFC 3927, RFC 4291.
    LinkLocal,
    /// Shared between a carrier and its customers: RFC 6598.
    Cgnat,
    /// Examples in texts: RFC 5737, RFC 3849, RFC 9637.
    Documentation,
    /// Groups.
    Multicast,
    /// Anything else that is not a host of the Internet.
    Reserved,
}

impl Special {
    /// Its name as a value of `ip.kind`.
    pub fn name(self) -> &'static str {
        match self {
            Special::Private => "private",
            Special::Loopback => "loopback",
            Special::LinkLocal => "link_local",
            Special::Cgnat => "cgnat",
            Special::Documentation => "documentation",
            Special::Multicast => "multicast",
            Special::Reserved => "reserved",
        }
    }
}

/// The special range that an address lies in; `None` for a host of the Internet. What carries an IPv4 address is judged by it.
pub fn special(addr: IpAddr) -> Option<Special> {
    match carried(addr) {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

/// The address whose holder stands behind this one: IPv6 that carries an IPv4 address is of who has that one.
///
/// IPv4-mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056), and Teredo, where it is the client's address, stored inverted
/// (RFC 4380 §4).
pub fn carried(addr: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = addr.to_canonical() else { return addr.to_canonical() };
    let bits = v6.to_bits();
    let v4 = |bits: u128| IpAddr::V4(Ipv4Addr::from_bits(bits as u32));
    if lies_in(v6, NAT64, 96) {
        v4(bits)
    } else if lies_in(v6, SIX_TO_FOUR, 16) {
        v4(bits >> 80)
    } else if lies_in(v6, TEREDO, 32) {
        v4(!bits)
    } else {
        IpAddr::V6(v6)
    }
}

const NAT64: [u16; 8] = [0x64, 0xff9b, 0, 0, 0, 0, 0, 0];
const SIX_TO_FOUR: [u16; 8] = [0x2002, 0, 0, 0, 0, 0, 0, 0];
const TEREDO: [u16; 8] = [0x2001, 0, 0, 0, 0, 0, 0, 0];

fn lies_in(addr: Ipv6Addr, net: [u16; 8], prefix: u32) -> bool {
    (addr.to_bits() ^ Ipv6Addr::from(net).to_bits()).leading_zeros() >= prefix
}

fn special_v4(addr: Ipv4Addr) -> Option<Special> {
    use Special::{Cgnat, Documentation, LinkLocal, Loopback, Multicast, Private, Reserved};
    match addr.octets() {
        [0, ..] => Some(Reserved),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Private),
        [100, 64..=127, ..] => Some(Cgnat),
        [127, ..] => Some(Loopback),
        [169, 254, ..] => Some(LinkLocal),
        // Anycast addresses for port control and TURN, which are reachable.
        [192, 0, 0, 9 | 10] => None,
        [192, 0, 0, _] => Some(Reserved),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some(Documentation),
        // Relays of 6to4, given up; tests of devices.
        [192, 88, 99, _] | [198, 18..=19, ..] => Some(Reserved),
        [224..=239, ..] => Some(Multicast),
        [240..=255, ..] => Some(Reserved),
        _ => None,
    }
}

fn special_v6(addr: Ipv6Addr) -> Option<Special> {
    use Special::{Documentation, LinkLocal, Loopback, Multicast, Private, Reserved};
    match addr.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Loopback),
        [0x64, 0xff9b, 1, ..] => Some(Private),
        // Of the protocol assignments 2001::/23 only these are reachable: anycast, AMT, AS112, ORCHIDv2 and drones' ids.
        [0x2001, 1, 0, 0, 0, 0, 0, 1..=3] | [0x2001, 3, ..] | [0x2001, 4, 0x112, ..] | [0x2001, 0x20..=0x3f, ..] => None,
        [0x2001, 0..=0x1ff, ..] => Some(Reserved),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some(Documentation),
        [0x2000..=0x3fff, ..] => None,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some(Private),
        [0xfe80..=0xfebf, ..] => Some(LinkLocal),
        [0xff00..=0xffff, ..] => Some(Multicast),
        // Outside 2000::/3 nothing was given to anybody.
        _ => Some(Reserved),
    }
}
