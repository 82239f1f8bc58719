//! Where this host learns which models there are: the user's own file, `models.toml` in the data folder over it, the project's `kitaru.toml` over
//! both, and `KITARU_MODEL_REGISTRY` over all. The names of secrets are in there, and no key.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kitaru_llm::models::{
    Alias, Environment, FrozenModels, ModelAlias, ModelRegistry, Provider, REGISTRY_VARIABLE, RegistryError,
};
use serde::Serialize;

use super::model_table::{ModelEntryError, ModelTable};
use super::whole_file::{self, FileError};

/// Name of the file.
const FILE: &str = "models.toml";
/// Name of the file whose lock whoever changes the other holds.
const LOCK: &str = "models.lock";
/// What people read who open the file.
const HEAD: &str =
    "# Model aliases of this data folder. `kitaru-host model register` and `remove` write this file anew, without comments.\n\n";

/// The aliases of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectModels {
    /// The file that has them.
    pub file: PathBuf,
    /// What they are.
    pub registry: ModelRegistry,
}

/// Who says what an alias stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelOrigin {
    /// The user's own file.
    User,
    /// `models.toml` in the data folder.
    Local,
    /// The project's `kitaru.toml`.
    Project,
    /// `KITARU_MODEL_REGISTRY`.
    Environment,
}

impl ModelOrigin {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Local => "local",
            Self::Project => "project",
            Self::Environment => "environment",
        }
    }
}

/// All that is known of models at a moment.
#[derive(Clone, Debug)]
pub struct KnownModels {
    /// What calls would be resolved with.
    pub frozen: FrozenModels,
    /// Who says so, for each alias.
    pub origins: BTreeMap<Alias, ModelOrigin>,
}

impl KnownModels {
    /// The alias of calls that name no model while `KITARU_DEFAULT_MODEL` does not either: the default, else the only one. It may be one that is not
    /// there.
    pub fn default_alias(&self) -> Option<&Alias> {
        let registry = &self.frozen.registry;
        registry.default.as_ref().or_else(|| registry.only())
    }
}

/// Aliases cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The file cannot be read, written or understood.
    #[error(transparent)]
    File(#[from] FileError),
    /// One of its entries cannot be used.
    #[error(transparent)]
    Entry(#[from] ModelEntryError),
    /// The change is refused, or `KITARU_MODEL_REGISTRY` cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// This host keeps no aliases.
    #[error("there is no data folder to keep model aliases in")]
    NoFolder,
    /// The process ends.
    #[error("the model aliases could not be looked at")]
    Interrupted(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ModelsError {
    /// A hint that tells a person what to do, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Entry(error) => error.source.hint().map(Into::into),
            Self::Registry(RegistryError::Unknown { .. }) => Some("list them: kitaru-host model list".into()),
            Self::Registry(error) => error.hint().map(str::to_owned),
            Self::File(FileError::Parse { .. }) => Some("mend it by hand, or remove it and register the aliases anew".into()),
            Self::File(_) | Self::NoFolder | Self::Interrupted(_) => None,
        }
    }
}

/// Where this host learns which models there are. The default is nowhere.
#[derive(Clone)]
pub struct ModelSources {
    file: Option<PathBuf>,
    user: Option<ProjectModels>,
    project: Option<ProjectModels>,
    environment: Arc<dyn Environment>,
}

impl Default for ModelSources {
    fn default() -> Self {
        Self { file: None, user: None, project: None, environment: Arc::new(BTreeMap::<String, String>::new()) }
    }
}

impl std::fmt::Debug for ModelSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelSources").field("file", &self.file).field("project", &self.project).finish_non_exhaustive()
    }
}

impl ModelSources {
    /// Of the data folder `folder`, for what runs with the configuration of a project. Nothing is read yet.
    pub fn new(folder: &Path, project: Option<ProjectModels>, environment: Arc<dyn Environment>) -> Self {
        Self { file: Some(folder.join(FILE)), user: None, project, environment }
    }

    /// The same, with those of the user's own file below all others.
    #[must_use]
    pub fn over(self, user: Option<ProjectModels>) -> Self {
        Self { user, ..self }
    }

    /// The file that [`ModelSources::change`] changes.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The project's file, where it has aliases.
    pub fn project_file(&self) -> Option<&Path> {
        self.project.as_ref().map(|project| project.file.as_path())
    }

    /// The file that says what an alias of this origin stands for, where it is a file that commands do not change.
    pub fn file_of(&self, origin: ModelOrigin) -> Option<&Path> {
        let models = match origin {
            ModelOrigin::User => &self.user,
            ModelOrigin::Project => &self.project,
            ModelOrigin::Local | ModelOrigin::Environment => &None,
        };
        models.as_ref().map(|models| models.file.as_path())
    }

