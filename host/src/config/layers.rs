//! The files that say how the host works, one over the other: the project's `kitaru.toml` over the user's own file, which has the same tables and
//! holds for all projects. The project's wins key by key; a list, and a table whose keys belong together, is taken as a whole.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{ConfigError, LogStore, ProjectConfig};

/// Tables whose keys belong together: the key of a log store must not go to the address of another.
const WHOLE: [&str; 1] = ["log_store"];

/// Lists of folders, in `[grants]` and in what single checkpoints are granted.
const FOLDERS: [&str; 2] = ["read", "write"];

/// Keys with one path, by the tables around them.
const PATHS: [[&str; 3]; 4] =
    [["telemetry", "", "atof"], ["llm", "prices", "file"], ["server", "", "tls_certificate"], ["server", "", "tls_key"]];

/// Whose file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOwner {
    /// The project's `kitaru.toml`.
    Project,
    /// The user's own.
    User,
}

/// One file.
#[derive(Clone, Debug)]
struct Layer {
    path: PathBuf,
    /// As it is written.
    table: Table,
    /// The same, understood.
    config: ProjectConfig,
}

impl Layer {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let config = ProjectConfig::parse(path, &text)?;
        let table =
            toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        Ok(Self { path: path.to_owned(), table, config })
    }

    /// Its tables, with paths that mean the same wherever they are read.
    fn anchored(&self) -> Table {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let mut table = self.table.clone();
        if let Some(grants) = table.get_mut("grants").and_then(Value::as_table_mut) {
            anchor_folders(grants, folder);
            let single = grants.get_mut("checkpoints").and_then(Value::as_table_mut);
            for grants in single.into_iter().flatten().filter_map(|(_, grants)| grants.as_table_mut()) {
                anchor_folders(grants, folder);
            }
        }
        for [table_name, below, key] in PATHS {
            let found = table.get_mut(table_name).and_then(Value::as_table_mut);
            let found = if below.is_empty() { found } else { found.and_then(|it| it.get_mut(below)?.as_table_mut()) };
            if let Some(Value::String(path)) = found.and_then(|it| it.get_mut(key)) {
                *path = under(folder, path);
            }
        }
        let middleware = table.get_mut("llm").and_then(|llm| llm.get_mut("middleware")).and_then(Value::as_array_mut);
        for one in middleware.into_iter().flatten().filter_map(Value::as_table_mut) {
            if let Some(Value::String(component)) = one.get_mut("component")
                && component.parse::<crate::ids::ComponentDigest>().is_err()
            {
                *component = under(folder, component);
            }
        }
        table
    }
}

fn under(folder: &Path, path: &str) -> String {
    folder.join(path).to_string_lossy().into_owned()
}

/// Folders keep the names that guests know them by.
fn anchor_folders(grants: &mut Table, folder: &Path) {
    for key in FOLDERS {
        let listed = grants.get_mut(key).and_then(Value::as_array_mut);
        for one in listed.into_iter().flatten() {
            if let Value::String(text) = one {
                let (host, guest) = text.rsplit_once("::").unwrap_or((text, text));
                *text = format!("{}::{guest}", under(folder, host));
            }
        }
    }
}

/// What the files say together.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// What counts.
    pub merged: ProjectConfig,
    user: Option<Layer>,
    project: Option<Layer>,
}

impl Configuration {
    /// Reads the user's file, which may be missing, and the project's.
    ///
    /// # Errors
    /// When one cannot be read or understood.
    pub fn read(user: Option<&Path>, project: Option<&Path>) -> Result<Self, ConfigError> {
        let user = user.filter(|path| path.exists()).map(Layer::read).transpose()?;
        let project = project.map(Layer::read).transpose()?;
        let merged = match (&user, &project) {
            (None, None) => ProjectConfig::default(),
            (Some(user), None) => ProjectConfig { models: None, user_models: user.config.models.clone(), ..user.config.clone() },
            (None, Some(project)) => project.config.clone(),
            (Some(user), Some(project)) => merge(user, project)?,
        };
        Ok(Self { merged, user, project })
    }

