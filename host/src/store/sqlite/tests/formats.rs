//! Data folders that are not what they should be, and what a new one is like.

use std::path::Path;

use rusqlite::Connection;
use tempfile::tempdir;

use super::scenes::{claimed, record};
use crate::ids::ExecutionId;
use crate::journal::PayloadHash;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::kept_values::ROW_LIMIT;
use crate::store::{
    Accesses, Blobs, Briefs, Components, Durability, ExecutionFilter, Executions, Flows, Journal, ModelCalls, Secrets,
    ServiceAccounts, SpendScope, Spending, Spent, StoreError, Wakeups,
};

fn change(folder: &Path, sql: &str) {
    Connection::open(folder.join("kitaru.db")).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_new_folder_is_made_with_what_is_above_it() {
    let root = tempdir().unwrap();
    let folder = root.path().join("a/b");
    drop(SqliteStore::open(&folder).unwrap());
    let db = Connection::open(folder.join("kitaru.db")).unwrap();
    let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("application_id"), pragma("user_version")), (0x4B54_5255, 7));
    let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(
        !names.iter().any(|name| name == "runners" || name == "wake" || name == "blobs"),
        "reading leaves no traces: {names:?}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    fn check(folder: &Path, seen: &mut usize) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.metadata().unwrap();
            let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(metadata.permissions().mode() & 0o777, expected, "{}", path.display());
            *seen += 1;
            if metadata.is_dir() {
                check(&path, seen);
            }
        }
    }
    let root = tempdir().unwrap();
    let store = SqliteStore::open(&root.path().join("home")).unwrap();
    let lease = claimed(&store).await;
    store.append(&lease, record(0, 10, Durability::Full)).await.unwrap();
    store.put_blob(vec![1; ROW_LIMIT + 1]).await.unwrap();
    store.put_component(b"component").await.unwrap();
    store.watch(lease.execution).await.unwrap();
    let mut seen = 0;
    check(root.path(), &mut seen);
    // home, the database's three files, the lock of sweeps, and four folders with a file in each, one of them two deep.
    assert_eq!(seen, 1 + 3 + 1 + 4 + 4 + 1);
}

#[test]
fn opening_at_once_is_safe() {
    for _ in 0..5 {
        let folder = tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| SqliteStore::open(folder.path()).unwrap());
            }
        });
    }
}

#[test]
fn e13_a_newer_format_is_refused() {
    let folder = tempdir().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    change(folder.path(), "PRAGMA user_version = 8");
    let error = SqliteStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::NewerFormat { found: 8, supported: 7, .. }), "{error:?}");
    change(folder.path(), "PRAGMA user_version = 7");
    SqliteStore::open(folder.path()).unwrap();
}

