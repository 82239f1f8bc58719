//! What a component declares that it needs and was not granted: asked at a terminal, and told elsewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use owo_colors::OwoColorize as _;
use serde_json::Value;

use super::context::{Context, current_folder};
use super::error::CliError;
use super::prompt::{Keyboard, eprint_prompt};
use super::table::table;
use super::terminal::{one_line, shell_word};
use crate::ids::ComponentDigest;
use crate::sandbox::{FolderGrant, Grants, Need, NeedKind};
use crate::secrets::Keys;
use crate::service::{ComponentView, Service};

/// So many flags are told in a note.
const MOST_FLAGS: usize = 12;

/// What is granted, and what of it for good.
pub(super) struct Settled {
    /// All of it.
    pub(super) grants: Grants,
    for_good: Option<Grants>,
    digest: ComponentDigest,
    flows: Vec<String>,
}

/// A need that is not granted, and whose it is.
struct Unmet<'a> {
    whose: Option<&'a str>,
    need: Need,
    /// The folder that would be granted, and whether it is there.
    folder: Option<(PathBuf, bool)>,
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Once,
    Always,
    No,
}

/// Settles what a component that is about to run is granted beside `grants`: what it was granted for good, with `all` everything that it declares, and what a
/// person at the terminal agrees to. Folders that it declares are those of their names below `folder`.
pub(super) async fn settle(
    context: &Context,
    service: &dyn Service,
    component: &ComponentView,
    folder: &Path,
    all: bool,
    mut grants: Grants,
) -> Result<Settled, CliError> {
    let digest: ComponentDigest = component.digest.parse().map_err(|error| CliError::new(format!("{error}")))?;
    let flows = component.manifest.flows.iter().map(|flow| flow.name.clone()).collect();
    let known = service.granted_for_good(digest).await?;
    known.check_unmoved().map_err(|error| {
        CliError::from(error).hint(format!("take back what was granted for good: kitaru-host grants forget {}", short(digest)))
    })?;
    grants.extend(known);
    let mut for_good = None;
    if all {
        let mut needs = component.manifest.needs_as_grants(folder);
        needs.make_absolute().map_err(|error| {
            CliError::from(error)
                .hint("make the folder, or grant another one under the name that is declared: --allow-read=<folder>::<name>")
        })?;
        grants.extend(needs);
    } else {
        let unmet = unmet(component, &grants, folder);
        if !unmet.is_empty() && context.is_interactive() && !context.global.yes {
            let decision = ask(&unmet).await;
            if decision != Decision::No {
                let mut agreed = agreed(&unmet, folder);
                agreed.make_absolute()?;
                grants.extend(agreed.clone());
                for_good = (decision == Decision::Always).then_some(agreed);
            }
        } else if !unmet.is_empty() {
            context.output.say(&note(&unmet, folder)?);
        }
    }
    Ok(Settled { grants, for_good, digest, flows })
}

/// The same for a server, where nobody is asked: with `all` everything that the component declares. Folders are those of their names where the
/// server was started.
pub(super) fn needs_on_server(component: &ComponentView, all: bool, mut grants: Grants) -> Grants {
    if all {
        grants.extend(component.manifest.needs_as_grants(Path::new("")));
    }
    grants
}

impl Settled {
    /// Keeps what was granted for good: when the host has taken the grants.
    pub(super) async fn remember(self, context: &Context, service: &dyn Service) -> Result<(), CliError> {
        let Some(grants) = self.for_good else { return Ok(()) };
        service.remember_grants(self.digest, self.flows, grants).await?;
        let forget = format!("kitaru-host grants forget {}", short(self.digest));
        context.output.say(&format!("Granted to this component for good; take it back with: {forget}"));
        Ok(())
    }
}

/// The beginning of a digest, by which people name a component.
fn short(digest: ComponentDigest) -> String {
    digest.to_string().chars().take(12).collect()
}

