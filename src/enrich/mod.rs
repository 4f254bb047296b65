//! What the values of an event say beyond their text: networks and kinds of addresses, families of user agents.

pub mod agent;
pub mod special;

use crate::event::address::parse_address;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network around an address, as CIDR text: the /24 of IPv4, the /48 of IPv6. These are the smallest that are routed
/// between providers, and what one site mostly has.
pub fn net24(addr: IpAddr) -> String {
    match addr.to_canonical() {
        IpAddr::V4(v4) => format!("{}/24", Ipv4Addr::from_bits(v4.to_bits() & !0xff)),
        IpAddr::V6(v6) => format!("{}/48", Ipv6Addr::from_bits(v6.to_bits() & !((1 << 80) - 1))),
    }
}

/// [`net24`] of an address as a log spells it.
pub fn net24_of(text: &str) -> Option<String> {
    parse_address(text).map(net24)
}

/// Kind of an address as a log spells it, without any database: one of [`special::Special`], else `public`.
pub fn kind_of(text: &str) -> Option<&'static str> {
    parse_address(text).map(|addr| special::special(addr).map_or(PUBLIC, special::Special::name))
}

/// Kind of an address in no special range.
pub const PUBLIC: &str = "public";

/// Who acts, over sessions: an assumed role makes a new user name every session, while the role behind it stays.
pub fn principal(actor_type: Option<&str>, on_behalf_of: Option<&str>, user_key: Option<&str>) -> Option<String> {
    let role = on_behalf_of.filter(|r| actor_type == Some("role") && !r.is_empty());
    role.or(user_key).filter(|p| !p.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_around_addresses() {
        assert_eq!(net24_of("203.0.113.77").as_deref(), Some("203.0.113.0/24"));
        assert_eq!(net24_of("::ffff:203.0.113.77").as_deref(), Some("203.0.113.0/24"));
        assert_eq!(net24_of("2001:db8:1:2::3").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(net24_of("AWS Internal"), None);
    }

    #[test]
    fn a_role_stands_for_its_sessions() {
        let role = Some("arn:aws:iam::1:role/ops");
        assert_eq!(principal(Some("role"), role, Some("arn:session")).as_deref(), role);
        assert_eq!(principal(Some("human"), role, Some("ann")).as_deref(), Some("ann"));
        assert_eq!(principal(Some("role"), None, Some("arn:session")).as_deref(), Some("arn:session"));
        assert_eq!(principal(None, None, None), None);
    }
}
