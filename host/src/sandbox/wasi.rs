//! The WASI of a checkpoint body: real clocks and random, and of files, environment and network what was granted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wasmtime_wasi::{FsPerms, WasiCtx};

use super::grants::{Grants, NetGrant};
use super::port::Denials;
use super::stdio::LogStream;
use crate::journal::Failure;

/// The WASI of a checkpoint attempt.
pub(super) fn checkpoint_wasi(
    grants: &Grants,
    stdout: LogStream,
    stderr: LogStream,
    denials: &Denials,
) -> Result<WasiCtx, Failure> {
    let mut builder = WasiCtx::builder();
    builder.stdout(stdout).stderr(stderr);
    let folders = grants.read.iter().map(|folder| (folder, FsPerms::ReadOnly, "--allow-read"));
    let folders = folders.chain(grants.write.iter().map(|folder| (folder, FsPerms::ReadWrite, "--allow-write")));
    for (folder, perms, flag) in folders {
        builder.preopened_dir(&folder.host, &folder.guest, perms).map_err(|error| {
            let path = folder.host.display();
            Failure::runtime("capability", format!("the folder `{path}`, granted with {flag}, cannot be opened: {error:#}"))
        })?;
    }
    for name in &grants.env {
        if let Ok(value) = std::env::var(name) {
            builder.env(name, &value);
        }
    }
    let granted = !grants.net.is_empty();
    builder.allow_tcp(granted).allow_udp(granted).allow_ip_name_lookup(granted);
    let (grants, denials) = (grants.net.clone(), denials.clone());
    builder.socket_addr_check(move |address, _use| {
        let (grants, denials) = (grants.clone(), denials.clone());
        Box::pin(async move {
            // A local address that is bound before connecting reaches nobody.
            let unspecified = address.ip().is_unspecified() && address.port() == 0;
            let allowed = unspecified || may_reach(&grants, address).await;
            if !allowed {
                denials.add(format!("network access to {address} (grant it with --allow-net={address})"));
            }
            allowed
        })
    });
    Ok(builder.build())
}

/// Whether a grant covers `address`. Names are resolved now, and the checked address is the one that is connected to.
async fn may_reach(grants: &[NetGrant], address: SocketAddr) -> bool {
    let special = is_special(address.ip());
    for grant in grants.iter().filter(|grant| grant.port.is_none_or(|port| port == address.port())) {
        if grant.names_address(address.ip()) || (grant.is_any() && !special) {
            return true;
        }
        // A public name that resolves to a private address is an attack, or a mistake; `localhost` says what it means.
        if (special && !(grant.host == "localhost" && address.ip().is_loopback())) || grant.host.starts_with('*') {
            continue;
        }
        if let Ok(mut found) = tokio::net::lookup_host((grant.host.as_str(), address.port())).await
            && found.any(|resolved| resolved.ip().to_canonical() == address.ip().to_canonical())
        {
            return true;
        }
    }
    false
}

/// Addresses that are not of the public Internet: reached only where a grant names them.
fn is_special(address: IpAddr) -> bool {
    fn v4(a: Ipv4Addr) -> bool {
        let [first, second, ..] = a.octets();
        a.is_loopback() || a.is_private() || a.is_link_local() || a.is_unspecified() || a.is_broadcast() || a.is_multicast()
            || a.is_documentation()
            || first == 0
            || (first == 100 && (64..128).contains(&second)) // shared address space, RFC 6598
            || (first == 198 && (18..20).contains(&second)) // benchmarking, RFC 2544
            || first >= 240
    }
    fn v6(a: Ipv6Addr) -> bool {
        let segments = a.segments();
        // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry a v4 address that could be any of the above.
        let carries_v4 = segments.starts_with(&[0x64, 0xff9b]) || segments.first() == Some(&0x2002);
        a.is_loopback()
            || a.is_unspecified()
            || a.is_multicast()
            || a.is_unique_local()
            || a.is_unicast_link_local()
            || carries_v4
            || segments.starts_with(&[0x2001, 0xdb8])
    }
    match address.to_canonical() {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(is_special(text.parse().unwrap()), "{text}");
        }
        for text in ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"] {
            assert!(!is_special(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn grants_are_checked_by_address() {
        let grants = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<NetGrant>>();
        let reach = async |texts: &[&str], address: &str| may_reach(&grants(texts), address.parse().unwrap()).await;
        assert!(reach(&["127.0.0.1:80"], "127.0.0.1:80").await);
        assert!(!reach(&["127.0.0.1:80"], "127.0.0.1:81").await);
        assert!(reach(&["127.0.0.1"], "[::ffff:127.0.0.1]:81").await);
        assert!(!reach(&["*"], "127.0.0.1:80").await);
        assert!(!reach(&["*"], "169.254.169.254:80").await);
        assert!(reach(&["*:443"], "1.1.1.1:443").await);
        assert!(!reach(&[], "1.1.1.1:443").await);
        assert!(reach(&["localhost:80"], "127.0.0.1:80").await);
    }
}
