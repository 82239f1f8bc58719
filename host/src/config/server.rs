//! `[server]` in `kitaru.toml`: where `serve` listens, how it is reached from outside, and how much it takes on at a time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::connection::is_address;

/// The port where nobody says another one.
const PORT: u16 = 8383;

/// How the server of one host works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
pub struct ServerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate and key of TLS; none where somebody else does that, or nobody.
    pub tls: Option<TlsFiles>,
    /// The address by which others reach it, without a slash at its end: what links begin with.
    pub public_url: Option<String>,
    /// Who may say, in `Forwarded` headers, whose requests they hand on.
    pub trusted_proxies: Vec<ProxyRange>,
    /// One component that is sent, in MiB.
    pub upload_mib: u64,
    /// Connections at a time.
    pub connections: u32,
    /// Streams of events at a time, of all connections.
    pub streams: u32,
    /// Requests that one caller may make in a second, on average.
    pub requests_per_second: u32,
}

/// Files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those above it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            tls: None,
            public_url: None,
            trusted_proxies: Vec::new(),
            upload_mib: 64,
            connections: 10_000,
            streams: 8_000,
            requests_per_second: 100,
        }
    }
}

impl ServerConfig {
    /// Makes relative paths relative to `folder`, where the configuration file is.
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Some(TlsFiles { certificate, key }) = &mut self.tls {
            (*certificate, *key) = (folder.join(&*certificate), folder.join(&*key));
        }
    }

    /// Whether others than this machine's users can read what is said, because nobody encrypts it: no TLS here, and no proxy that is trusted.
    pub fn is_open_to_listeners(&self) -> bool {
        self.tls.is_none() && self.trusted_proxies.is_empty() && !self.listen.ip().is_loopback()
    }

    /// Whether requests that come from this address may say whom they are from.
    pub fn trusts(&self, proxy: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|range| range.contains(proxy))
    }
}

/// The table as it is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("dependencies" = { "tls_certificate": ["tls_key"], "tls_key": ["tls_certificate"] }))]
struct Written {
    /// Address and port to listen on.
    listen: SocketAddr,
    /// The certificate for TLS with those above it, a file in PEM. Relative to the file that names it.
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key, a file in PEM. Relative to the file that names it.
    tls_key: Option<PathBuf>,
    /// The address by which others reach the server, which links begin with.
    public_url: Option<String>,
    /// Addresses and ranges such as `10.0.0.0/8`: who may say, in `Forwarded` headers, whose requests they hand on.
    trusted_proxies: Vec<ProxyRange>,
    /// One component that is sent, in MiB.
    #[schemars(range(min = 1, max = 4096))]
    upload_mib: u64,
    /// Connections at a time.
    #[schemars(range(min = 1))]
    connections: u32,
    /// Streams of events at a time, of all connections; each is a connection.
    #[schemars(range(min = 1))]
    streams: u32,
    /// Requests of one caller per second for long, and three times as many at once.
    #[schemars(range(min = 1))]
    requests_per_second: u32,
}

impl Default for Written {
    fn default() -> Self {
        ServerConfig::default().into()
    }
}

impl From<ServerConfig> for Written {
    fn from(config: ServerConfig) -> Self {
        let ServerConfig { listen, tls, public_url, trusted_proxies, upload_mib, connections, streams, requests_per_second } =
            config;
        let (tls_certificate, tls_key) = tls.map(|tls| (tls.certificate, tls.key)).unzip();
        Self {
            listen,
            tls_certificate,
            tls_key,
            public_url,
            trusted_proxies,
            upload_mib,
            connections,
            streams,
            requests_per_second,
        }
    }
}

/// A setting of the server that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerProblem {
    /// Half of TLS.
    #[error("`tls_certificate` and `tls_key` belong together: give both or none")]
    HalfOfTls,
    /// Nothing would be served.
    #[error("`{0}` must be at least 1")]
    Zero(&'static str),
    /// More than fits.
    #[error("`upload_mib` must be at most 4096")]
    Upload,
    /// Streams are connections too.
    #[error("`streams` must be at most `connections`: each stream is a connection")]
    Streams,
    /// Not what links can begin with.
    #[error("`public_url` must begin with http:// or https://, name a host, and have no user, query or fragment")]
    PublicUrl,
}

impl TryFrom<Written> for ServerConfig {
    type Error = ServerProblem;

