//! The web page in a real browser: tests in JavaScript (`tests/page`), which drive a headless Chromium against a host that a test has set up.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::installed::{installed, must_run, target};
use crate::{Host, Served, repository};

/// What Chromium is called.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const NEEDS: &str = "Tests of the page need Chromium, and Node 18 or newer with npm and a package registry. `cargo xtask test` installs them on Debian \
                     (scripts/browser.sh); KITARU_CHROMIUM names another Chromium.";

/// A host with its page, and who may come.
pub struct Page {
    served: Served,
    given: Value,
}

impl Page {
    /// Serves the page of a host.
    pub fn of(host: &Host) -> Self {
        let served = Served::start(host);
        let url = format!("http://{}", served.address);
        let login = format!("{url}/login#code={}", served.login_code);
        Self { served, given: json!({ "url": url, "login": login, "keys": {} }) }
    }

    /// The host.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// The same with a service account of this role, named after it, whose key the browser has.
    #[must_use]
    pub fn and(mut self, host: &Host, role: &str) -> Self {
        let _ = host.item(["auth", "service-accounts", "create", role, "--role", role]);
        self.given["keys"][role] = host.item(["auth", "api-keys", "create", role, "browser"])["key"].clone();
        self
    }

    /// The same with something that the tests in the browser have to know.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.given[name] = value.into();
        self
    }

    /// Runs the tests of a file of `tests/page`, which must pass.
    #[track_caller]
    pub fn passes(&self, file: &str) {
        let screenshots = target().join("page-screenshots");
        std::fs::create_dir_all(&screenshots).expect("a folder below target");
        let mut node = Command::new("node");
        node.args(["--test", "--test-reporter=spec"]).arg(repository().join("tests/page").join(file));
        node.env("KITARU_PAGE_GIVEN", self.given.to_string()).env("KITARU_PAGE_PACKAGES", packages());
        node.env("KITARU_PAGE_SCREENSHOTS", screenshots).env("KITARU_CHROMIUM", browser());
        if let Some(folder) = std::env::var_os("KITARU_PAGE_FILES") {
            node.env("KITARU_PAGE_FILES", repository().join(folder));
        }
        must_pass(node);
    }
}

/// Runs the tests of the page's own modules, which need no browser.
#[track_caller]
pub fn modules_pass() {
    let folder = repository().join("host/page/tests");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("tests of modules").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).args(files);
    must_pass(node);
}

#[track_caller]
fn must_pass(mut node: Command) {
    // Of a test within another, Node writes a protocol of its own.
    node.env_remove("NODE_TEST_CONTEXT").env_remove("NODE_OPTIONS");
    let output = node.output().unwrap_or_else(|error| panic!("cannot start {node:?}: {error}\n{NEEDS}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Shown where tests are run with their output, and where they fail.
    print!("{said}");
    assert!(output.status.success(), "tests in the browser failed ({})", output.status);
}

/// A Chromium that can be started: that of `KITARU_CHROMIUM`, or the first on the path.
fn browser() -> PathBuf {
    if let Some(given) = std::env::var_os("KITARU_CHROMIUM") {
        return given.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("there is no Chromium. {NEEDS}"))
}

/// The folder whose packages are those of the lock file: not beside the tests, so that the sources stay as they are.
fn packages() -> PathBuf {
    let source = repository().join("tests/page");
    let files = ["package.json", "package-lock.json", ".npmrc"];
    let read = |name: &str| std::fs::read_to_string(source.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let wanted: String = files.map(read).concat();
    installed("page-tests", &wanted, |folder: &Path| {
        for name in files {
            std::fs::write(folder.join(name), read(name)).expect("a copy of what is to be installed");
        }
        let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
        npm.arg("ci").current_dir(folder);
        must_run(npm, NEEDS);
    })
}
