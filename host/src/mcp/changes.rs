//! When the list of tools is another: flows are published and removed by others too.

use std::time::Duration;

use rmcp::model::Tool;
use rmcp::service::SubscriptionContext;
use rmcp::{Peer, RoleServer};

use super::flows;
use super::visitor::Visitor;

/// So often somebody who has a list of tools is looked after.
const LOOK: Duration = Duration::from_secs(5);

/// Tells a client that listens when the tools of its visitor change, until it listens no more.
pub(super) async fn tell_listener(visitor: &Visitor, context: &SubscriptionContext) {
    let mut known = flows::tools(visitor).await.ok();
    loop {
        tokio::select! {
            () = context.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if changed(visitor, &mut known).await && context.sink().notify_tool_list_changed().await.is_err() {
            return;
        }
    }
}

/// The same for a client of a version in which everybody is told.
pub(super) async fn tell_peer(visitor: Visitor, peer: Peer<RoleServer>) {
    let mut known = flows::tools(&visitor).await.ok();
    loop {
        tokio::time::sleep(LOOK).await;
        if peer.is_transport_closed() || (changed(&visitor, &mut known).await && peer.notify_tool_list_changed().await.is_err()) {
            return;
        }
    }
}

/// Whether the tools are others than before. What cannot be read has not changed.
async fn changed(visitor: &Visitor, known: &mut Option<Vec<Tool>>) -> bool {
    let Ok(now) = flows::tools(visitor).await else { return false };
    if known.as_ref() == Some(&now) {
        return false;
    }
    // The first that can be read is the first that can be told from others.
    known.replace(now).is_some()
}
