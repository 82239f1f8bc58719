//! A machine of somebody's own, from which they work with a host elsewhere.

use std::path::PathBuf;

use kitaru_tests::{Host, Reply, Served};

/// A host that is served, and a machine on which somebody is logged in to it.
pub(super) struct Team {
    /// The host with the data.
    pub(super) host: Host,
    /// Its API.
    pub(super) served: Served,
    /// The machine, which has a data folder of its own.
    pub(super) laptop: Host,
    /// The key with which they are logged in.
    pub(super) key: String,
}

impl Team {
    /// Somebody with this role.
    pub(super) fn new(role: &str) -> Self {
        Self::over(Host::warm(), role)
    }

    /// The same over a host that has something already.
    pub(super) fn over(host: Host, role: &str) -> Self {
        let served = Served::start(&host);
        let key = Served::key(&host, "ada", role, &[]);
        let laptop = Host::new();
        let team = Self { host, served, laptop, key };
        let logged_in = team.log_in(&team.key);
        assert_eq!(logged_in.code, Some(0), "{logged_in:?}");
        team
    }

    /// Where the host is.
    pub(super) fn url(&self) -> String {
        url_of(&self.served)
    }

    /// `login` with a key.
    pub(super) fn log_in(&self, key: &str) -> Reply {
        self.laptop.with_input(["login", &self.url(), "--key-stdin"], &format!("{key}\n"))
    }

    /// Where the laptop keeps its keys.
    pub(super) fn credentials(&self) -> PathBuf {
        self.laptop.user_file().with_file_name("credentials.toml")
    }

    /// A command of the laptop, with these variables in its environment.
    pub(super) fn with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Reply {
        let mut command = self.laptop.json_command(arguments);
        command.envs(variables.iter().copied());
        Reply::from(command)
    }
}

/// Where a host is.
pub(super) fn url_of(served: &Served) -> String {
    format!("http://{}", served.address)
}