#[tokio::test]
async fn e13_an_older_format_is_brought_up_to_date() {
    let steps = [
        include_str!("../migrations/V1__initial.sql"),
        include_str!("../migrations/V2__model_calls.sql"),
        include_str!("../migrations/V3__accesses.sql"),
        include_str!("../migrations/V4__service.sql"),
        include_str!("../migrations/V5__flows.sql"),
        include_str!("../migrations/V6__trees.sql"),
    ];
    for version in 1..=steps.len() {
        let folder = tempdir().unwrap();
        change(folder.path(), "PRAGMA journal_mode = WAL");
        steps[..version].iter().for_each(|step| change(folder.path(), step));
        change(
            folder.path(),
            &format!(
                "PRAGMA application_id = 1263817301; PRAGMA user_version = {version}; UPDATE identity SET store_id = zeroblob(16)"
            ),
        );
        let store = SqliteStore::open(folder.path()).unwrap();
        assert_eq!(store.store_id().await.unwrap().as_bytes(), &[0; 16], "what was there is there");
        let lease = claimed(&store).await;
        store.append(&lease, record(0, 10, Durability::Full)).await.unwrap();
        assert_eq!(store.model_calls(lease.execution).await.unwrap(), []);
        assert_eq!(store.accesses(lease.execution).await.unwrap(), []);
        assert_eq!(store.briefs(&[lease.execution]).await.unwrap()[0].records, 1);
        assert_eq!(store.accounts().await.unwrap(), []);
        assert_eq!(store.deployments(None).await.unwrap(), []);
        drop(store);
        let db = Connection::open(folder.path().join("kitaru.db")).unwrap();
        assert_eq!(db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
    }
}

/// An execution of format 5, whose identifier is sixteen times its number, with what it spent and has set aside.
fn of_format_5(number: u8, parent: Option<u8>, [spent, reserved]: [u64; 2]) -> String {
    let bytes = |number: u8| format!("x'{}'", format!("{number:02x}").repeat(16));
    let (id, call) = (bytes(number), parent.map_or("NULL", |_| "0"));
    let parent = parent.map_or("NULL".into(), bytes);
    format!(
        "INSERT INTO executions (id, exec_id, flow, component, input, seed, created_at, flow_epoch, parent, parent_call, frozen_spec, status)
             VALUES ({number}, {id}, 'flow', zeroblob(32), x'0000', zeroblob(32), 1, 1, {parent}, {call}, '{{}}', 'running');
         INSERT INTO model_spend VALUES ('execution', {id}, {spent}, 1);
         INSERT INTO model_reservations (id, runner, amount, at) VALUES ({number}, 'gone', {reserved}, 1);
         INSERT INTO model_reserved VALUES ('execution', {id}, {number});"
    )
}

/// What executions of one tree spent under an older format is spent from its budget, wherever it can be told that they are of one.
#[tokio::test]
async fn e13_trees_of_an_older_format_keep_what_they_spent() {
    let folder = tempdir().unwrap();
    change(folder.path(), "PRAGMA journal_mode = WAL");
    for step in [
        include_str!("../migrations/V1__initial.sql"),
        include_str!("../migrations/V2__model_calls.sql"),
        include_str!("../migrations/V3__accesses.sql"),
        include_str!("../migrations/V4__service.sql"),
        include_str!("../migrations/V5__flows.sql"),
    ] {
        change(folder.path(), step);
    }
    // A top with a child and a grandchild, one that stands alone, one whose parent is in another store, and two that name each other.
    let rows = [
        of_format_5(1, None, [10, 100]),
        of_format_5(2, Some(1), [20, 200]),
        of_format_5(3, Some(2), [30, 300]),
        of_format_5(4, None, [40, 400]),
        of_format_5(5, Some(99), [50, 500]),
        of_format_5(6, Some(7), [60, 600]),
        of_format_5(7, Some(6), [70, 700]),
    ];
    change(folder.path(), &rows.concat());
    change(folder.path(), "PRAGMA application_id = 1263817301; PRAGMA user_version = 5");
    let store = SqliteStore::open(folder.path()).unwrap();
    let id = |number: u8| ExecutionId::from_bytes([number; 16]);
    for (number, root, tree) in [
        (1, None, [60, 3, 600]),
        (2, Some(id(1)), [0; 3]),
        (3, Some(id(1)), [0; 3]),
        (4, None, [40, 1, 400]),
        (5, None, [50, 1, 500]),
        (6, None, [60, 1, 600]),
        (7, None, [70, 1, 700]),
    ] {
        assert_eq!(store.execution(id(number)).await.unwrap().new.root, root, "{number}");
        let [recorded, unrecorded, reserved] = tree;
        let spent = store.spent(&SpendScope::Tree(id(number))).await.unwrap();
        assert_eq!(spent, Spent { recorded, unrecorded, reserved }, "{number}");
        let own = Spent { recorded: u64::from(number) * 10, unrecorded: 1, reserved: u64::from(number) * 100 };
        assert_eq!(store.spent(&SpendScope::Execution(id(number))).await.unwrap(), own, "{number}");
    }
    // Their runner is gone, and what it had set aside is spent for good: in the account of the tree too.
    assert_eq!(store.close_reservations().await.unwrap(), 7);
    let spent = store.spent(&SpendScope::Tree(id(1))).await.unwrap();
    assert_eq!(spent, Spent { recorded: 60, unrecorded: 603, reserved: 0 });
}

#[test]
fn e13_another_programs_database_is_left_alone() {
    for sql in ["CREATE TABLE theirs (a)", "PRAGMA application_id = 5", "PRAGMA user_version = 3"] {
        let folder = tempdir().unwrap();
        change(folder.path(), sql);
        let before = std::fs::read(folder.path().join("kitaru.db")).unwrap();
        let error = SqliteStore::open(folder.path()).unwrap_err();
        assert!(matches!(&error, StoreError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("another program"), "{error}");
        assert_eq!(std::fs::read(folder.path().join("kitaru.db")).unwrap(), before);
    }
}

#[test]
fn e13_a_file_that_is_no_database_is_damaged() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("kitaru.db"), "x".repeat(9000)).unwrap();
    let error = SqliteStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("kitaru.db"), "{error}");
}

