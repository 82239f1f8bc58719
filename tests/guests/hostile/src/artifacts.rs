//! Artifacts: odd names, too many, somebody else's.

use kitaru::prelude::*;
use kitaru::raw::artifacts::{Blob, Value as Saved, load, save};

use crate::{held, refused};

fn json_value() -> Saved {
    Saved::Json("1".into())
}

/// Names, kinds, tags and media types that cannot be stored or shown.
#[flow]
fn labels_of_artifacts(cx: &Flow) -> Result<String> {
    labels(cx)
}

#[checkpoint]
fn labels(_cx: &Checkpoint) -> Result<String> {
    let long = "x".repeat(1 << 20);
    for name in ["", "a\0b", "\u{1b}[2J", "a\nb", &long] {
        refused(save(name, &json_value(), "output", &[]), "usage")?;
    }
    for kind in ["", "nonsense", "\u{1b}[2J", &long] {
        refused(save("a", &json_value(), kind, &[]), "usage")?;
    }
    for tag in ["", "\u{1b}[2J", &long] {
        refused(save("a", &json_value(), "output", &[tag.to_owned()]), "usage")?;
    }
    refused(save("a", &json_value(), "output", &vec!["tag".to_owned(); 100_000]), "usage")?;
    for media_type in ["\u{1b}[2J", &long] {
        let blob = Saved::Blob(Blob { media_type: media_type.to_owned(), bytes: Vec::new() });
        refused(save("a", &blob, "blob", &[]), "usage")?;
    }
    for text in ["", "NaN", "1e400", "{} {}"] {
        refused(save("a", &Saved::Json(text.into()), "output", &[]), "usage")?;
    }
    held(true, "")
}

/// Names that are paths elsewhere: they are names, and nothing is written under them.
#[flow]
fn paths_as_names(cx: &Flow) -> Result<String> {
    saves_paths(cx)
}

#[checkpoint]
fn saves_paths(_cx: &Checkpoint) -> Result<String> {
    for name in ["../../../../etc/passwd", "/etc/passwd", "C:\\Windows", "..", ".", "~/.ssh/id_rsa"] {
        held(save(name, &json_value(), "output", &[]).is_ok(), "a path is a name like any other")?;
    }
    held(true, "")
}

/// An artifact of two mebibytes, where one may have one.
#[flow]
fn artifact_at_length(cx: &Flow) -> Result<String> {
    saves_at_length(cx)
}

#[checkpoint]
fn saves_at_length(_cx: &Checkpoint) -> Result<String> {
    let blob = Saved::Blob(Blob { media_type: "a/b".into(), bytes: vec![0; 2 << 20] });
    refused(save("a", &blob, "blob", &[]), "limit")
}

/// Executions that nobody told it of: guessed IDs, and what is no ID.
#[flow]
fn guesses_ids(cx: &Flow) -> Result<String> {
    guesses(cx)
}

#[checkpoint]
fn guesses(cx: &Checkpoint) -> Result<String> {
    for id in ["", "1", "../../kitaru.db", "' OR 1=1 --", "\0", &"0".repeat(1 << 20)] {
        refused(load(id, "output"), "usage")?;
    }
    // Its neighbours in time, had it guessed the random part.
    let own = cx.execution_id();
    let (head, tail) = own.split_at(own.len() - 4);
    for guess in 0..500_u32 {
        let id = format!("{head}{guess:04x}");
        if format!("{head}{tail}") != id {
            refused(load(&id, "output"), "not-found")?;
        }
    }
    for name in ["", "../../kitaru.db", "' OR 1=1 --", "%", "*", &"x".repeat(1 << 20)] {
        refused(load(&own, name), "not-found")?;
    }
    held(true, "")
}

/// Artifacts in the flow, where there are none.
#[flow]
fn artifacts_in_the_flow(_cx: &Flow) -> Result<String> {
    refused(save("a", &json_value(), "output", &[]), "context")?;
    refused(load("00000000-0000-7000-8000-000000000000", "a"), "context")
}