    /// The environment that is looked at.
    pub fn environment(&self) -> &Arc<dyn Environment> {
        &self.environment
    }

    /// The names of the environment variables that hold keys of providers.
    pub fn provider_keys(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        for key in Provider::all().iter().flat_map(|provider| provider.keys.iter().copied()) {
            let is_set = || self.environment.variable(key).is_some_and(|value| !value.trim().is_empty());
            if !found.contains(&key) && is_set() {
                found.push(key);
            }
        }
        found
    }

    /// All that is known now.
    ///
    /// # Errors
    /// When the file or the environment variable says something that is not understood.
    pub fn known(&self) -> Result<KnownModels, ModelsError> {
        let own = self.own()?;
        let of = |models: &Option<ProjectModels>| models.as_ref().map(|models| models.registry.clone()).unwrap_or_default();
        let (user, project) = (of(&self.user), of(&self.project));
        let variable = self.environment.variable(REGISTRY_VARIABLE).filter(|value| !value.trim().is_empty());
        let transported = variable.map(|value| ModelRegistry::from_variable(&value)).transpose()?.unwrap_or_default();
        let by =
            |registry: &ModelRegistry, origin| registry.aliases.keys().map(|alias| (alias.clone(), origin)).collect::<Vec<_>>();
        let layers = [
            (&user, ModelOrigin::User),
            (&own, ModelOrigin::Local),
            (&project, ModelOrigin::Project),
            (&transported, ModelOrigin::Environment),
        ];
        let origins = layers.into_iter().flat_map(|(registry, origin)| by(registry, origin)).collect();
        Ok(KnownModels {
            frozen: FrozenModels::freeze(user.overlaid(own).overlaid(project), self.environment.as_ref())?,
            origins,
        })
    }

    /// The data folder's own aliases.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn own(&self) -> Result<ModelRegistry, ModelsError> {
        Ok(self.file.as_deref().map(read).transpose()?.unwrap_or_default())
    }

    /// Changes the data folder's own aliases. Whoever changes them at the same time comes before or after, and readers see the file whole.
    ///
    /// # Errors
    /// When the change is refused, or the file cannot be read or written: then it is as it was.
    pub fn change<T>(&self, change: impl FnOnce(&mut ModelRegistry) -> Result<T, RegistryError>) -> Result<T, ModelsError> {
        let path = self.file.as_deref().ok_or(ModelsError::NoFolder)?;
        let lock = whole_file::lock(path, LOCK)?;
        let mut registry = read(path)?;
        let done = change(&mut registry)?;
        write(path, &registry).map_err(FileError::writing(path))?;
        drop(lock);
        Ok(done)
    }
}

fn read(path: &Path) -> Result<ModelRegistry, ModelsError> {
    let Some(text) = whole_file::read(path)? else { return Ok(ModelRegistry::default()) };
    let table: ModelTable = whole_file::parse(path, &text, "model aliases")?;
    Ok(table.registry(path, &text, "")?)
}

/// The file as it is written: the default first, as people read it.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'a Alias>,
    aliases: &'a BTreeMap<Alias, ModelAlias>,
}

