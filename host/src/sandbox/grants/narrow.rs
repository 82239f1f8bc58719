//! An operator's grants, narrowed to what one checkpoint declares.

use std::path::{Path, PathBuf};

use super::meet::meets;
use super::needs::{Need, Needs};
use super::place::{Place, joined};
use super::{FolderGrant, Grants, ModelGrant, NetGrant};

/// How the needs of a checkpoint narrow what it was granted. It stands beside the grants and is never recorded: who asks whether something is
/// allowed asks the grants and this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// What is declared; none where nothing is, and the grants count as they are.
    needs: Option<Needs>,
    net: Vec<NetGrant>,
    llm: Vec<ModelGrant>,
    unmet: Vec<Need>,
    /// Folders below granted ones, each with the one that was granted.
    below: Vec<(PathBuf, PathBuf)>,
}

impl Narrowed {
    /// What the checkpoint declares, where it declares anything.
    pub fn needs(&self) -> Option<&Needs> {
        self.needs.as_ref()
    }

    /// Declared needs of which nothing was granted.
    pub fn unmet(&self) -> &[Need] {
        &self.unmet
    }

    /// The hosts that are declared, one of which has to be meant beside a grant; none where all that is granted may be reached.
    pub(in crate::sandbox) fn net(&self) -> Option<&[NetGrant]> {
        self.needs.as_ref().map(|_| self.net.as_slice())
    }

    /// Whether a model is declared, or nothing is.
    pub fn covers_model(&self, alias: Option<&str>, resolved: &str) -> bool {
        self.needs.is_none() || self.llm.iter().any(|need| need.covers(alias, resolved))
    }

    /// Whether any model is declared, or nothing is.
    pub(super) fn may_name_models(&self) -> bool {
        self.needs.is_none() || !self.llm.is_empty()
    }

    /// The granted folder that a narrowed one lies below, where it is not that folder itself.
    pub(in crate::sandbox) fn granted_above(&self, folder: &Path) -> Option<&Path> {
        self.below.iter().find(|(narrow, _)| narrow == folder).map(|(_, granted)| granted.as_path())
    }
}

impl Grants {
    /// What the body of a checkpoint has: what the operator granted to all and to this one, narrowed to what it declares. A checkpoint for which
    /// nothing is declared has all of it.
    #[must_use]
    pub fn for_checkpoint(&self, name: &str, needs: Option<&Needs>) -> Self {
        self.of_all().and(self.checkpoints.get(name)).narrowed_to(needs)
    }

    /// What the body of a flow has: models, and nothing else. The component's own needs narrow it.
    #[must_use]
    pub fn for_flow(&self, needs: Option<&Needs>) -> Self {
        Self { llm: self.llm.clone(), ..Self::default() }.narrowed_to(needs)
    }

    /// The same as people are shown it: hosts and models too are those that are both granted and declared. What decides asks both lists.
    #[must_use]
    pub fn shown(mut self) -> Self {
        if self.narrowed.needs.is_some() {
            self.net = meets(&self.net, &self.narrowed.net, NetGrant::meet);
            self.llm = meets(&self.llm, &self.narrowed.llm, ModelGrant::meet);
        }
        self
    }

    /// What is granted to every checkpoint.
    pub(in crate::sandbox) fn of_all(&self) -> Self {
        // Without what was granted to single ones, which need not be copied.
        let Self { read, write, env, net, llm, secrets, checkpoints: _, narrowed: _ } = self;
        let (read, write, env, net) = (read.clone(), write.clone(), env.clone(), net.clone());
        Self { read, write, env, net, llm: llm.clone(), secrets: secrets.clone(), ..Self::default() }
    }

    fn and(mut self, more: Option<&Self>) -> Self {
        if let Some(more) = more {
            self.extend(more.clone());
        }
        self
    }