fn unmet<'a>(component: &'a ComponentView, grants: &Grants, folder: &Path) -> Vec<Unmet<'a>> {
    let of_host = |need: &Need| {
        let name = need.text.parse::<FolderGrant>().ok().filter(|_| need.kind.is_folder())?;
        let path = folder.join(name.host);
        let is_there = path.is_dir();
        Some((path, is_there))
    };
    // The key of all secrets is never granted, so nobody need be asked.
    let is_key = |need: &Need| need.kind == NeedKind::Env && need.text.eq_ignore_ascii_case(Keys::VARIABLE);
    let unmet = component.manifest.unmet(grants).into_iter().filter(|(_, need)| !is_key(need));
    unmet.map(|(whose, need)| Unmet { whose, folder: of_host(&need), need }).collect()
}

/// Grants of all that is needed and there.
fn agreed(unmet: &[Unmet<'_>], folder: &Path) -> Grants {
    let mut grants = Grants::default();
    for Unmet { whose, need, .. } in unmet.iter().filter(|unmet| unmet.folder.as_ref().is_none_or(|(_, is_there)| *is_there)) {
        match whose {
            None => need.add_to(&mut grants, folder),
            Some(name) => need.add_to(grants.checkpoints.entry((*name).to_owned()).or_default(), folder),
        }
    }
    grants
}

async fn ask(unmet: &[Unmet<'_>]) -> Decision {
    let row = |Unmet { whose, need, folder }: &Unmet<'_>| {
        let place = match folder {
            None => String::new(),
            Some((path, true)) => path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string(),
            Some((path, false)) => format!("{} is not there, and is left out", path.display()),
        };
        let whose = whose.map_or_else(|| "the component".to_owned(), |name| format!("`{name}`"));
        vec![format!("  {whose}"), need.kind.as_str().to_owned(), need.text.clone(), place]
    };
    let rows: Vec<Vec<String>> = unmet.iter().map(row).collect();
    anstream::eprintln!("\n{} {}", "?".yellow().bold(), "This component declares what it was not granted:".bold());
    anstream::eprintln!("{}", table(&["  WHO", "NEEDS", "", ""], &rows));
    let mut keyboard = Keyboard::open();
    loop {
        eprint_prompt("  Grant it? `once`, `always` for this component, or nothing for no > ");
        let Some(typed) = keyboard.line().await else {
            anstream::eprintln!();
            return Decision::No;
        };
        match decision(&typed) {
            Some(decision) => return decision,
            None => anstream::eprintln!("  {} `{}` is none of these", "✗".red(), one_line(&typed)),
        }
    }
}

fn decision(typed: &str) -> Option<Decision> {
    match typed.to_lowercase().as_str() {
        "" | "n" | "no" => Some(Decision::No),
        "o" | "once" | "y" | "yes" => Some(Decision::Once),
        "a" | "always" => Some(Decision::Always),
        _ => None,
    }
}

/// One line with the flags that grant what is declared.
fn note(unmet: &[Unmet<'_>], folder: &Path) -> Result<String, CliError> {
    let here = current_folder()?;
    let is_here = folder.canonicalize().is_ok_and(|folder| here.canonicalize().is_ok_and(|here| here == folder));
    let flag = |unmet: &Unmet<'_>| match &unmet.folder {
        Some((path, _)) if !is_here => {
            format!("--allow-{}={}::{}", unmet.need.kind.as_str(), path.display(), unmet.need.text)
        }
        _ => unmet.need.flag(),
    };
    let flags: BTreeSet<String> = unmet.iter().map(|unmet| shell_word(&flag(unmet))).collect();
    let shown: Vec<&str> = flags.iter().take(MOST_FLAGS).map(String::as_str).collect();
    let more = flags.len().saturating_sub(MOST_FLAGS);
    let more = if more > 0 { format!(" and {more} more, which `kitaru-host inspect` shows") } else { String::new() };
    Ok(format!("note: declared and not granted: {}{more} (all of it: --allow-needs)", shown.join(" ")))
}

/// The flags that the details of a failure name, of what its checkpoint declares and was not granted. The details may be a guest's own: any other
/// flag is none that grants what is declared.
pub(super) fn flags_of(details: Option<&Value>, granted: Option<&Grants>) -> Vec<String> {
    let unmet: Vec<String> = granted.into_iter().flat_map(|granted| granted.narrowed.unmet()).map(Need::flag).collect();
    let told = details.and_then(|details| details.get("not_granted")).and_then(Value::as_array);
    let flags = told.into_iter().flatten().filter_map(Value::as_str);
    flags.filter(|flag| unmet.iter().any(|known| known == flag)).map(shell_word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Manifest;
    use crate::service::SignatureView;

    fn component(needs: serde_json::Value) -> ComponentView {
        let manifest = serde_json::json!({
            "manifest": 1, "flows": [], "needs": { "llm": ["fast"] }, "checkpoints": [{ "name": "c", "needs": needs }],
        });
        let manifest = Manifest::parse(&manifest.to_string()).unwrap();
        let (signed_by, unknown_keys, problems) = Default::default();
        let signature = SignatureView { status: "unsigned".into(), signed_by, unknown_keys, problems };
        ComponentView { digest: ComponentDigest::of(b"c").to_string(), size_bytes: 1, imports: Vec::new(), manifest, signature }
    }

    #[test]
    fn what_people_type() {
        let typed = ["", "N", "once", "y", "Always", "a", "maybe", "alw"].map(decision);
        let (no, once, always) = (Some(Decision::No), Some(Decision::Once), Some(Decision::Always));
        assert_eq!(typed, [no, no, once, once, always, always, None, None]);
    }

    #[test]
    fn a_note_has_flags_that_can_be_pasted() {
        let folder = tempfile::tempdir().unwrap();
        let component = component(serde_json::json!({
            "read": ["docs"], "net": ["*"], "env": ["A;curl\u{202e}evil", "KITARU_SECRETS_KEY"],
        }));
        let unmet = unmet(&component, &Grants::default(), folder.path());
        let note = note(&unmet, folder.path()).unwrap();
        assert_eq!(note.lines().count(), 1);
        let read = format!("--allow-read={}/docs::docs", folder.path().display());
        for part in ["--allow-llm=fast", &read, "'--allow-net=*'", "'--allow-env=A;curl\\u{202e}evil'", "--allow-needs"] {
            assert!(note.contains(part), "{part}: {note}");
        }
        assert!(!note.contains("KITARU_SECRETS_KEY"), "{note}");
    }

    #[test]
    fn who_agrees_grants_what_is_there_to_whom_it_is_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        let component = component(serde_json::json!({ "read": ["docs"], "write": ["gone"], "net": ["a:1"] }));
        let grants = agreed(&unmet(&component, &Grants::default(), folder.path()), folder.path());
        assert!(grants.read.is_empty() && grants.net.is_empty() && grants.llm.len() == 1);
        let own = &grants.checkpoints["c"];
        assert_eq!((own.read.len(), own.write.len(), own.net.len()), (1, 0, 1));
        assert!(unmet(&component, &grants, folder.path()).iter().all(|unmet| unmet.need.text == "gone"));
    }

    #[test]
    fn flags_are_those_of_what_is_declared() {
        let component = component(serde_json::json!({ "net": ["a:1"], "env": ["LANG"] }));
        let operator = Grants { env: vec!["LANG".into()], ..Grants::default() };
        let granted = operator.for_checkpoint("c", component.manifest.needs_of("c"));
        let details = serde_json::json!({ "not_granted": ["--allow-net=a:1", "--allow-env=LANG", "--allow-write=/", 1] });
        assert_eq!(flags_of(Some(&details), Some(&granted)), ["--allow-net=a:1"]);
        assert!(flags_of(Some(&details), None).is_empty() && flags_of(None, Some(&granted)).is_empty());
        assert!(flags_of(Some(&details), Some(&operator.for_checkpoint("c", None))).is_empty(), "nothing is declared");
    }
}
