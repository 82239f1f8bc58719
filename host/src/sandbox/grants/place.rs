//! Where a folder is in the guest. `/docs`, `./docs` and `docs` are one: a guest's working folder is `/`.

use std::path::{Path, PathBuf};

/// The names that lead to a folder, from the guest's working folder on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<'a>(Vec<&'a str>);

impl<'a> Place<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        Self(path.split('/').filter(|name| !name.is_empty() && *name != ".").collect())
    }

    /// Whether `..` is in it: then where it leads is not for its text to say.
    pub(super) fn leads_out(&self) -> bool {
        self.0.contains(&"..")
    }

    /// The way to this place from `above`; none where it is not there or below.
    pub(super) fn below(&self, above: &Self) -> Option<PathBuf> {
        if self.leads_out() || above.leads_out() {
            return (self == above).then(PathBuf::new);
        }
        self.0.strip_prefix(above.0.as_slice()).map(|rest| rest.iter().collect())
    }

    /// Whether one of the two is at or below the other.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.below(other).is_some() || other.below(self).is_some()
    }
}

/// The path of a folder below the guest path `above`, in the form of that.
pub(super) fn joined(above: &str, way: &Path) -> String {
    let way = way.to_str().unwrap_or_default();
    match above {
        "." => way.to_owned(),
        above => format!("{}/{way}", above.trim_end_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_from_each_other_by_their_names() {
        let below = |path: &str, above: &str| Place::of(path).below(&Place::of(above)).map(|way| way.display().to_string());
        assert_eq!(below("docs/a/b", "/docs").as_deref(), Some("a/b"));
        assert_eq!(below("./docs/", "docs").as_deref(), Some(""));
        assert_eq!(below("docs", ".").as_deref(), Some("docs"));
        assert_eq!(below("docs2", "docs"), None);
        assert_eq!(below("docs", "docs/a"), None);
        assert_eq!(below("docs/../etc", "docs"), None);
        assert_eq!(below("docs/../x", "docs/../x").as_deref(), Some(""));
        assert!(Place::of("docs").overlaps(&Place::of("docs/a")) && !Place::of("a").overlaps(&Place::of("b")));
        assert_eq!(joined("/", Path::new("a/b")), "/a/b");
        assert_eq!((joined(".", Path::new("a")), joined("docs", Path::new("a"))), ("a".into(), "docs/a".into()));
    }
}
