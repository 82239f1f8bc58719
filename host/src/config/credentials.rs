//! The servers that somebody has logged in to: `credentials.toml` in their own folder for configuration. Nobody else may read it, and no message
//! shows what is in it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{FileError, ServerConnection, user_folder, whole_file};

/// Name of the file.
const FILE: &str = "credentials.toml";
/// Name of the file whose lock whoever changes the other holds.
const LOCK: &str = "credentials.lock";
/// What people read who open the file.
const HEAD: &str =
    "# Servers that `kitaru-host login` has logged in to. `kitaru-host logout` forgets them. Keep this file to yourself.\n\n";

/// What was stored when somebody logged in.
#[derive(Clone, Debug)]
pub struct Login {
    /// An API key, or a token.
    pub token: SecretString,
    /// Whom the server knows them as.
    pub who: String,
    /// When it ends, in RFC 3339, where it does.
    pub expires_at: Option<String>,
}

/// All that is stored.
#[derive(Clone, Debug, Default)]
pub struct Logins {
    /// The address of the server that commands work with.
    pub current: Option<String>,
    /// By address.
    pub servers: BTreeMap<String, Login>,
}

impl Logins {
    /// The server that commands work with, if there is one.
    pub fn connection(&self) -> Option<ServerConnection> {
        self.to(self.current.as_deref()?)
    }

    /// The server of this address, if somebody has logged in to it.
    pub fn to(&self, url: &str) -> Option<ServerConnection> {
        let login = self.servers.get(url)?;
        Some(ServerConnection { url: url.to_owned(), token: login.token.clone() })
    }
}

/// The file as it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    servers: BTreeMap<String, WrittenLogin>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLogin {
    token: String,
    who: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// What is stored cannot be read or changed. No message has anything of it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Nobody says where the file is to be.
    #[error("there is no folder to keep credentials in")]
    NoFolder,
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others may read the file.
    #[error("others can read `{path}`, which has keys in it")]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// The file says something that is not understood.
    #[error("`{path}` has no usable credentials: line {line} is not understood")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: usize,
    },
}

impl CredentialsError {
    /// A hint that tells a person what to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoFolder => Some("set HOME, or XDG_CONFIG_HOME to an absolute path".into()),
            Self::Exposed { path } => Some(format!("chmod 600 '{}'", path.display())),
            Self::Parse { path, .. } => Some(format!("remove it, and log in again: rm '{}'", path.display())),
            Self::File(_) => None,
        }
    }
}

/// Where credentials are kept. Nothing is read yet.
#[derive(Clone, Debug)]
pub struct Credentials {
    file: Option<PathBuf>,
}

impl Credentials {
    /// In the folder for configuration that the environment names.
    pub fn of(environment: impl Fn(&str) -> Option<PathBuf>) -> Self {
        Self { file: user_folder(environment).map(|folder| folder.join(FILE)) }
    }

    /// The file, which need not be there.
    ///
    /// # Errors
    /// When nobody says where it is.
    pub fn path(&self) -> Result<&Path, CredentialsError> {
        self.file.as_deref().ok_or(CredentialsError::NoFolder)
    }

    /// What is stored. Nothing, where there is no place for it.
    ///
    /// # Errors
    /// When the file cannot be read or understood, or others may read it.
    pub fn read(&self) -> Result<Logins, CredentialsError> {
        self.file.as_deref().map_or_else(|| Ok(Logins::default()), read)
    }

    /// Stores a login, and lets commands work with that server from now on.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn log_in(&self, url: &str, login: Login) -> Result<(), CredentialsError> {
        self.change(|logins| {
            logins.current = Some(url.to_owned());
            logins.servers.insert(url.to_owned(), login);
        })
    }

    /// Forgets the server of this address; without one, that which commands work with. Which it was, if there was any.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn log_out(&self, url: Option<&str>) -> Result<Option<String>, CredentialsError> {
        if self.read()?.servers.is_empty() {
            return Ok(None);
        }
        self.change(|logins| {
            let url = url.map(str::to_owned).or_else(|| logins.current.clone())?;
            let known = logins.servers.remove(&url).is_some();
            if logins.current.as_ref() == Some(&url) {
                logins.current = None;
            }
            known.then_some(url)
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Logins) -> T) -> Result<T, CredentialsError> {
        let path = self.path()?;
        let failed = FileError::writing(path);
        make_private(path.parent().unwrap_or(Path::new("."))).map_err(&failed)?;
        let _lock = whole_file::lock(path, LOCK)?;
        let mut logins = read(path)?;
        let changed = change(&mut logins);
        let servers = logins.servers.into_iter().map(|(url, login)| {
            let Login { token, who, expires_at } = login;
            (url, WrittenLogin { token: token.expose_secret().to_owned(), who, expires_at })
        });
        let written = Written { current: logins.current, servers: servers.collect() };
        let text = toml::to_string(&written).map_err(|error| failed(io::Error::other(error)))?;
        whole_file::write(path, &format!("{HEAD}{text}")).map_err(failed)?;
        Ok(changed)
    }
}

