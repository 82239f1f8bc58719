//! Where a caller is.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Where a caller is: an address, or on this machine beside the data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(Option<IpAddr>);

impl Source {
    /// Somebody who uses the data folder itself.
    pub const HERE: Self = Self(None);

    /// Somebody at this address.
    pub fn at(address: IpAddr) -> Self {
        // One address has one form.
        Self(Some(address.to_canonical()))
    }

    /// The address, where there is one.
    pub fn address(self) -> Option<IpAddr> {
        self.0
    }

    /// What counts as one: an IPv4 address, or the network of 64 bits in which a host chooses its IPv6 addresses freely.
    #[must_use]
    pub fn network(self) -> Self {
        match self.0 {
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()))
            }
            _ => self,
        }
    }

    /// As it is written down.
    pub(super) fn text(self) -> Option<String> {
        self.0.map(|address| address.to_string())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("this machine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_is_one_source() {
        let at = |text: &str| Source::at(text.parse().unwrap()).network();
        assert_eq!(at("::ffff:192.0.2.7"), at("192.0.2.7"));
        assert_ne!(at("192.0.2.7"), at("192.0.2.8"));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
    }
}
