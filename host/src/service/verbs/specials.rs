//! Verbs whose input or output is bytes or a stream.

use super::{About, Effect, Method};
use crate::access::Role;

const BYTES: &str = "an assistant's messages are no place for files";
const STREAM: &str = "an assistant asks again";

/// All verbs that do not take and give JSON.
pub fn specials() -> &'static [About] {
    const SPECIALS: &[About] = &[
        about(
            "components.put",
            Method::Put,
            "/components",
            Role::Author,
            Effect::Changes,
            BYTES,
            "Keeps a component: its bytes are the body, its signature the header `Kitaru-Signature`.",
        ),
        about(
            "components.content",
            Method::Get,
            "/components/{digest}/content",
            Role::Author,
            Effect::Reads,
            BYTES,
            "Gives the bytes of a component that is kept here.",
        ),
        about(
            "artifacts.content",
            Method::Get,
            "/artifacts/{artifact}/content",
            Role::Viewer,
            Effect::Reads,
            BYTES,
            "Gives an artifact as it is.",
        ),
        about(
            "executions.export",
            Method::Get,
            "/export",
            Role::Author,
            Effect::Reads,
            BYTES,
            "Gives executions, with all that they need, as one file.",
        ),
        about(
            "executions.import",
            Method::Post,
            "/import",
            Role::Admin,
            Effect::Changes,
            BYTES,
            "Reads executions from a file that an export wrote.",
        ),
        about(
            "executions.logs.stream",
            Method::Get,
            "/executions/{execution}/logs/stream",
            Role::Viewer,
            Effect::Reads,
            STREAM,
            "Follows what an execution writes, to its end.",
        ),
        about(
            "executions.events.stream",
            Method::Get,
            "/executions/{execution}/events/stream",
            Role::Viewer,
            Effect::Reads,
            STREAM,
            "Follows an execution as events, to its end.",
        ),
        about(
            "executions.stream",
            Method::Get,
            "/executions/{execution}/stream",
            Role::Viewer,
            Effect::Reads,
            STREAM,
            "Tells when anything of an execution has changed, to its end.",
        ),
        about(
            "stream",
            Method::Get,
            "/stream",
            Role::Viewer,
            Effect::Reads,
            STREAM,
            "Tells when any execution, or what is asked, has changed.",
        ),
    ];
    SPECIALS
}

const fn about(
    name: &'static str,
    method: Method,
    path: &'static str,
    role: Role,
    effect: Effect,
    absent: &'static str,
    summary: &'static str,
) -> About {
    About { name, method, path, role, effect, tool: Err(absent), summary, status: 200 }
}
