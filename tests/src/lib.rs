//! What the tests of the whole share: a host with a data folder of its own, run as the real binary in processes of its own, and the guests
//! that it runs; and a model provider that says what a test has scripted.
//!
//! Everything here panics with the full story when something is not as a test needs it.

mod assistant;
mod cutting;
mod framed;
mod guests;
mod host;
mod installed;
#[cfg(target_os = "linux")]
mod machine;
mod measured;
pub mod models;
mod mounts;
pub mod page;
mod planted;
mod protocols;
pub mod provider;
mod python;
mod random;
mod reply;
mod running;
pub mod served;
mod settings;
mod traces;
mod tunnel;
pub mod web;

pub use assistant::{Assistant, Mode, Told};
pub use cutting::Cutting;
pub use framed::Framed;
pub use guests::{example, fixture, repository};
pub use host::{Host, binary};
#[cfg(target_os = "linux")]
pub use machine::{Machine, Unsynced};
pub use measured::peak_of;
pub use models::Models;
pub use planted::{Planted, files};
pub use protocols::PROTOCOLS;
pub use python::python;
pub use random::Random;
pub use reply::{Reply, call_ids, checkpoint, id, names};
pub use running::{Running, until};
pub use served::{Asking, Served};
pub use settings::same_as_schema;
pub use traces::{Trace, Traces};
pub use tunnel::Tunnel;
pub use web::Web;
