//! Secrets that were granted, and that the guest tries to keep: it holds placeholders, and carries them wherever it can.

use kitaru::prelude::*;
use kitaru::raw::artifacts::{Blob, Value as Saved, save};

use crate::{HELD, held};

/// Puts a granted secret into log lines, output, artifacts, their names and tags, metadata and its result.
#[flow]
fn keeps_a_secret(cx: &Flow) -> Result<String> {
    let kept = keeps(cx)?;
    cx.info(format!("the flow has it too: {kept}"));
    Ok(kept)
}

#[checkpoint]
fn keeps(cx: &Checkpoint) -> Result<String> {
    let secret = kitaru::secret("gh")?;
    println!("{secret}");
    eprintln!("{secret}");
    cx.info(format!("a line with {secret}"));
    cx.log("kept", &secret)?;
    let text = Saved::Json(json!({ "secret": secret }).to_string());
    held(save(&secret, &text, "output", std::slice::from_ref(&secret)).is_ok(), "an artifact")?;
    let blob = Saved::Blob(Blob { media_type: "text/plain".into(), bytes: secret.clone().into_bytes() });
    held(save("blob", &blob, "blob", &[]).is_ok(), "a blob")?;
    Ok(secret)
}

/// Fails with a granted secret, in message, kind and details.
#[flow]
fn fails_with_a_secret(cx: &Flow) -> Result<String> {
    fails_with(cx)
}

#[checkpoint]
fn fails_with(_cx: &Checkpoint) -> Result<String> {
    let secret = kitaru::secret("gh")?;
    Err(err!("it was {secret}").details(json!({ "secret": secret, "backwards": secret.chars().rev().collect::<String>() })))
}

/// Panics with a granted secret.
#[flow]
fn panics_with_a_secret(cx: &Flow) -> Result<String> {
    panics_with(cx)
}

#[checkpoint]
fn panics_with(_cx: &Checkpoint) -> Result<String> {
    let secret = kitaru::secret("gh")?;
    panic!("it was {secret}")
}

/// Has a server say a granted secret back, and reads it there: in headers, and in what the failure of a request says.
#[flow]
fn hears_a_secret(cx: &Flow, url: String) -> Result<String> {
    hears(cx, url)
}

#[checkpoint]
fn hears(cx: &Checkpoint, url: String) -> Result<String> {
    let secret = kitaru::secret("gh")?;
    let response = kitaru::http::get(&url).header("authorization", format!("Bearer {secret}")).send()?;
    let headers: Vec<String> =
        response.headers().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
    cx.info(headers.join("\n"));
    // In a place where it is not put in, and to a path that no grant covers.
    for wrong in [format!("{url}/{secret}"), format!("{url}/elsewhere?key={secret}&more={secret}")] {
        if let Err(error) = kitaru::http::get(&wrong).header(format!("x-{secret}"), "x").send() {
            cx.info(format!("{error}"));
        }
    }
    Ok(HELD.into())
}

/// Asks for secrets that nobody granted, by names that lead elsewhere.
#[flow]
fn asks_beyond_its_secrets(cx: &Flow) -> Result<String> {
    asks_for_each(cx)
}

#[checkpoint]
fn asks_for_each(_cx: &Checkpoint) -> Result<String> {
    for name in ["other", "GH", "gh\0", "../gh", "gh.OTHER", "*", "", "gh=reveal", "gh@127.0.0.1"] {
        held(kitaru::secret(name).is_err(), "a secret that was not granted")?;
    }
    held(kitaru::secret_key("gh", "OTHER").is_err(), "another key of it")
}