    /// The files that were read: the one that counts more first.
    pub fn files(&self) -> impl Iterator<Item = (FileOwner, &Path)> {
        let layers = [(FileOwner::Project, &self.project), (FileOwner::User, &self.user)];
        layers.into_iter().filter_map(|(owner, layer)| Some((owner, layer.as_ref()?.path.as_path())))
    }

    /// Whose file says what holds for a key, such as `host.durability`; none where no file does.
    pub fn owner_of(&self, key: &str) -> Option<FileOwner> {
        let says = |layer: &Option<Layer>| layer.as_ref().is_some_and(|layer| at(&layer.table, key).is_some());
        let is_whole = key.split_once('.').is_some_and(|(table, _)| WHOLE.contains(&table));
        match (says(&self.project), says(&self.user)) {
            (true, _) => Some(FileOwner::Project),
            (false, true) if is_whole && self.project.as_ref().is_some_and(|it| has_table(&it.table, key)) => None,
            (false, true) => Some(FileOwner::User),
            (false, false) => None,
        }
    }

    /// The log store that a file names.
    pub fn log_store_of(&self, owner: FileOwner) -> Option<LogStore> {
        let layer = match owner {
            FileOwner::Project => &self.project,
            FileOwner::User => &self.user,
        };
        layer.as_ref()?.config.log_store.clone()
    }

    /// Every key that a file says something under, in the tables' order, with the value that counts and whose it is. Lists are one value.
    pub fn said(&self) -> Vec<(String, Value, FileOwner)> {
        let mut together = self.user.as_ref().map(|layer| layer.table.clone()).unwrap_or_default();
        lay_over(&mut together, self.project.as_ref().map(|layer| layer.table.clone()).unwrap_or_default(), true);
        let mut leaves = Vec::new();
        flatten(&mut leaves, "", &together);
        let with_owner = |(key, value): (String, Value)| self.owner_of(&key).map(|owner| (key, value, owner));
        leaves.into_iter().filter_map(with_owner).collect()
    }
}

fn merge(user: &Layer, project: &Layer) -> Result<ProjectConfig, ConfigError> {
    let unusable = |source| ConfigError::Parse { path: project.path.clone(), source: Box::new(source) };
    let mut table = user.anchored();
    lay_over(&mut table, project.anchored(), true);
    // Aliases have places of their own among those who say what they mean.
    table.remove("models");
    let text = toml::to_string(&table).map_err(|error| unusable(<toml::de::Error as serde::de::Error>::custom(error)))?;
    let merged = ProjectConfig::parse(&project.path, &text)?;
    Ok(ProjectConfig { models: project.config.models.clone(), user_models: user.config.models.clone(), ..merged })
}

fn lay_over(below: &mut Table, above: Table, at_top: bool) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if !(at_top && WHOLE.contains(&key.as_str())) => {
                lay_over(below, above, false);
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn at<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let mut words = key.split('.');
    let first = table.get(words.next()?)?;
    words.try_fold(first, |here, word| here.get(word))
}

fn has_table(table: &Table, key: &str) -> bool {
    key.split('.').next().is_some_and(|name| table.contains_key(name))
}

fn flatten(leaves: &mut Vec<(String, Value)>, prefix: &str, table: &Table) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(table) => flatten(leaves, &key, table),
            value => leaves.push((key, value.clone())),
        }
    }
}

/// The user's own file: what `KITARU_CONFIG_PATH` names, else `kitaru/config.toml` in the platform's folder for configuration. It need not be there.
pub fn user_file(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    env(USER_FILE).or_else(|| user_folder(&env).map(|folder| folder.join("config.toml")))
}

/// The user's own folder for configuration: `kitaru` in the platform's. It need not be there.
pub fn user_folder(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let folder = if cfg!(windows) {
        env("APPDATA")
    } else if cfg!(target_os = "macos") {
        env("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        let xdg = env("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute());
        xdg.or_else(|| env("HOME").map(|home| home.join(".config")))
    };
    folder.map(|folder| folder.join("kitaru"))
}

/// The variable that names the user's own file.
pub const USER_FILE: &str = "KITARU_CONFIG_PATH";

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
