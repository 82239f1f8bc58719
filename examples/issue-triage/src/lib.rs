//! Labels the new issues of a repository over its HTTP API.
//!
//! The token of the API is a secret that this code never holds: it writes down where the token belongs, and the host puts it there, in requests to
//! the hosts that somebody granted.

mod rules;

use kitaru::http::{self, Request};
use kitaru::prelude::*;

/// An issue, as far as it matters here.
#[data]
struct Issue {
    number: u64,
    title: String,
    body: Option<String>,
    labels: Vec<Label>,
}

/// A label of an issue.
#[data]
struct Label {
    name: String,
}

/// What was decided about one issue.
#[data]
#[derive(Clone)]
struct Triaged {
    number: u64,
    labels: Vec<String>,
}

/// Labels all open issues of `repository` that have no label yet. `api` is the address of a server that speaks the API of GitHub.
#[flow]
fn triage(cx: &Flow, repository: String, api: Option<String>) -> Result<Vec<Triaged>> {
    let api = api.unwrap_or_else(|| "https://api.github.com".into());
    let new = unlabelled(cx, api.clone(), repository.clone())?;
    let decided = new.iter().map(|issue| Triaged {
        number: issue.number,
        labels: rules::labels(&issue.title, issue.body.as_deref().unwrap_or_default()),
    });
    let decided: Vec<Triaged> = decided.filter(|issue| !issue.labels.is_empty()).collect();
    // Beside each other: one that fails keeps no other from being done, and a retry of the execution does only what is left.
    label::map(cx, decided.iter().map(|issue| (api.clone(), repository.clone(), issue.clone())))?.load()?;
    Ok(decided)
}

/// The open issues without labels, page by page.
#[checkpoint(retries = 3, retry_delay = "1s")]
fn unlabelled(cx: &Checkpoint, api: String, repository: String) -> Result<Vec<Issue>> {
    const PAGE: usize = 100;
    let mut found = Vec::new();
    for page in 1.. {
        let request = http::get(format!("{api}/repos/{repository}/issues"))
            .query("state", "open")
            .query("per_page", PAGE.to_string())
            .query("page", page.to_string());
        let issues: Vec<Issue> = signed(request)?.send()?.error_for_status()?.json()?;
        cx.progress(&format!("page {page}"), None);
        let is_last = issues.len() < PAGE;
        found.extend(issues.into_iter().filter(|issue| issue.labels.is_empty()));
        if is_last {
            break;
        }
    }
    cx.log("unlabelled", found.len())?;
    Ok(found)
}

/// Adds labels to an issue. Adding one twice changes nothing, so another attempt does no harm.
#[checkpoint(retries = 3, retry_delay = "1s")]
fn label(cx: &Checkpoint, target: (String, String, Triaged)) -> Result<()> {
    let (api, repository, Triaged { number, labels }) = target;
    let request = http::post(format!("{api}/repos/{repository}/issues/{number}/labels"));
    signed(request)?.json(&json!({ "labels": labels })).send()?.error_for_status()?;
    cx.info(format!("labelled {number}: {}", labels.join(", ")));
    Ok(())
}

/// `request` with what every request to the API has.
fn signed(request: Request) -> Result<Request> {
    let token = kitaru::secret("gh")?;
    Ok(request.bearer(token).header("Accept", "application/vnd.github+json").header("User-Agent", "issue-triage"))
}