fn write(path: &Path, registry: &ModelRegistry) -> io::Result<()> {
    let ModelRegistry { aliases, default } = registry;
    let text = toml::to_string(&Written { default: default.as_ref(), aliases }).map_err(io::Error::other)?;
    whole_file::write(path, &format!("{HEAD}{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(folder: &Path, variables: &[(&str, &str)]) -> ModelSources {
        let mut registry = ModelRegistry::default();
        registry.register("smart", ModelAlias::of("anthropic/b")).unwrap();
        let project = ProjectModels { file: folder.join("kitaru.toml"), registry: ModelRegistry { default: None, ..registry } };
        let environment: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ModelSources::new(folder, Some(project), Arc::new(environment))
    }

    fn register(sources: &ModelSources, alias: &str, model: ModelAlias) {
        sources.change(|registry| registry.register(alias, model).map(drop)).unwrap();
    }

    #[test]
    fn what_is_written_reads_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let sources = ModelSources::new(folder.path(), None, Arc::new(BTreeMap::<String, String>::new()));
        assert!(sources.known().unwrap().frozen.registry.aliases.is_empty());
        let own = ModelAlias {
            base_url: Some("http://127.0.0.1:1/v1".into()),
            api: Some(kitaru_llm::codec::Api::AnthropicMessages),
            fallbacks: vec!["fast".into(), "openai/\"quoted\"".into()],
            ..ModelAlias::of("vllm/m").with_secret("creds")
        };
        register(&sources, "fast", ModelAlias::of("openai/a"));
        register(&sources, "own", own.clone());
        let known = sources.known().unwrap();
        assert_eq!(known.frozen.registry.find("own").unwrap().1, &own);
        assert_eq!(known.default_alias().unwrap().as_str(), "fast");
        sources.change(|registry| registry.remove("fast").map(drop)).unwrap();
        assert_eq!(sources.known().unwrap().default_alias().unwrap().as_str(), "own");
        sources.change(|registry| registry.remove("own").map(drop)).unwrap();
        assert_eq!(sources.known().unwrap().frozen, FrozenModels::default());
        let refused = sources.change(|registry| registry.set_default("gone")).unwrap_err();
        assert!(matches!(refused, ModelsError::Registry(RegistryError::Unknown { .. })) && refused.hint().is_some());
        #[cfg(unix)]
        for name in [FILE, LOCK] {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn the_project_goes_over_the_data_folder_and_the_variable_over_both() {
        let folder = tempfile::tempdir().unwrap();
        let alone = sources(folder.path(), &[]);
        assert_eq!(alone.known().unwrap().default_alias().unwrap().as_str(), "smart", "the only one");
        for (alias, model) in [("fast", "openai/a"), ("smart", "openai/c")] {
            register(&alone, alias, ModelAlias::of(model));
        }
        let known = alone.known().unwrap();
        assert_eq!(known.frozen.registry.find("smart").unwrap().1.model, "anthropic/b");
        assert_eq!(known.default_alias().unwrap().as_str(), "fast", "the project names none");
        let variable = r#"{"aliases":{"fast":{"model":"ollama/d"}},"default":"smart"}"#;
        let known = sources(folder.path(), &[(REGISTRY_VARIABLE, variable), ("KITARU_DEFAULT_MODEL", "x/y")]).known().unwrap();
        let origins: Vec<_> = known.origins.iter().map(|(alias, origin)| (alias.as_str(), origin.as_str())).collect();
        assert_eq!(origins, [("fast", "environment"), ("smart", "project")]);
        assert_eq!(known.frozen.registry.find("fast").unwrap().1.model, "ollama/d");
        assert_eq!((known.default_alias().unwrap().as_str(), known.frozen.transported), ("smart", true));
        assert_eq!(known.frozen.default_model.as_deref(), Some("x/y"));
        let keys = [("HF_TOKEN", "a"), ("OPENAI_API_KEY", "b"), ("GROQ_API_KEY", " ")];
        assert_eq!(sources(folder.path(), &keys).provider_keys(), ["OPENAI_API_KEY", "HF_TOKEN"], "each once");
        let broken = sources(folder.path(), &[(REGISTRY_VARIABLE, "{")]).known().unwrap_err();
        assert!(broken.to_string().contains(REGISTRY_VARIABLE) && broken.hint().is_some(), "{broken}");
    }

    #[test]
    fn the_users_own_aliases_are_below_all_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = ModelRegistry::default();
        for (alias, model) in [("fast", "openai/u"), ("smart", "openai/u"), ("mine", "openai/u")] {
            registry.register(alias, ModelAlias::of(model)).unwrap();
        }
        let file = folder.path().join("config.toml");
        let sources = sources(folder.path(), &[]).over(Some(ProjectModels { file, registry }));
        register(&sources, "fast", ModelAlias::of("openai/a"));
        let known = sources.known().unwrap();
        let origins: Vec<_> = known.origins.iter().map(|(alias, origin)| (alias.as_str(), origin.as_str())).collect();
        assert_eq!(origins, [("fast", "local"), ("mine", "user"), ("smart", "project")]);
        assert_eq!(known.frozen.registry.find("fast").unwrap().1.model, "openai/a");
        assert_eq!(known.frozen.registry.find("mine").unwrap().1.model, "openai/u");
    }

    #[test]
    fn a_damaged_file_is_told_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let sources = ModelSources::new(folder.path(), None, Arc::new(BTreeMap::<String, String>::new()));
        for damaged in ["[aliases.fast]\nmodle = \"openai/a\"\n", "[aliases.fast]\nmodel = \"a\"\n"] {
            std::fs::write(folder.path().join(FILE), damaged).unwrap();
            let error = sources.change(|registry| registry.register("b", ModelAlias::of("openai/b")).map(drop)).unwrap_err();
            assert!(error.to_string().contains(FILE), "{error}");
            assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), damaged);
        }
        assert!(matches!(ModelSources::default().change(|_| Ok(())), Err(ModelsError::NoFolder)));
    }
}
