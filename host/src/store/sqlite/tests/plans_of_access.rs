//! What is asked when somebody comes over the network, and when it is changed who may: with what each statement must use.

use crate::store::sqlite::{api_keys, audit, one_time, service_accounts, sessions};

pub(super) fn of_access() -> Vec<(&'static str, Vec<&'static str>)> {
    let by_id = || vec!["INDEX service_accounts_by_account_id (account_id=?)"];
    let by_key = || vec!["INDEX api_keys_by_key_id (key_id=?)"];
    let by_row = "INTEGER PRIMARY KEY (rowid=?)";
    let by_session = || vec!["INDEX sessions_by_hash (hash=?)"];
    let of_key = "INDEX sessions_by_api_key (api_key=?";
    let of_account = "INDEX api_keys_by_name (account=?)";
    vec![
        (service_accounts::BY_NAME, vec!["INDEX service_accounts_by_name (name=?)"]),
        (service_accounts::BY_ID, by_id()),
        (service_accounts::KEY, by_id()),
        (service_accounts::CHANGE, by_id()),
        (service_accounts::REMOVE[0], vec![of_key, of_account]),
        (service_accounts::REMOVE[1], vec![of_account]),
        (service_accounts::REMOVE[2], vec![by_row]),
        (api_keys::BY_KEY_ID, [by_key(), vec![by_row]].concat()),
        (api_keys::BY_ROW, vec![by_row]),
        (api_keys::OF_ACCOUNT, vec![of_account, by_row]),
        (api_keys::KEY, by_key()),
        (api_keys::CHANGE, by_key()),
        (api_keys::ROTATE, by_key()),
        (api_keys::USE, by_key()),
        (api_keys::REMOVE[0], vec![of_key]),
        (api_keys::REMOVE[1], vec![by_row]),
        (sessions::BY_HASH, by_session()),
        (sessions::USE, by_session()),
        (sessions::END, by_session()),
        (sessions::EXPIRED, vec!["INDEX sessions_by_expiry (expires_at<?)"]),
        (sessions::TOO_MANY, vec![of_key]),
        (one_time::IS_THERE, vec!["INDEX login_codes_by_hash (hash=?)"]),
        (one_time::TAKE, vec!["INDEX login_codes_by_hash (hash=?)"]),
        (one_time::EXPIRED_CODES, vec!["INDEX login_codes_by_expiry (expires_at<?)"]),
        (one_time::SPENT, vec!["INDEX spent_uses_by_hash (hash=?)"]),
        (one_time::UNSPEND, vec!["INDEX spent_uses_by_hash (hash=?)"]),
        (one_time::EXPIRED_USES, vec!["INDEX spent_uses_by_expiry (expires_at<?)"]),
        (audit::NEWEST, vec!["INTEGER PRIMARY KEY (rowid<?)"]),
        (audit::TOO_OLD, vec!["INDEX audit_by_time (at<?)"]),
    ]
}
