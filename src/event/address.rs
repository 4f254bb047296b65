//! Addresses: valid or null.

use foldhash::fast::RandomState;
use hashbrown::HashSet;
use std::cmp::Reverse;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Parses an address as logs spell it: plain, in brackets, with a port, or IPv4 mapped into IPv6.
///
/// Returns `None` for host names, placeholders and anything else that is not one address;
/// IPv4 octets with leading zeros are not addresses (RFC 6943 §3.1.1).
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let addr = text.parse::<IpAddr>().ok().or_else(|| {
        if let Some(rest) = text.strip_prefix('[') {
            let (inner, tail) = rest.split_once(']')?;
            let port_ok = tail.is_empty() || tail.strip_prefix(':').is_some_and(is_port);
            return if port_ok { inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6) } else { None };
        }
        let (host, port) = text.split_once(':')?;
        if is_port(port) { host.parse::<std::net::Ipv4Addr>().ok().map(IpAddr::V4) } else { None }
    })?;
    Some(addr.to_canonical())
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// A network: an address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    addr: IpAddr,
    prefix: u8,
}

impl Network {
    /// Parses CIDR notation; a bare address is the network of that one address. Host bits are ignored.
    pub fn parse(text: &str) -> Option<Network> {
        let (addr, prefix) = match text.split_once('/') {
            Some((a, p)) => (a.trim().parse::<IpAddr>().ok()?, Some(p.trim().parse::<u8>().ok()?)),
            None => (text.trim().parse::<IpAddr>().ok()?, None),
        };
        let max = if addr.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(max);
        if prefix > max {
            return None;
        }
        match (addr, addr.to_canonical()) {
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) if prefix >= 96 => Some(Network { addr: v4, prefix: prefix - 96 }),
            _ => Some(Network { addr, prefix }),
        }
    }

    /// The same network, named by its first address.
    fn first(self) -> Network {
        let addr = match self.addr {
            IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0))),
            IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0))),
        };
        Network { addr, ..self }
    }

    /// Whether the address lies in the network.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr, addr.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(a)) => shifted(u32::from(net).into(), 32, self.prefix) == shifted(u32::from(a).into(), 32, self.prefix),
            (IpAddr::V6(net), IpAddr::V6(a)) => shifted(net.into(), 128, self.prefix) == shifted(a.into(), 128, self.prefix),
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

/// Many networks, asked by the lengths of their prefixes instead of one by one.
#[derive(Debug, Clone, Default)]
pub struct NetworkSet {
    /// By prefix length, the longest first: the bits that count.
    v4: Vec<(u8, HashSet<u32, RandomState>)>,
    v6: Vec<(u8, HashSet<u128, RandomState>)>,
}

impl NetworkSet {
    /// The smallest network of the set that an address lies in.
    pub fn find(&self, addr: IpAddr) -> Option<Network> {
        let of = |addr: IpAddr, prefix: u8| Network { addr, prefix }.first();
        match addr.to_canonical() {
            IpAddr::V4(a) => self.v4.iter().find(|(p, nets)| nets.contains(&(shifted(a.to_bits().into(), 32, *p) as u32))).map(|(p, _)| of(IpAddr::V4(a), *p)),
            IpAddr::V6(a) => self.v6.iter().find(|(p, nets)| nets.contains(&shifted(a.to_bits(), 128, *p))).map(|(p, _)| of(IpAddr::V6(a), *p)),
        }
    }

    /// Whether an address lies in one of the networks.
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.find(addr).is_some()
    }
}

impl FromIterator<Network> for NetworkSet {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> NetworkSet {
        let mut out = NetworkSet::default();
        for Network { addr, prefix } in networks {
            match addr {
                IpAddr::V4(a) => of_length(&mut out.v4, prefix).insert(shifted(a.to_bits().into(), 32, prefix) as u32),
                IpAddr::V6(a) => of_length(&mut out.v6, prefix).insert(shifted(a.to_bits(), 128, prefix)),
            };
        }
        out
    }
}

/// The networks of one prefix length.
fn of_length<T>(all: &mut Vec<(u8, HashSet<T, RandomState>)>, prefix: u8) -> &mut HashSet<T, RandomState> {
    let at = all.binary_search_by_key(&Reverse(prefix), |(p, _)| Reverse(*p)).unwrap_or_else(|at| {
        all.insert(at, (prefix, HashSet::default()));
        at
    });
    &mut all[at].1
}

fn shifted(bits: u128, width: u32, prefix: u8) -> u128 {
    bits.checked_shr(width - u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_logs_spell_them() {
        let ok = |t: &str, e: &str| assert_eq!(parse_address(t), e.parse().ok(), "{t}");
        ok("203.0.113.7", "203.0.113.7");
        ok("1.2.3.4:5678", "1.2.3.4");
        ok("[::1]:443", "::1");
        ok("::ffff:78.197.123.35", "78.197.123.35");
        for bad in ["AWS Internal", "ec2.amazonaws.com", "035.249.253.232", "1.1.1.1.1", "<null>", "", "1.2.3.4:x", "1.2.3.4, 5.6.7.8", "[::1"] {
            assert_eq!(parse_address(bad), None, "{bad}");
        }
    }

    #[test]
    fn networks_contain_their_addresses() {
        let net = |t: &str| Network::parse(t).expect("network");
        let ip = |t: &str| t.parse::<IpAddr>().expect("address");
        assert!(net("10.1.2.3/8").contains(ip("10.200.0.1")));
        assert!(!net("10.0.0.0/8").contains(ip("11.0.0.1")));
        assert!(net("10.0.0.0/8").contains(ip("::ffff:10.1.1.1")));
        assert!(net("::ffff:10.0.0.0/104").contains(ip("10.1.1.1")));
        assert!(net("192.0.2.1").contains(ip("192.0.2.1")));
        assert!(!net("192.0.2.1").contains(ip("192.0.2.2")));
        assert!(net("0.0.0.0/0").contains(ip("8.8.8.8")));
        assert!(!net("0.0.0.0/0").contains(ip("2001:db8::1")));
        assert!(net("2001:db8::/32").contains(ip("2001:db8:1::1")));
        let set: NetworkSet = ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/1", "2001:db8::/32", "::/0"].map(net).into_iter().collect();
        let found = |text: &str| set.find(ip(text)).map(|n| n.to_string());
        for (text, expected) in [("10.1.2.3", Some("10.1.0.0/16")), ("10.2.2.3", Some("10.0.0.0/8")), ("11.0.0.1", Some("0.0.0.0/1")), ("128.0.0.1", None)] {
            assert_eq!(found(text).as_deref(), expected, "{text}");
        }
        assert_eq!((found("2001:db8:1::1").as_deref(), found("fe80::1").as_deref()), (Some("2001:db8::/32"), Some("::/0")));
        assert!(Network::parse("10.0.0.0/33").is_none() && Network::parse("AWS").is_none());
    }
}
