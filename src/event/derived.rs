//! Fields derived from columns: what an address, a user agent or an actor says beyond its own text.
//!
//! Rules with `taxonomy: auditmill` use them like columns; they are no columns of the events that are written.

use super::Column;
use std::fmt;
use std::str::FromStr;

macro_rules! derived {
    ($($variant:ident $name:literal [$($column:ident),+] $doc:literal),+ $(,)?) => {
        /// A field derived from columns.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Derived { $(#[doc = $doc] $variant),+ }

        impl Derived {
            /// Every derived field, in output order.
            pub const ALL: &'static [Derived] = &[$(Derived::$variant),+];

            /// The field's name in outputs and rules.
            pub fn name(self) -> &'static str {
                match self { $(Derived::$variant => $name),+ }
            }

            /// What the field holds, in one line.
            pub fn describe(self) -> &'static str {
                match self { $(Derived::$variant => $doc),+ }
            }

            /// The columns that it is derived from.
            pub fn columns(self) -> &'static [Column] {
                match self { $(Derived::$variant => &[$(Column::$column),+]),+ }
            }
        }
    };
}

derived! {
    IpCountry "ip.country" [Ip] "Country of the address, ISO 3166-1 code such as DE; needs a database",
    IpCity "ip.city" [Ip] "City of the address, in English; needs a database",
    IpAsn "ip.asn" [Ip] "Number of the autonomous system that announces the address, such as 64500; needs a database",
    IpOrg "ip.org" [Ip] "Organisation that holds the address or its autonomous system; needs a database",
    IpKind "ip.kind" [Ip] "private, loopback, link_local, cgnat, documentation, multicast, reserved or public; with a database of them also tor, vpn, proxy, relay, hosting or anonymous",
    IpNet24 "ip.net24" [Ip] "The network around the address: the /24 of IPv4, the /48 of IPv6",
    IpLocation "ip.location" [Ip] "Latitude, longitude and radius in km, such as 52.5,13.4,20; needs a database with cities or radiuses",
    UserAgentFamily "user_agent.family" [UserAgent] "Browser and system, client or library without versions, such as Chrome on Windows or aws-cli",
    TimeHour "time.hour" [Time] "Hour of the day in UTC, 00 to 23",
    Principal "principal" [ActorType, OnBehalfOf, UserKey] "Who acts, over sessions: the role behind an assumed role, the person behind a single sign-on role, else user_key",
}

impl Derived {
    /// What is told by an address, in output order.
    pub const OF_ADDRESS: &'static [Derived] =
        &[Derived::IpCountry, Derived::IpCity, Derived::IpAsn, Derived::IpOrg, Derived::IpKind, Derived::IpNet24, Derived::IpLocation];

    /// Whether its values come from a database of addresses alone.
    pub fn needs_database(self) -> bool {
        matches!(self, Derived::IpCountry | Derived::IpCity | Derived::IpAsn | Derived::IpOrg | Derived::IpLocation)
    }
}

impl fmt::Display for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Derived {
    type Err = ();
    fn from_str(s: &str) -> Result<Derived, ()> {
        Derived::ALL.iter().copied().find(|d| d.name() == s).ok_or(())
    }
}

/// Kind of an address in no special range, of which no database says who hides behind it.
pub const PUBLIC: &str = "public";

/// Kinds that only a database of anonymisers tells.
pub const ANONYMISERS: [&str; 6] = ["tor", "vpn", "proxy", "relay", "hosting", "anonymous"];

/// Every value of `ip.kind`.
pub const KINDS: [&str; 14] =
    [PUBLIC, "private", "loopback", "link_local", "cgnat", "documentation", "multicast", "reserved", "tor", "vpn", "proxy", "relay", "hosting", "anonymous"];
