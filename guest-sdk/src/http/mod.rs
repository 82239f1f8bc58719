//! HTTP requests of checkpoints.
//!
//! The host sends them, if a grant is for them (`--allow-net=https://api.example.com`): it looks the name up, checks the address, does TLS, and
//! puts the values of [secrets](crate::secret()) where their placeholders stand. So a checkpoint needs no TLS of its own.
//!
//! ```no_run
//! use kitaru::prelude::*;
//!
//! /// Says how many stars a repository has.
//! #[checkpoint(retries = 2)]
//! fn stars(cx: &Checkpoint, repository: String) -> Result<u64> {
//!     let token = kitaru::secret("gh")?;
//!     let url = format!("https://api.github.com/repos/{repository}");
//!     let answer: Value = kitaru::http::get(url).bearer(token).send()?.error_for_status()?.json()?;
//!     answer["stargazers_count"].as_u64().ok_or_else(|| err!("no count of stars"))
//! }
//! # fn main() {}
//! ```
//!
//! No redirect is followed, so that every request is one that the author wrote and the host checked: a `Location` is in the
//! [headers](Response::header). Nothing is unpacked, and no cookies are kept.
//!
//! Other crates work too if they send through `wasi:http`, such as `wstd`. The secrets of an attempt are placeholders for them as well.

mod error;
mod request;
mod response;
mod url;
#[cfg(target_os = "wasi")]
mod wire;
#[cfg(not(target_os = "wasi"))]
#[path = "native.rs"]
mod wire;

pub use error::HttpError;
pub use request::Request;
pub use response::Response;

/// A request that reads what is at `url`.
///
/// ```no_run
/// # fn f() -> kitaru::Result<String> {
/// let page = kitaru::http::get("https://example.com/robots.txt").send()?.error_for_status()?.text()?;
/// # Ok(page)
/// # }
/// ```
pub fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

/// A request for the headers of what is at `url`.
///
/// ```no_run
/// # fn f() -> kitaru::Result<bool> {
/// let is_there = kitaru::http::head("https://example.com/").send()?.is_success();
/// # Ok(is_there)
/// # }
/// ```
pub fn head(url: impl Into<String>) -> Request {
    request("HEAD", url)
}

/// A request that hands something over. Give the [idempotency key](crate::Checkpoint::idempotency_key) with it where the server takes one: a
/// crash may make the attempt happen twice.
///
/// ```no_run
/// # use kitaru::prelude::*;
/// # fn f(cx: &Checkpoint) -> Result<()> {
/// let order = json!({ "item": "tea", "count": 2 });
/// let key = cx.idempotency_key();
/// kitaru::http::post("https://shop.example/orders").header("Idempotency-Key", key).json(&order).send()?.error_for_status()?;
/// # Ok(())
/// # }
/// ```
pub fn post(url: impl Into<String>) -> Request {
    request("POST", url)
}

/// A request that puts something at `url`.
///
/// ```no_run
/// # fn f() -> kitaru::Result<()> {
/// kitaru::http::put("https://files.example/a.txt").text("content").send()?.error_for_status()?;
/// # Ok(())
/// # }
/// ```
pub fn put(url: impl Into<String>) -> Request {
    request("PUT", url)
}

/// A request that changes a part of what is at `url`.
///
/// ```no_run
/// # use kitaru::prelude::*;
/// # fn f() -> Result<()> {
/// kitaru::http::patch("https://api.example.com/issues/7").json(&json!({ "state": "closed" })).send()?.error_for_status()?;
/// # Ok(())
/// # }
/// ```
pub fn patch(url: impl Into<String>) -> Request {
    request("PATCH", url)
}

/// A request that removes what is at `url`.
///
/// ```no_run
/// # fn f() -> kitaru::Result<()> {
/// kitaru::http::delete("https://files.example/a.txt").send()?.error_for_status()?;
/// # Ok(())
/// # }
/// ```
pub fn delete(url: impl Into<String>) -> Request {
    request("DELETE", url)
}

/// A request with any method, in capitals. `CONNECT` and `TRACE` are never sent.
///
/// ```no_run
/// # fn f() -> kitaru::Result<u16> {
/// let status = kitaru::http::request("OPTIONS", "https://api.example.com/").send()?.status();
/// # Ok(status)
/// # }
/// ```
pub fn request(method: impl Into<String>, url: impl Into<String>) -> Request {
    Request::new(method.into(), url.into())
}