    fn narrowed_to(mut self, needs: Option<&Needs>) -> Self {
        let Some(needs) = needs else { return self };
        let mut narrowed = Narrowed {
            needs: Some(needs.clone()),
            net: needs.net.iter().filter_map(|text| text.parse().ok()).collect(),
            llm: needs.llm.iter().filter_map(|text| text.parse().ok()).collect(),
            unmet: needs.iter().filter(|need| !need.is_met_by(&self)).collect(),
            below: Vec::new(),
        };
        let write = narrow(&needs.write, self.write.iter(), &mut narrowed.below);
        let mut read = narrow(&needs.read, self.read.iter().chain(&self.write), &mut narrowed.below);
        // What may be written may be read: a folder is there once.
        read.retain(|folder| !write.contains(folder));
        (self.read, self.write) = (read, write);
        self.env.retain(|name| needs.env.contains(name));
        self.secrets =
            needs.secrets().flat_map(|need| self.secrets.iter().filter_map(move |grant| grant.narrowed_to(&need))).collect();
        // Hosts and models are patterns: both lists are asked, and where one is empty nothing passes.
        if narrowed.net.is_empty() {
            self.net.clear();
        }
        if narrowed.llm.is_empty() {
            self.llm.clear();
        }
        self.narrowed = narrowed;
        self
    }
}

