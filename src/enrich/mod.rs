//! What the values of an event say beyond their text: places, networks and kinds of addresses, families of user agents.

pub mod agent;
pub mod database;
pub mod record;
pub mod special;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network around an address, as CIDR text: the /24 of IPv4, the /48 of IPv6. These are the smallest that are routed
/// between providers, and what one site mostly has.
pub fn net24(addr: IpAddr) -> String {
    match addr.to_canonical() {
        IpAddr::V4(v4) => format!("{}/24", Ipv4Addr::from_bits(v4.to_bits() & !0xff)),
        IpAddr::V6(v6) => format!("{}/48", Ipv6Addr::from_bits(v6.to_bits() & !((1 << 80) - 1))),
    }
}

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
        let around = |text: &str| net24(text.parse().expect("an address"));
        assert_eq!(around("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(around("::ffff:203.0.113.77"), "203.0.113.0/24");
        assert_eq!(around("2001:db8:1:2::3"), "2001:db8:1::/48");
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
