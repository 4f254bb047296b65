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
///
/// A role of AWS IAM Identity Center is the other way round: a whole department has it, and its sessions bear the name of the
/// person in the directory, which the person cannot choose. A name that is a mail address is that person, as other logs
/// write it; another name is told with its role.
pub fn principal(actor_type: Option<&str>, on_behalf_of: Option<&str>, user_key: Option<&str>) -> Option<String> {
    let role = on_behalf_of.filter(|r| actor_type == Some("role") && !r.is_empty());
    let person = role.filter(|r| is_single_sign_on(r)).and(user_key).map(|user| match user.rsplit(['/', ':']).next() {
        Some(name) if name.contains('@') => name,
        _ => user,
    });
    person.or(role).or(user_key).filter(|p| !p.is_empty()).map(str::to_owned)
}

/// Whether a role's ARN is one that IAM Identity Center made: the path and the start of the name are reserved for it.
fn is_single_sign_on(role: &str) -> bool {
    role.split_once(":role/aws-reserved/sso.amazonaws.com/").is_some_and(|(_, name)| name.rsplit('/').next().is_some_and(|n| n.starts_with("AWSReservedSSO_")))
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

    #[test]
    fn a_person_stands_for_the_sessions_of_a_single_sign_on_role() {
        let role = Some("arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Admin_4be1");
        let of = |role, user| principal(Some("role"), role, Some(user));
        let arn = "arn:aws:sts::1:assumed-role/awsreservedsso_admin_4be1/ann@example.com";
        assert_eq!(of(role, arn).as_deref(), Some("ann@example.com"));
        assert_eq!(of(role, "aroaexample:ann@example.com").as_deref(), Some("ann@example.com"));
        // A bare name might be another person elsewhere.
        let bare = "arn:aws:sts::1:assumed-role/awsreservedsso_admin_4be1/ann";
        assert_eq!(of(role, bare).as_deref(), Some(bare));
        // Anybody may give a role of their own such a name, but not the path.
        let own = Some("arn:aws:iam::1:role/AWSReservedSSO_Admin_4be1");
        assert_eq!(of(own, arn).as_deref(), own);
    }
}
