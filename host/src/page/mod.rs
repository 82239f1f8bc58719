//! The web page: its files, within the binary, with what a browser is told about them.
//!
//! Whoever serves them knows HTTP; here is only which bytes answer which path, and under which rules they may be shown.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};

static STYLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/page/css");
static MODULES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/page/js");
static ASSETS: LazyLock<BTreeMap<String, Asset>> = LazyLock::new(|| {
    let mut assets = BTreeMap::new();
    for (path, bytes) in FILES {
        keep(path.to_owned(), bytes, &mut assets);
    }
    collect("css", &STYLES, &mut assets);
    collect("js", &MODULES, &mut assets);
    assets
});

/// The document that every view begins with.
const DOCUMENT: &str = "index.html";
const FILES: [(&str, &[u8]); 2] =
    [(DOCUMENT, include_bytes!("../../page/index.html")), ("favicon.svg", include_bytes!("../../page/favicon.svg"))];
/// Below these are files and nothing else: what is not there is missing, and no view.
const FOLDERS: [&str; 2] = ["css/", "js/"];

/// What the page may load and do. All of it is its own: no line of script or style within the markup, nothing from elsewhere, no frame around it.
/// `blob:` and `data:` are for pictures that an execution made.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What every answer with a file of the page says beside its content.
pub const SECURITY_HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// A browser keeps the files and asks whether they are still the same: after an upgrade of the host they are not, under the same names.
pub const CACHE_CONTROL: &str = "no-cache";

/// A file of the page.
#[derive(Clone, Debug)]
pub struct Asset {
    /// Its content.
    pub bytes: &'static [u8],
    /// What it is.
    pub media_type: &'static str,
    /// A strong validator: another content has another one.
    pub etag: String,
}

impl Asset {
    /// Whether the value of an `If-None-Match` header says that the browser has this content already. Weak validators count: nothing between
    /// here and there makes another content of it that means the same.
    pub fn is_known_to(&self, if_none_match: &str) -> bool {
        let one = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag;
        if_none_match.split(',').map(str::trim).any(one)
    }
}

/// What answers a path, which begins with `/` and has no query: a file, or for the path of a view the document. None where a file should be and
/// is not.
///
/// Paths are looked up, never opened, so no path leads out of the page.
pub fn asset(path: &str) -> Option<&'static Asset> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let is_file = FOLDERS.iter().any(|folder| path.starts_with(folder)) || (!path.contains('/') && path.contains('.'));
    match ASSETS.get(path) {
        Some(found) => Some(found),
        None if is_file => None,
        None => ASSETS.get(DOCUMENT),
    }
}

fn collect(under: &str, folder: &Dir<'static>, assets: &mut BTreeMap<String, Asset>) {
    for file in folder.files() {
        if let Some(path) = file.path().to_str() {
            keep(format!("{under}/{path}"), file.contents(), assets);
        }
    }
    for inner in folder.dirs() {
        collect(under, inner, assets);
    }
}

/// Notes for whoever works on the page are no part of it.
fn keep(path: String, bytes: &'static [u8], assets: &mut BTreeMap<String, Asset>) {
    if let Some(media_type) = media_type(&path) {
        let etag = format!("\"{}\"", blake3::hash(bytes).to_hex());
        assets.insert(path, Asset { bytes, media_type, etag });
    }
}

