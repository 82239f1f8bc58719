//! The server that commands work with: its address, and what proves to it who asks. The environment names one by `KITARU_SERVER_URL` and
//! `KITARU_AUTH_TOKEN`, always together.

use std::net::IpAddr;

use secrecy::SecretString;

use super::ConfigError;

/// A server, and what proves to it who asks.
#[derive(Clone, Debug)]
pub struct ServerConnection {
    /// Its address, without a slash at its end.
    pub url: String,
    /// An API key, or a token made from one.
    pub token: SecretString,
}

/// A text is no address of a server. It is not shown: somebody may have mixed it up with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must begin with http:// or https://, name a host, and have no user, query or fragment")]
pub struct AddressProblem;

impl ServerConnection {
    /// The variable with the address.
    pub const URL: &'static str = "KITARU_SERVER_URL";
    /// The variable with the key or token.
    pub const TOKEN: &'static str = "KITARU_AUTH_TOKEN";

    /// A server of this address.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(url: &str, token: SecretString) -> Result<Self, AddressProblem> {
        Ok(Self { url: Self::address(url)?, token })
    }

    /// The server that the environment names, if it names one.
    ///
    /// # Errors
    /// When one variable is set without the other, or the address is none. No error has a value in it: somebody may have mixed the two up.
    pub fn of_environment(environment: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let alone = |name, other: &str| ConfigError::Environment {
            name,
            problem: format!("it is set without {other}, and the two belong together"),
        };
        match Self::variables(environment) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(alone(Self::URL, Self::TOKEN)),
            (None, Some(_)) => Err(alone(Self::TOKEN, Self::URL)),
            (Some(url), Some(token)) => Self::new(&url, token).map(Some).map_err(not_an_address),
        }
    }

    /// The key that the environment has for the server of this address: for the one that it names, or, where it names none, for any.
    ///
    /// # Errors
    /// When the address that it names is none.
    pub fn key_of_environment(
        url: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<SecretString>, ConfigError> {
        let (named, token) = Self::variables(environment);
        let is_for_it = match &named {
            Some(named) => Self::address(named).map_err(not_an_address)? == url,
            None => true,
        };
        Ok(token.filter(|_| is_for_it))
    }

    /// What the two variables say, the address first. A blank one says nothing.
    pub fn variables(environment: impl Fn(&str) -> Option<String>) -> (Option<String>, Option<SecretString>) {
        let read = |name| environment(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        (read(Self::URL), read(Self::TOKEN).map(Into::into))
    }

    /// An address as it is compared with others: without a slash at its end, scheme and host in small letters.
    ///
    /// # Errors
    /// When it is none, or has anything in it that could be a key.
    pub fn address(text: &str) -> Result<String, AddressProblem> {
        let text = text.trim().trim_end_matches('/');
        if !is_address(text) {
            return Err(AddressProblem);
        }
        let url: http::Uri = text.parse().map_err(|_| AddressProblem)?;
        let (scheme, authority) = (url.scheme_str().ok_or(AddressProblem)?, url.authority().ok_or(AddressProblem)?);
        Ok(format!("{scheme}://{}{}", authority.as_str().to_ascii_lowercase(), url.path().trim_end_matches('/')))
    }

    /// Whether what is said to an address can be read along on its way: it is not encrypted, and leaves this machine.
    pub fn is_open(url: &str) -> bool {
        let Ok(url) = url.parse::<http::Uri>() else { return true };
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let stays = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        url.scheme_str() != Some("https") && !stays
    }
}

/// What is wrong with the variable, which is not shown.
fn not_an_address(problem: AddressProblem) -> ConfigError {
    ConfigError::Environment { name: ServerConnection::URL, problem: problem.to_string() }
}

/// Whether this is an address of the web that may be shown: one without anything in it that could be a key.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|url| {
        let is_web = matches!(url.scheme_str(), Some("http" | "https"));
        let names_host = url.authority().is_some_and(|it| !it.host().is_empty() && !it.as_str().contains('@'));
        is_web && names_host && url.query().is_none() && !text.contains('#')
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn of(url: &str, token: &str) -> Result<Option<(String, String)>, String> {
        let read = |name: &str| Some(if name == ServerConnection::URL { url } else { token }.to_owned());
        let found = ServerConnection::of_environment(read).map_err(|error| error.to_string())?;
        Ok(found.map(|found| (found.url, found.token.expose_secret().to_owned())))
    }

    #[test]
    fn both_or_none() {
        assert_eq!(of("", " "), Ok(None));
        assert_eq!(of("https://k.example/", "kh_1"), Ok(Some(("https://k.example".into(), "kh_1".into()))));
        assert!(of("https://k.example", "").unwrap_err().contains("KITARU_SERVER_URL"));
        assert!(of("", "kh_SECRET").is_err_and(|error| error.contains("KITARU_AUTH_TOKEN") && !error.contains("kh_SECRET")));
    }

    fn key_for(server: &str, url: &str, token: &str) -> Result<Option<String>, String> {
        let read = |name: &str| Some(if name == ServerConnection::URL { url } else { token }.to_owned());
        let found = ServerConnection::key_of_environment(server, read).map_err(|error| error.to_string())?;
        Ok(found.map(|found| found.expose_secret().to_owned()))
    }

    #[test]
    fn a_key_is_for_the_server_that_is_named_with_it_or_for_any() {
        let server = "https://k.example";
        assert_eq!(key_for(server, "https://K.example/", "kh_1"), Ok(Some("kh_1".into())));
        assert_eq!(key_for(server, "https://other.example", "kh_1"), Ok(None));
        assert_eq!(key_for(server, " ", "kh_1"), Ok(Some("kh_1".into())));
        assert_eq!(key_for(server, server, " "), Ok(None));
    }

    #[test]
    fn an_address_that_is_none_is_not_shown() {
        for bad in ["k.example", "kh_SECRET", "ftp://k.example", "https://me:SECRET@k.example", "https://k.example/?key=SECRET"] {
            for error in [of(bad, "t").unwrap_err(), key_for("https://k.example", bad, "t").unwrap_err()] {
                assert!(error.contains(ServerConnection::URL) && !error.contains("SECRET"), "{bad}: {error}");
            }
        }
    }

    #[test]
    fn one_server_has_one_address() {
        let address = |text: &str| ServerConnection::address(text).unwrap();
        for text in ["https://k.example", "HTTPS://K.Example/", " https://k.example// "] {
            assert_eq!(address(text), "https://k.example", "{text}");
        }
        assert_eq!(address("http://K.example:8383/Team/"), "http://k.example:8383/Team", "paths are not like names");
    }

    #[test]
    fn what_leaves_the_machine_unencrypted_is_open() {
        for stays in ["http://127.0.0.1:8383", "http://localhost", "http://LOCALHOST:1", "http://[::1]:8383", "https://k.example"]
        {
            assert!(!ServerConnection::is_open(stays), "{stays}");
        }
        for open in ["http://k.example", "http://192.168.0.7:8383", "http://localhost.example", "http://0.0.0.0:8383"] {
            assert!(ServerConnection::is_open(open), "{open}");
        }
    }
}