/// The folders that are both declared and granted: of two of which one lies below the other, that one.
fn narrow<'a>(
    needs: &[String],
    granted: impl Iterator<Item = &'a FolderGrant> + Clone,
    below: &mut Vec<(PathBuf, PathBuf)>,
) -> Vec<FolderGrant> {
    let mut folders: Vec<FolderGrant> = Vec::new();
    for need in needs {
        let need = Place::of(need);
        for grant in granted.clone() {
            let place = Place::of(&grant.guest);
            let folder = match (need.below(&place), place.below(&need)) {
                (Some(way), _) if way.as_os_str().is_empty() => grant.clone(),
                (Some(way), _) => {
                    let folder = FolderGrant { host: grant.host.join(&way), guest: joined(&grant.guest, &way) };
                    below.push((folder.host.clone(), grant.host.clone()));
                    folder
                }
                (None, Some(_)) => grant.clone(),
                (None, None) => continue,
            };
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn grants(json: serde_json::Value) -> Grants {
        serde_json::from_value(json).unwrap()
    }

    fn needs(json: serde_json::Value) -> Needs {
        let needs: Needs = serde_json::from_value(json).unwrap();
        needs.check().unwrap();
        needs
    }

    fn narrowed(granted: serde_json::Value, declared: serde_json::Value) -> serde_json::Value {
        serde_json::to_value(grants(granted).for_checkpoint("c", Some(&needs(declared)))).unwrap()
    }

    #[test]
    fn a_checkpoint_without_needs_has_what_was_granted_to_all_and_to_it() {
        let operator = grants(json!({
            "env": ["LANG"], "llm": ["fast"],
            "checkpoints": { "c": { "env": ["TZ"], "net": ["a:1"] }, "d": { "net": ["b:2"] } },
        }));
        let own = operator.for_checkpoint("c", None);
        assert_eq!((own.env.as_slice(), own.net[0].to_string()), (["LANG".to_owned(), "TZ".to_owned()].as_slice(), "a:1".into()));
        assert!(own.narrowed.net().is_none() && own.narrowed.unmet().is_empty() && own.checkpoints.is_empty());
        let other = operator.for_checkpoint("other", None);
        assert!(other.net.is_empty() && other.covers_model(Some("fast"), "x/y"));
        assert!(operator.for_flow(None).net.is_empty());
        assert!(Grants::default().for_checkpoint("c", None).is_empty());
    }

    #[test]
    fn a_folder_below_a_granted_one_is_all_that_is_given() {
        let folders = |granted: serde_json::Value, declared: serde_json::Value| {
            let narrowed = narrowed(granted, declared);
            (narrowed["read"].clone(), narrowed["write"].clone())
        };
        assert_eq!(folders(json!({ "read": ["/w/docs::docs"] }), json!({ "read": ["docs/a"] })).0, json!(["/w/docs/a::docs/a"]));
        assert_eq!(
            folders(json!({ "read": ["/w/docs::docs"] }), json!({ "read": ["."] })).0,
            json!(["/w/docs::docs"]),
            "a wider need"
        );
        assert_eq!(folders(json!({ "read": ["/w::/"] }), json!({ "read": ["a/b"] })).0, json!(["/w/a/b::/a/b"]));
        assert_eq!(folders(json!({ "read": ["/w/docs::docs"] }), json!({ "read": ["doc"] })).0, json!([]));
        assert_eq!(folders(json!({ "write": ["/w/out::out"] }), json!({ "read": ["out"] })), (json!(["/w/out::out"]), json!([])));
        assert_eq!(folders(json!({ "read": ["/w/out::out"] }), json!({ "write": ["out"] })), (json!([]), json!([])));
        let both = json!({ "read": ["."], "write": ["out"] });
        let given = folders(json!({ "write": ["/w::."] }), both);
        assert_eq!(given, (json!(["/w::."]), json!(["/w/out::out"])), "all of it to read, and a part to write");
        let own = grants(json!({ "read": ["/w/docs::docs"] })).for_checkpoint("c", Some(&needs(json!({ "read": ["docs/a"] }))));
        assert_eq!(own.narrowed.granted_above(Path::new("/w/docs/a")), Some(Path::new("/w/docs")));
        assert_eq!(own.narrowed.granted_above(Path::new("/w/docs")), None);
    }

    #[test]
    fn whoever_declares_nothing_of_a_kind_gets_nothing_of_it() {
        let operator = json!({ "read": ["/w::."], "env": ["LANG", "TZ"], "net": ["*"], "llm": ["*"] });
        let own = grants(operator.clone()).for_checkpoint("c", Some(&needs(json!({ "env": ["LANG", "LC_ALL"] }))));
        assert_eq!(own.env, ["LANG"]);
        assert!(own.read.is_empty() && own.net.is_empty() && !own.covers_model(Some("fast"), "openai/a"));
        assert_eq!(own.narrowed.unmet().iter().map(Need::flag).collect::<Vec<_>>(), ["--allow-env=LC_ALL"]);
        let nothing = grants(operator.clone()).for_checkpoint("c", Some(&Needs::default()));
        assert!(nothing.is_empty(), "a body that nobody can observe (E3)");
        let models = grants(operator).for_flow(Some(&needs(json!({ "llm": ["openai/*"] }))));
        assert!(models.covers_model(None, "openai/a") && !models.covers_model(None, "groq/a"));
    }

    #[test]
    fn what_is_shown_is_what_passes_both() {
        let operator = json!({ "net": ["*.example.com", "other.org:1"], "llm": ["openai/*", "fast"] });
        let declared = needs(json!({ "net": ["api.example.com:443", "none.org"], "llm": ["openai/a"] }));
        let shown = grants(operator.clone()).for_checkpoint("c", Some(&declared)).shown();
        assert_eq!(shown.net.iter().map(ToString::to_string).collect::<Vec<_>>(), ["api.example.com:443"]);
        assert_eq!(shown.llm.iter().map(ToString::to_string).collect::<Vec<_>>(), ["openai/a", "fast"]);
        let undeclared = grants(operator.clone()).for_checkpoint("c", None).shown();
        assert_eq!(undeclared.net, grants(operator).net, "nothing is declared, and nothing narrows");
    }

    #[test]
    fn narrowing_is_not_recorded() {
        let text = narrowed(json!({ "env": ["LANG"] }), json!({ "env": ["LANG"] }));
        assert_eq!(text, json!({ "read": [], "write": [], "env": ["LANG"], "net": [], "llm": [], "secrets": [] }));
    }
}