/// A folder for configuration may be there for other programs already: then it stays as it is, and the file is private by itself.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn read(path: &Path) -> Result<Logins, CredentialsError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let text = match std::fs::File::open(path) {
        Ok(file) => {
            check_private(path, &file.metadata().map_err(failed)?)?;
            io::read_to_string(file).map_err(failed)?
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Logins::default()),
        Err(error) => return Err(failed(error).into()),
    };
    // Messages of the parser show the text, and so the keys in it.
    let written: Written = toml::from_str(&text).map_err(|error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        CredentialsError::Parse { path: path.to_owned(), line: before.matches('\n').count() + 1 }
    })?;
    let servers = written
        .servers
        .into_iter()
        .map(|(url, WrittenLogin { token, who, expires_at })| (url, Login { token: SecretString::from(token), who, expires_at }));
    Ok(Logins { current: written.current, servers: servers.collect() })
}

#[cfg(unix)]
fn check_private(path: &Path, metadata: &std::fs::Metadata) -> Result<(), CredentialsError> {
    use std::os::unix::fs::PermissionsExt as _;
    if metadata.permissions().mode() & 0o077 == 0 { Ok(()) } else { Err(CredentialsError::Exposed { path: path.to_owned() }) }
}

#[cfg(not(unix))]
fn check_private(_: &Path, _: &std::fs::Metadata) -> Result<(), CredentialsError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(token: &str) -> Login {
        Login { token: SecretString::from(token), who: "ada".into(), expires_at: None }
    }

    fn credentials(folder: &Path) -> Credentials {
        Credentials::of(|name| ["XDG_CONFIG_HOME", "HOME", "APPDATA"].contains(&name).then(|| folder.to_owned()))
    }

    #[test]
    fn the_last_login_is_the_one_that_counts() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = credentials(folder.path());
        assert!(credentials.read().unwrap().connection().is_none());
        assert_eq!(credentials.log_out(None).unwrap(), None);
        assert!(!credentials.path().unwrap().exists(), "there was nothing to forget");
        credentials.log_in("https://a.example", login("kh_A")).unwrap();
        credentials.log_in("https://b.example", login("kh_B")).unwrap();
        let logins = credentials.read().unwrap();
        assert_eq!(logins.connection().unwrap().url, "https://b.example");
        assert_eq!(logins.to("https://a.example").unwrap().token.expose_secret(), "kh_A");
        assert!(!format!("{logins:?}").contains("kh_"), "{logins:?}");
        assert_eq!(credentials.log_out(None).unwrap().as_deref(), Some("https://b.example"));
        let left = credentials.read().unwrap();
        assert!(left.connection().is_none() && left.servers.len() == 1, "the other is not what commands work with");
        assert_eq!(credentials.log_out(None).unwrap(), None);
        assert_eq!(credentials.log_out(Some("https://a.example")).unwrap().as_deref(), Some("https://a.example"));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let credentials = credentials(&folder.path().join("new"));
        credentials.log_in("https://a.example", login("kh_A")).unwrap();
        let path = credentials.path().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = credentials.read().unwrap_err();
        assert!(matches!(error, CredentialsError::Exposed { .. }) && error.hint().unwrap().contains("chmod 600"), "{error}");
    }

    #[test]
    fn what_is_not_understood_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = credentials(folder.path());
        credentials.log_in("https://a.example", login("kh_SECRET")).unwrap();
        let path = credentials.path().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        for broken in [text.replace("who = ", "whose = "), text.replace("kh_SECRET\"", "kh_SECRET"), format!("{text}[[")] {
            std::fs::write(path, broken).unwrap();
            let error = credentials.read().unwrap_err();
            assert!(matches!(error, CredentialsError::Parse { .. }), "{error:?}");
            assert!(!format!("{error:?} {error}").contains("SECRET"), "{error:?}");
        }
    }
}
