//! Addresses beyond one's own networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::provider::AddressPolicy;

/// Refuses addresses of one's own networks and of this machine, and asks another policy about the others.
pub(super) struct PublicAddresses(pub(super) Arc<dyn AddressPolicy>);

impl AddressPolicy for PublicAddresses {
    fn check(&self, host: &str, address: IpAddr) -> Result<(), String> {
        let private = match address {
            IpAddr::V4(address) => is_private_v4(address),
            IpAddr::V6(address) => is_private_v6(address),
        };
        if private {
            return Err(format!(
                "{address} is an address of this machine or of a private network (llm.private_addresses = false)"
            ));
        }
        self.0.check(host, address)
    }

    fn check_proxied(&self, host: &str) -> Result<(), String> {
        self.0.check_proxied(host)
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || first == 0
        // Shared by the customers of one provider.
        || (first == 100 && (64..128).contains(&second))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || first & 0xfe00 == 0xfc00
        || first & 0xffc0 == 0xfe80
        || address.to_ipv4().is_some_and(is_private_v4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::AnyAddress;

    #[test]
    fn only_public_addresses_pass() {
        let policy = PublicAddresses(Arc::new(AnyAddress));
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::",
        ] {
            assert!(policy.check("x", private.parse().unwrap()).is_err(), "{private}");
        }
        for public in ["1.1.1.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(policy.check("x", public.parse().unwrap()).is_ok(), "{public}");
        }
    }
}
