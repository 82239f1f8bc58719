//! One assistant, over standard input and output.

use rmcp::service::ServerInitializeError;
use rmcp::transport::stdio as pipes;

use super::server::Server;
use super::visitor::Visitor;

/// The conversation could not be held.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// It did not begin.
    #[error("the assistant's program does not speak the Model Context Protocol")]
    Begin(#[source] Box<ServerInitializeError>),
    /// It broke.
    #[error("the conversation with the assistant's program broke")]
    Broke(#[from] tokio::task::JoinError),
}

/// Talks over standard input and output with one visitor, until that side closes them.
///
/// # Errors
/// When what comes is not the protocol.
pub async fn stdio(visitor: Visitor) -> Result<(), StdioError> {
    match rmcp::serve_server(Server::of(visitor), pipes()).await {
        Ok(running) => {
            running.waiting().await?;
            Ok(())
        }
        // Whoever closes without a word has nothing to complain about.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(error) => Err(StdioError::Begin(Box::new(error))),
    }
}
