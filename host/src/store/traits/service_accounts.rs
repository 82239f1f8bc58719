//! Service accounts: those who come over the network, by name.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::ids::AccountId;
use crate::store::StoreError;

/// A service account. The store does not know what roles and flows mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Its identifier.
    pub id: AccountId,
    /// Its name, which no other has.
    pub name: String,
    /// What it is for, for people.
    pub description: String,
    /// The word of its role.
    pub role: String,
    /// Names of flows that it is for; all where there is none.
    pub flows: Option<Vec<String>>,
    /// Whether its keys count.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What changes of an account. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Another role.
    pub role: Option<String>,
    /// Other flows; all with `Some(None)`.
    pub flows: Option<Option<Vec<String>>>,
    /// Whether its keys count.
    pub active: Option<bool>,
}

/// Service accounts.
#[async_trait]
pub trait ServiceAccounts {
    /// Makes an account, durably.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one of this name.
    async fn create_account(&self, account: AccountRow) -> Result<(), StoreError>;
    /// The account of this name.
    async fn account(&self, name: &str) -> Result<Option<AccountRow>, StoreError>;
    /// The account with this identifier.
    async fn account_by_id(&self, id: AccountId) -> Result<Option<AccountRow>, StoreError>;
    /// All accounts, by name.
    async fn accounts(&self) -> Result<Vec<AccountRow>, StoreError>;
    /// Changes an account, durably; the account as it is then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when another has the name.
    async fn change_account(&self, id: AccountId, change: AccountChange, at: Timestamp) -> Result<AccountRow, StoreError>;
    /// Removes an account with its keys and their sessions, durably.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn delete_account(&self, id: AccountId) -> Result<(), StoreError>;
}
