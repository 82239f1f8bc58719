//! Many executions, in no time: copies of one, by the store's own rows.

use kitaru_tests::Host;
use rusqlite::Connection;

/// Makes so many copies of an execution that has ended: its row with another identifier and another time, each a minute before the one before it.
pub(crate) fn multiply(host: &Host, execution: &str, times: u32) {
    let store = Connection::open(host.database()).unwrap();
    let mut columns = store
        .prepare("SELECT name FROM pragma_table_info('executions') WHERE name NOT IN ('id', 'exec_id', 'created_at')")
        .unwrap();
    let columns: Vec<String> = columns.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let columns = columns.join(", ");
    // A UUID of version 7 is a time and random bits; the copies keep the version and the variant.
    let copy = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2)
         INSERT INTO executions (exec_id, created_at, {columns})
         SELECT CAST(substr(exec_id, 1, 8) || randomblob(8) AS BLOB), created_at - n * 60000000, {columns} FROM executions, numbers
         WHERE lower(hex(exec_id)) = replace(?1, '-', '')"
    );
    let made = store.execute(&copy, (execution, times)).unwrap();
    assert_eq!(made, times as usize);
}
