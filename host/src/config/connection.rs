//! The server that commands work with, as far as the environment names one: `KITARU_SERVER_URL` and `KITARU_AUTH_TOKEN`, always together.

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

impl ServerConnection {
    /// The variable with the address.
    pub const URL: &'static str = "KITARU_SERVER_URL";
    /// The variable with the key or token.
    pub const TOKEN: &'static str = "KITARU_AUTH_TOKEN";

    /// The server that the environment names, if it names one.
    ///
    /// # Errors
    /// When one variable is set without the other, or the address is none. No error has a value in it: somebody may have mixed the two up.
    pub fn of_environment(environment: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let read = |name| environment(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let alone = |name, other: &str| ConfigError::Environment {
            name,
            problem: format!("it is set without {other}, and the two belong together"),
        };
        match (read(Self::URL), read(Self::TOKEN)) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(alone(Self::URL, Self::TOKEN)),
            (None, Some(_)) => Err(alone(Self::TOKEN, Self::URL)),
            (Some(url), Some(token)) => {
                let url = url.trim_end_matches('/').to_owned();
                if !is_address(&url) {
                    let problem =
                        "it must begin with http:// or https://, name a host, and have no user, query or fragment".into();
                    return Err(ConfigError::Environment { name: Self::URL, problem });
                }
                Ok(Some(Self { url, token: token.into() }))
            }
        }
    }
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

    #[test]
    fn an_address_that_is_none_is_not_shown() {
        for bad in ["k.example", "kh_SECRET", "ftp://k.example", "https://me:SECRET@k.example", "https://k.example/?key=SECRET"] {
            let error = of(bad, "t").unwrap_err();
            assert!(error.contains(ServerConnection::URL) && !error.contains("SECRET"), "{bad}: {error}");
        }
    }
}