#[tokio::test]
async fn e13_a_damaged_page_is_an_error_and_not_a_panic() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let lease = claimed(&store).await;
    for seq in 0..50 {
        store.append(&lease, record(seq, 2000, Durability::Full)).await.unwrap();
    }
    drop(store);
    let path = folder.path().join("kitaru.db");
    let mut bytes = std::fs::read(&path).unwrap();
    for byte in &mut bytes[3 * 4096..] {
        *byte ^= 0x5a;
    }
    std::fs::write(&path, bytes).unwrap();
    // The first pages (the schema) are whole, so it opens; the records are not.
    let found = match SqliteStore::open(folder.path()) {
        Ok(store) => store.entries(lease.execution, 0, u64::MAX).await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(matches!(found, Err(StoreError::Damaged { .. })), "{found:?}");
}

#[tokio::test]
async fn e13_a_column_of_another_kind_is_damaged() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let lease = claimed(&store).await;
    for sql in ["UPDATE executions SET input = x'09'", "UPDATE executions SET failure = '{'"] {
        change(folder.path(), sql);
        let error = store.execution(lease.execution).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        change(folder.path(), "UPDATE executions SET input = x'0000', failure = NULL");
        store.execution(lease.execution).await.unwrap();
    }
}

#[tokio::test]
async fn e13_a_damaged_blob_is_told_and_can_be_put_again() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let value = vec![7; ROW_LIMIT + 1];
    let hash = store.put_blob(value.clone()).await.unwrap();
    let path = store.folder.blob(&hash);
    std::fs::write(&path, "other").unwrap();
    let error = store.get_blob(&hash).await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { .. }) && error.to_string().contains(&hash.to_string()), "{error}");
    // A torn file has another length, and is replaced.
    std::fs::write(&path, "val").unwrap();
    assert!(matches!(store.get_blob(&hash).await, Err(StoreError::Damaged { .. })));
    assert_eq!(store.put_blob(value.clone()).await.unwrap(), PayloadHash::of(&value));
    assert_eq!(store.get_blob(&hash).await.unwrap(), value);

    // In the database.
    let hash = store.put_blob(b"value".to_vec()).await.unwrap();
    change(folder.path(), "UPDATE kept_values SET bytes = x'00'");
    let error = store.get_blob(&hash).await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { .. }) && error.to_string().contains(&hash.to_string()), "{error}");
    store.put_blob(b"value".to_vec()).await.unwrap();
    assert_eq!(store.get_blob(&hash).await.unwrap(), b"value");

    let digest = store.put_component(b"component").await.unwrap();
    std::fs::write(store.folder.component(digest), "c0mponent").unwrap();
    assert!(matches!(store.get_component(digest).await, Err(StoreError::Damaged { .. })));
}

#[cfg(unix)]
#[tokio::test]
async fn e13_a_read_only_folder_is_told() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempdir().unwrap();
    let home = root.path().join("home");
    drop(SqliteStore::open(&home).unwrap());
    let allow = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
    allow(root.path(), 0o500);
    allow(&home, 0o500);
    if tempfile::tempfile_in(&home).is_err() {
        // Not for a superuser, whom permissions do not stop.
        let error = SqliteStore::open(&home).unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
        allow(&home.join("kitaru.db"), 0o400);
        assert!(matches!(SqliteStore::open(&home), Err(StoreError::ReadOnly { .. })));
        assert!(matches!(SqliteStore::open(&root.path().join("new")), Err(StoreError::ReadOnly { .. })));
    }
    allow(root.path(), 0o700);
    allow(&home, 0o700);
    allow(&home.join("kitaru.db"), 0o600);
    assert_eq!(SqliteStore::open(&home).unwrap().count(&ExecutionFilter::default()).await.unwrap(), 0);
}