    fn try_from(written: Written) -> Result<Self, ServerProblem> {
        let Written {
            listen,
            tls_certificate,
            tls_key,
            public_url,
            trusted_proxies,
            upload_mib,
            connections,
            streams,
            requests_per_second,
        } = written;
        let tls = match (tls_certificate, tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            _ => return Err(ServerProblem::HalfOfTls),
        };
        for (name, value) in [
            ("upload_mib", upload_mib),
            ("connections", connections.into()),
            ("streams", streams.into()),
            ("requests_per_second", requests_per_second.into()),
        ] {
            if value == 0 {
                return Err(ServerProblem::Zero(name));
            }
        }
        if upload_mib > 4096 {
            return Err(ServerProblem::Upload);
        }
        // Whoever says fewer connections alone has not asked for an error about streams.
        let streams = if streams == Self::default().streams { streams.min(connections) } else { streams };
        if streams > connections {
            return Err(ServerProblem::Streams);
        }
        let public_url = public_url.map(|url| checked_url(&url).ok_or(ServerProblem::PublicUrl)).transpose()?;
        Ok(Self { listen, tls, public_url, trusted_proxies, upload_mib, connections, streams, requests_per_second })
    }
}

/// An address that links can begin with, without a slash at its end.
fn checked_url(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    is_address(text).then(|| text.to_owned())
}

/// An address, or all that begin as it does: `10.0.0.1` or `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ProxyRange {
    address: IpAddr,
    /// Bits that count.
    bits: u8,
}

/// Not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no address of a proxy: give one such as `10.0.0.1`, or a range such as `10.0.0.0/8`", .0.escape_debug())]
pub struct UnknownProxyRange(String);

impl ProxyRange {
    /// Whether an address is in the range. One of IPv4 that came in the dress of IPv6 is the same.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                same_start(range.to_bits().into(), address.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => same_start(range.to_bits(), address.to_bits(), 128, self.bits),
            _ => false,
        }
    }
}

fn same_start(range: u128, address: u128, length: u32, bits: u8) -> bool {
    let others = length.saturating_sub(bits.into());
    // All bits are others: then nothing is left to differ.
    range.checked_shr(others).unwrap_or(0) == address.checked_shr(others).unwrap_or(0)
}

impl FromStr for ProxyRange {
    type Err = UnknownProxyRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownProxyRange(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.trim().parse().map_err(|_| unknown())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.trim().parse::<u8>()).map_err(|_| unknown())?;
        if bits > most { Err(unknown()) } else { Ok(Self { address, bits }) }
    }
}

impl TryFrom<String> for ProxyRange {
    type Error = UnknownProxyRange;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ProxyRange> for String {
    fn from(range: ProxyRange) -> Self {
        let most = if range.address.is_ipv4() { 32 } else { 128 };
        if range.bits == most { range.address.to_string() } else { format!("{}/{}", range.address, range.bits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ServerConfig, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        assert_eq!(read(""), Ok(ServerConfig::default()));
        assert_eq!(ServerConfig::default().listen.to_string(), "127.0.0.1:8383");
        let text = "listen = \"0.0.0.0:80\"\ntls_certificate = \"a.pem\"\ntls_key = \"/k.pem\"\npublic_url = \"https://k.example/x/\"\n\
                    trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\nupload_mib = 1\nconnections = 3\n";
        let mut config = read(text).unwrap();
        config.resolve(Path::new("/etc"));
        let tls = TlsFiles { certificate: "/etc/a.pem".into(), key: "/k.pem".into() };
        assert_eq!((config.tls.as_ref(), config.public_url.as_deref()), (Some(&tls), Some("https://k.example/x")));
        assert_eq!((config.upload_mib, config.connections, config.streams), (1, 3, 3), "no more streams than connections");
        let written: ServerConfig = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(written, config);
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        for (text, said) in [
            ("listen = \"8383\"", "socket address"),
            ("tls_key = \"k\"", "belong together"),
            ("connections = 0", "`connections` must be at least 1"),
            ("upload_mib = 5000", "at most 4096"),
            ("connections = 5\nstreams = 6", "each stream is a connection"),
            ("public_url = \"k.example\"", "public_url"),
            ("public_url = \"https://me@k.example\"", "public_url"),
            ("public_url = \"https://k.example/?a=b\"", "public_url"),
            ("trusted_proxies = [\"10.0.0.0/33\"]", "10.0.0.0/33"),
            ("trusted_proxies = [\"proxy\"]", "`proxy`"),
            ("port = 1", "unknown field"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn proxies_are_told_by_their_addresses() {
        let config = read("trusted_proxies = [\"10.1.0.0/16\", \"::1\", \"192.0.2.7\"]").unwrap();
        for (address, trusted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("::1", true),
            ("::2", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
        ] {
            assert_eq!(config.trusts(address.parse().unwrap()), trusted, "{address}");
        }
        let all: ProxyRange = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
        assert!("::/0".parse::<ProxyRange>().unwrap().contains("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn only_what_others_can_read_along_is_open_to_listeners() {
        assert!(!ServerConfig::default().is_open_to_listeners());
        assert!(read("listen = \"0.0.0.0:80\"").unwrap().is_open_to_listeners());
        assert!(!read("listen = \"0.0.0.0:80\"\ntrusted_proxies = [\"10.0.0.1\"]").unwrap().is_open_to_listeners());
    }
}
