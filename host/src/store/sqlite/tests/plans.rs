//! Every query that runs often uses the index that was made for it.

use tempfile::tempdir;

use crate::store::Durability;
use crate::store::sqlite::SqliteStore;

async fn plan(store: &SqliteStore, sql: &'static str) -> String {
    store
        .writer
        .write(Durability::Relaxed, move |db| {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let steps = statement.query_map([], |row| row.get::<_, String>("detail"))?.collect::<Result<Vec<_>, _>>()?;
            Ok(steps.join("; "))
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn queries_use_their_indexes() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for (sql, index) in [
        ("SELECT id, epoch, runner FROM executions WHERE exec_id = x''", "executions_by_exec_id"),
        ("SELECT exec_id FROM executions WHERE exec_id BETWEEN x'' AND x'' ORDER BY exec_id LIMIT 1", "executions_by_exec_id"),
        ("SELECT * FROM executions WHERE status IN ('running') ORDER BY id DESC LIMIT 1 OFFSET 0", "executions_by_status"),
        ("SELECT * FROM executions WHERE flow = 'a' ORDER BY id DESC LIMIT 1 OFFSET 0", "executions_by_flow"),
        ("SELECT * FROM executions WHERE original = x'' ORDER BY id DESC LIMIT 1 OFFSET 0", "executions_by_original"),
        ("SELECT max(seq) FROM journal WHERE execution = 1", "journal_by_execution"),
        ("SELECT seq, bytes, link FROM journal WHERE execution = 1 AND seq >= 2 ORDER BY seq", "journal_by_execution"),
        ("SELECT * FROM waits WHERE execution = 1 ORDER BY call", "waits_by_call"),
        ("SELECT * FROM artifacts WHERE execution = 1 ORDER BY call, attempt, ordinal", "artifacts_by_position"),
        (
            "SELECT * FROM logs INDEXED BY logs_by_execution WHERE execution = 1 AND id > 5 ORDER BY id ASC LIMIT 9",
            "logs_by_execution",
        ),
        ("SELECT * FROM logs INDEXED BY logs_by_execution WHERE execution = 1 ORDER BY id DESC LIMIT 9", "logs_by_execution"),
    ] {
        let plan = plan(&store, sql).await;
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}
