//! Components that `cargo xtask guests` has built.

use std::path::{Path, PathBuf};

/// The top folder of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder above them")
}

fn built(file: &str) -> String {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let path = target.join("guests/wasm32-wasip2/release").join(format!("{}.wasm", file.replace('-', "_")));
    assert!(path.is_file(), "`{}` is missing; build it with: cargo xtask guests", path.display());
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The component of an example.
pub fn example(name: &str) -> String {
    built(name)
}

/// The component of a fixture guest. With `:flow`, the target that names this flow of it.
pub fn fixture(target: &str) -> String {
    match target.split_once(':') {
        Some((name, flow)) => format!("{}:{flow}", built(name)),
        None => built(target),
    }
}
