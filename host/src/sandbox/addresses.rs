//! Which addresses are of the public Internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that are not of the public Internet: reached only where a grant names them.
pub(super) fn is_special(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => is_special_v6(address),
    }
}

/// Where the virtual machines of a cloud find its services, among them their credentials. All others are link-local, private or reserved.
const CLOUD_SERVICES: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

fn is_special_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        || address == CLOUD_SERVICES
        || first == 0
        || (first == 100 && (64..128).contains(&second)) // shared address space, RFC 6598
        || (first == 192 && second == 0 && third == 0) // protocol assignments, RFC 6890
        || (first == 192 && second == 88 && third == 99) // relays of 6to4, RFC 7526
        || (first == 198 && (18..20).contains(&second)) // benchmarking, RFC 2544
        || first >= 240
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    let [first, second, _, _, fifth, sixth, _, _] = address.segments();
    // All that is handed out to the public Internet begins with these three bits. Outside are loopback, link-local, unique local, site-local and
    // multicast addresses, and the forms that carry an address of IPv4: mapped, compatible, translated (RFC 2765), NAT64 (RFC 6052, RFC 8215).
    let is_global = first & 0xe000 == 0x2000;
    // Teredo (RFC 4380), 6to4 (RFC 3056) and ISATAP (RFC 5214) carry one that could be any of the above.
    let carries_v4 = first == 0x2002 || (fifth & 0xfdff == 0 && sixth == 0x5efe);
    // Protocol assignments (RFC 2928), among them Teredo; documentation (RFC 3849, RFC 9637).
    let is_reserved = (first == 0x2001 && (second < 0x200 || second == 0xdb8)) || first & 0xfff0 == 0x3ff0;
    !is_global || carries_v4 || is_reserved
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_addresses() {
        for text in [
            "127.0.0.1",
            "127.255.255.254",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "168.63.129.16",
            "100.64.0.1",
            "100.100.100.200",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "192.0.0.8",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fec0::1",
            "fd00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a9fe:a9fe",
            "100::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:db8::1",
            "3fff::1",
            "4000::1",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:127.0.0.1",
        ] {
            assert!(is_special(text.parse().unwrap()), "{text}");
        }
        for text in ["1.1.1.1", "93.184.216.34", "192.88.98.1", "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450::1"] {
            assert!(!is_special(text.parse().unwrap()), "{text}");
        }
    }

    proptest! {
        /// No form of IPv6 that carries an address of IPv4 hides one that is special.
        #[test]
        fn no_form_hides_an_address(octets in any::<[u8; 4]>()) {
            let v4 = Ipv4Addr::from(octets);
            let [high, low] = [u16::from_be_bytes([octets[0], octets[1]]), u16::from_be_bytes([octets[2], octets[3]])];
            prop_assert_eq!(is_special(v4.to_ipv6_mapped().into()), is_special(v4.into()));
            let forms = [
                [0, 0, 0, 0, 0, 0, high, low],
                [0, 0, 0, 0, 0xffff, 0, high, low],
                [0x64, 0xff9b, 0, 0, 0, 0, high, low],
                [0x64, 0xff9b, 1, 0, 0, 0, high, low],
                [0x2002, high, low, 0, 0, 0, 0, 1],
                [0x2001, 0, 1, 1, 0, 1, !high, !low],
                [0x2a00, 0, 0, 0, 0x200, 0x5efe, high, low],
            ];
            for form in forms {
                prop_assert!(is_special(Ipv6Addr::from(form).into()), "{:x?}", form);
            }
        }
    }
}
