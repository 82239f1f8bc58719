//! Adapters between the store and [`kitaru_llm`]: what calls of models ask for, answered by what the store keeps. They may use both, and the store
//! names neither them nor that crate.

mod answers;
mod ledger;

pub use answers::StoredAnswers;
pub use ledger::{StoredLedger, account_of};