fn media_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(asset: &Asset) -> &str {
        std::str::from_utf8(asset.bytes).unwrap()
    }

    /// What stands between quotes after `before`, everywhere in a text.
    fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    /// The path that a module's import means.
    fn resolved(module: &str, import: &str) -> String {
        let mut parts: Vec<&str> = module.split('/').collect();
        parts.pop();
        for part in import.split('/') {
            match part {
                "." => {}
                ".." => assert!(parts.pop().is_some(), "{module} imports {import} from outside"),
                name => parts.push(name),
            }
        }
        parts.join("/")
    }

    #[test]
    fn views_get_the_document_and_files_themselves() {
        let document = asset("/").unwrap();
        assert_eq!(document.media_type, "text/html; charset=utf-8");
        for path in ["/executions", "/executions/01a2.b", "/flows/my.flow", "/answer/a.b.c", "/index.html", ""] {
            assert_eq!(asset(path).unwrap().etag, document.etag, "{path}");
        }
        assert_eq!(asset("/js/app.js").unwrap().media_type, "text/javascript; charset=utf-8");
        assert_eq!(asset("/css/tokens.css").unwrap().media_type, "text/css; charset=utf-8");
        assert_eq!(asset("/favicon.svg").unwrap().media_type, "image/svg+xml");
    }

    #[test]
    fn a_file_that_is_not_there_is_missing() {
        for path in ["/js/none.js", "/css/", "/js/../index.html", "/js/README.md", "/favicon.ico", "/robots.txt", "/js/app.js/"] {
            assert!(asset(path).is_none(), "{path}");
        }
    }

    #[test]
    fn another_content_has_another_validator_and_a_browser_is_believed_that_it_has_this_one() {
        let (one, other) = (asset("/js/app.js").unwrap(), asset("/js/api.js").unwrap());
        assert_ne!(one.etag, other.etag);
        assert!(one.etag.starts_with('"') && one.etag.ends_with('"') && one.etag.len() == 66);
        for known in [one.etag.clone(), format!("W/{}", one.etag), format!("{}, {}", other.etag, one.etag), "*".to_owned()] {
            assert!(one.is_known_to(&known), "{known}");
        }
        for unknown in [other.etag.as_str(), "", "\"\"", one.etag.trim_matches('"')] {
            assert!(!one.is_known_to(unknown), "{unknown}");
        }
    }

    #[test]
    fn the_policy_allows_nothing_from_elsewhere_and_nothing_within_the_markup() {
        let policy = SECURITY_HEADERS.iter().find(|(name, _)| *name == "content-security-policy").unwrap().1;
        let directives: Vec<&str> = policy.split("; ").collect();
        for wanted in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(directives.contains(&wanted), "{wanted}");
        }
        for forbidden in ["unsafe", "http", "*"] {
            assert!(!policy.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn the_document_has_no_script_or_style_of_its_own_and_what_it_loads_is_there() {
        let document = text(asset("/").unwrap());
        for forbidden in ["<style", "style=", " onload", " onclick", "<base", "http:", "https:"] {
            assert!(!document.contains(forbidden), "{forbidden}");
        }
        for script in document.split("<script").skip(1) {
            assert!(script.split('>').next().unwrap().contains("src=\"/js/"), "a script without a file");
        }
        let loaded: Vec<&str> = [quoted(document, "href=\""), quoted(document, "src=\"")].concat();
        for path in loaded.into_iter().filter(|path| path.starts_with('/')) {
            assert!(ASSETS.contains_key(path.trim_start_matches('/')), "{path}");
        }
    }

    #[test]
    fn modules_import_modules_that_are_there_and_make_no_markup_from_text() {
        for (path, asset) in ASSETS.iter().filter(|(path, _)| path.ends_with(".js")) {
            let module = text(asset);
            for import in [quoted(module, " from \""), quoted(module, "import(\""), quoted(module, "\nimport \"")].concat() {
                assert!(ASSETS.contains_key(resolved(path, import).as_str()), "{path} imports {import}");
            }
            // Guests control most of what is shown.
            let sinks = [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "DOMParser",
                "srcdoc =",
            ];
            for sink in sinks {
                assert!(!module.contains(sink), "{path} has {sink}");
            }
        }
    }

    #[test]
    fn styles_load_nothing() {
        for (path, asset) in ASSETS.iter().filter(|(path, _)| path.ends_with(".css")) {
            for forbidden in ["url(", "@import"] {
                assert!(!text(asset).contains(forbidden), "{path} has {forbidden}");
            }
        }
    }

    #[test]
    fn files_are_short_enough_to_read() {
        for (path, asset) in ASSETS.iter() {
            assert!(text(asset).lines().count() <= 400, "{path}");
        }
    }
}
