//! Service accounts: who may come over the network, and what they may.

use super::authenticate::role_of;
use super::{Access, AccessError, Invalid, Role, Scope, Who};
use crate::clock::Timestamp;
use crate::ids::AccountId;
use crate::store::{AccountChange, AccountRow};

const LONGEST_NAME: usize = 100;
const LONGEST_DESCRIPTION: usize = 1_000;

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its identifier.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may do.
    pub role: Role,
    /// To which flows.
    pub scope: Scope,
    /// Whether its keys count.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Account {
    pub(super) fn of(row: AccountRow) -> Result<Self, AccessError> {
        let AccountRow { id, name, description, role, flows, active, created_at, updated_at } = row;
        let (role, scope) = (role_of(&role)?, Scope::from(flows));
        Ok(Self { id, name, description, role, scope, active, created_at, updated_at })
    }
}

/// An account about to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may do.
    pub role: Role,
    /// To which flows.
    pub scope: Scope,
}

/// What changes of an account. What is absent stays.
#[derive(Clone, Debug, Default)]
pub struct AccountUpdate {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Another role.
    pub role: Option<Role>,
    /// Other flows.
    pub scope: Option<Scope>,
    /// Whether its keys count.
    pub active: Option<bool>,
}

impl Access {
    /// Makes a service account.
    ///
    /// # Errors
    /// [`AccessError::Invalid`]; a conflict in the store when there is one of this name.
    pub async fn create_account(&self, new: NewAccount) -> Result<Account, AccessError> {
        check_name(&new.name, "a service account")?;
        check_description(&new.description)?;
        let now = self.now();
        let row = AccountRow {
            id: self.shared.ids.account(),
            name: new.name,
            description: new.description,
            role: new.role.as_str().to_owned(),
            flows: new.scope.into(),
            active: true,
            created_at: now,
            updated_at: now,
        };
        self.store().create_account(row.clone()).await?;
        Account::of(row)
    }

    /// All service accounts, by name.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn accounts(&self) -> Result<Vec<Account>, AccessError> {
        self.store().accounts().await?.into_iter().map(Account::of).collect()
    }

    /// The account that a text names: by its name first, then by its ID.
    ///
    /// # Errors
    /// [`AccessError::NotFound`].
    pub async fn account(&self, name_or_id: &str) -> Result<Account, AccessError> {
        let mut found = self.store().account(name_or_id).await?;
        if let (None, Ok(id)) = (&found, name_or_id.parse()) {
            found = self.store().account_by_id(id).await?;
        }
        let found = found.ok_or_else(|| not_found("Service account", name_or_id))?;
        Account::of(found)
    }

    /// Changes an account. It counts from the next request of its keys, tokens and sessions on.
    ///
    /// # Errors
    /// [`AccessError::NotFound`], [`AccessError::Invalid`]; a conflict in the store when another has the name.
    pub async fn update_account(&self, name_or_id: &str, update: AccountUpdate) -> Result<Account, AccessError> {
        let AccountUpdate { name, description, role, scope, active } = update;
        if let (None, None, None, None, None) = (&name, &description, role, &scope, active) {
            return Err(Invalid::Nothing.into());
        }
        name.as_deref().map_or(Ok(()), |name| check_name(name, "a service account"))?;
        description.as_deref().map_or(Ok(()), check_description)?;
        let account = self.account(name_or_id).await?;
        let role = role.map(|role| role.as_str().to_owned());
        let change = AccountChange { name, description, role, flows: scope.map(Into::into), active };
        Account::of(self.store().change_account(account.id, change, self.now()).await?)
    }

    /// Removes an account with its keys, tokens, sessions and links. The account as it was.
    ///
    /// # Errors
    /// [`AccessError::NotFound`].
    pub async fn delete_account(&self, name_or_id: &str) -> Result<Account, AccessError> {
        let account = self.account(name_or_id).await?;
        self.store().delete_account(account.id).await?;
        Ok(account)
    }
}

pub(super) fn not_found(what: &'static str, name: &str) -> AccessError {
    // What stands in a name's place may be anything.
    AccessError::NotFound { what, name: shown(name) }
}

/// As much of a text as is shown.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

/// Names stand in paths, tables and records, and none is taken for the owner's.
pub(super) fn check_name(name: &str, of: &'static str) -> Result<(), Invalid> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if plain && begins && name.len() <= LONGEST_NAME && !name.eq_ignore_ascii_case(Who::OWNER) {
        return Ok(());
    }
    Err(Invalid::Name(shown(name), of))
}

pub(super) fn check_description(text: &str) -> Result<(), Invalid> {
    if text.chars().count() <= LONGEST_DESCRIPTION { Ok(()) } else { Err(Invalid::Description(LONGEST_DESCRIPTION)) }
}
