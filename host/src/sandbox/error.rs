//! What can go wrong before a flow runs, split by what a caller can do about it.

use super::manifest::ManifestError;
use super::middleware::{MiddlewareManifestError, SettingsError};

/// The sandbox cannot work on this machine.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Wasmtime refused its configuration.
    #[error("the WebAssembly engine could not be set up")]
    Engine(#[source] wasmtime::Error),
    /// The thread that interrupts spinning guests could not be started.
    #[error("the timer thread could not be started")]
    Ticker(#[source] std::io::Error),
}

/// A grant that is never given.
#[derive(Debug, thiserror::Error)]
#[error("the granted folder `{granted}` overlaps the host's own data folder `{private}`")]
pub struct PrivateFolder {
    /// The folder that was granted.
    pub granted: std::path::PathBuf,
    /// The folder that nobody is given.
    pub private: std::path::PathBuf,
}

impl PrivateFolder {
    /// A hint that tells a person what to do.
    pub fn hint(&self) -> String {
        "grant a folder beside it, or keep the data folder elsewhere (KITARU_HOME): whoever can write there can change journals and code".into()
    }
}

/// The bytes are not a component that this host can run.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// Nothing there.
    #[error("the file is empty")]
    Empty,
    /// Not WebAssembly at all.
    #[error("it is not a WebAssembly file")]
    NotWasm,
    /// A core module.
    #[error("it is a core WebAssembly module, not a component")]
    CoreModule,
    /// WebAssembly, but not valid.
    #[error("it is not a valid WebAssembly component")]
    Invalid(#[source] wasmtime::Error),
    /// Compiling it would take more than a component is worth.
    #[error("it takes too much to compile: {0}")]
    TooComplex(String),
    /// It does not export `kitaru:flow/program`.
    #[error("it is a component, but not a flow: it does not export `kitaru:flow/program@{version}`")]
    NotAFlow {
        /// The version of the package that this host speaks.
        version: &'static str,
    },
    /// It does not export `kitaru:llm-middleware/hooks`.
    #[error("it is a component, but no middleware: it does not export `kitaru:llm-middleware/hooks@{version}`")]
    NotMiddleware {
        /// The version of the package that this host speaks.
        version: &'static str,
    },
    /// It needs something that the host does not have.
    #[error("it imports what this host does not offer: {}", .imports.join(", "))]
    UnknownImports {
        /// Their names.
        imports: Vec<String>,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It has an interface of ours in another shape.
    #[error("its `kitaru` interfaces do not have the shapes that this host expects")]
    Shape(#[source] wasmtime::Error),
    /// `describe` failed.
    #[error("its `describe` function failed: {0}")]
    Describe(String),
    /// `describe` returned something else than a manifest.
    #[error("its manifest is not usable")]
    Manifest(#[from] ManifestError),
    /// `describe` returned something else than the manifest of middleware.
    #[error("its manifest is not usable")]
    MiddlewareManifest(#[from] MiddlewareManifestError),
    /// It is middleware, and cannot be installed as somebody wants it.
    #[error(transparent)]
    MiddlewareSettings(#[from] SettingsError),
}

impl ComponentError {
    /// A hint that tells a person what to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Empty | Self::NotWasm => {
                Some("build a flow with `kitaru-host build`, then run the `.wasm` file that it names".into())
            }
            Self::CoreModule => {
                Some("compile for the target wasm32-wasip2, or wrap the module with `wasm-tools component new`".into())
            }
            Self::Invalid(_) => Some("the file may be truncated; build it again".into()),
            Self::TooComplex(_) => Some("split what is too large; code that compilers make does not come near the limits".into()),
            Self::NotAFlow { .. } => Some("add the `kitaru` crate and a function marked `#[flow]`".into()),
            Self::NotMiddleware { .. } => Some("add the `kitaru-middleware` crate, and `export!` its middleware".into()),
            Self::UnknownImports { hint, .. } => hint.clone(),
            Self::Shape(_) => Some("rebuild it with the SDK that came with this host".into()),
            Self::Describe(_) | Self::Manifest(_) | Self::MiddlewareManifest(_) | Self::MiddlewareSettings(_) => None,
        }
    }
}
