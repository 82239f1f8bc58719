//! Every statement that runs often finds its rows by the index that was made for it, and every index was made for one. The statements are
//! those that the store runs.

use rusqlite::types::Value;
use rusqlite::{StatementStatus, params_from_iter};
use tempfile::tempdir;

use super::plans_of_access::of_access;
use crate::ids::{ExecutionId, Ids as _, SystemIds};
use crate::store::sqlite::executions::{count_of, list_of};
use crate::store::sqlite::{
    SqliteStore, accesses, artifacts, briefs, cache, calls, columns, executions, fence, flows, journal, kept_values, leases,
    logs, model_answers, model_calls, removal, secrets, spending, starts, waits,
};
use crate::store::{Durability, ExecutionFilter, LogFilter, LogSource, Status, UsageQuery};

/// A statement with its values, which SQLite looks at too when it plans; every value is 1000 where none are given.
struct Asked {
    sql: String,
    values: Vec<Value>,
}

impl Asked {
    fn of(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    fn list(filter: &ExecutionFilter, limit: i64) -> Self {
        let (sql, mut values) = list_of(filter);
        values.extend([Value::Integer(limit), Value::Integer(0)]);
        Self { sql, values }
    }

    fn count(filter: &ExecutionFilter) -> Self {
        let (sql, values) = count_of(filter);
        Self { sql, values }
    }

    fn usage(query: &UsageQuery) -> Self {
        let (sql, values) = model_calls::usage_of(query);
        Self { sql, values }
    }

    fn lines(filter: &LogFilter) -> Self {
        let (sql, values) = logs::lines_of(1, filter);
        Self { sql, values }
    }
}

/// The steps of SQLite's plan.
async fn plan(store: &SqliteStore, asked: &Asked) -> Vec<String> {
    let (sql, mut values) = (format!("EXPLAIN QUERY PLAN {}", asked.sql), asked.values.clone());
    store
        .writer
        .write(Durability::Relaxed, move |db| {
            let mut statement = db.prepare(&sql)?;
            if values.is_empty() {
                values = vec![Value::Integer(1_000); statement.parameter_count()];
            }
            let steps = statement.query_map(params_from_iter(values), |row| row.get::<_, String>("detail"))?;
            Ok(steps.collect::<Result<Vec<_>, _>>()?)
        })
        .await
        .unwrap()
}

/// The latest one, a page, and all.
const LIMITS: [i64; 3] = [1, 1_000, i64::MAX];

fn all() -> ExecutionFilter {
    ExecutionFilter::default()
}

fn id() -> ExecutionId {
    SystemIds.execution()
}

/// What the scheduler asks in every round, and what every call, append and command asks: with what each of them must use.
fn by_key() -> Vec<(&'static str, Vec<&'static str>)> {
    let by_exec_id = || vec!["INDEX executions_by_exec_id (exec_id=?)"];
    vec![
        (executions::ONE, by_exec_id()),
        (executions::BY_PREFIX, vec!["INDEX executions_by_exec_id (exec_id>? AND exec_id<?)"]),
        (executions::DUE, vec!["INDEX executions_by_wake_at (wake_at<?)"]),
        (executions::NEXT_WAKE, vec!["INDEX executions_by_wake_at"]),
        (executions::UNCLAIMED, vec!["INDEX executions_by_status (status=?)"]),
        (executions::ABANDONED, vec!["INDEX executions_by_runner (runner>?)"]),
        (columns::KEY, by_exec_id()),
        (fence::HOLDER, by_exec_id()),
        (leases::RUNNER, by_exec_id()),
        (leases::TAKE, by_exec_id()),
        (leases::GIVE_BACK, by_exec_id()),
        (leases::ABANDON, by_exec_id()),
        (journal::ENTRIES, vec!["INDEX journal_by_execution (execution=? AND seq>?)"]),
        (journal::LAST, vec!["INDEX journal_by_execution (execution=?)"]),
        (journal::PARENT_IS_DUE, vec!["INDEX executions_by_exec_id (exec_id=?)", "INTEGER PRIMARY KEY (rowid=?)"]),
        (waits::ALL, vec!["INDEX waits_by_call (execution=?)"]),
        (waits::FOR_MODELS, vec!["INDEX waits_for_models (resolution=?)", "INTEGER PRIMARY KEY (rowid=?)"]),
        (waits::ONE, vec!["INDEX waits_by_call (execution=? AND call=?)"]),
        (waits::IS_SETTLED, vec!["INDEX waits_by_call (execution=? AND call=?)"]),
        (waits::IS_DUE, vec!["INTEGER PRIMARY KEY (rowid=?)"]),
        (accesses::OF_EXECUTION, vec!["INDEX accesses_by_call (execution=?)"]),
        (accesses::COUNT, vec!["COVERING INDEX accesses_by_call (execution=?)"]),
        (artifacts::ALL, vec!["INDEX artifacts_by_position (execution=?)"]),
        (calls::ARTIFACTS, vec!["INDEX artifacts_by_position (execution=? AND call=?)"]),
        (calls::ACCESSES, vec!["INDEX accesses_by_call (execution=? AND call=?)"]),
        (calls::USAGE, vec!["INDEX model_calls_by_call (execution=? AND call=?)"]),
        (artifacts::REPLACE, vec!["INDEX artifacts_by_position (execution=? AND call=? AND attempt=? AND ordinal>?)"]),
        (
            briefs::ONE,
            vec![
                "INDEX executions_by_exec_id (exec_id=?)",
                "briefs USING INTEGER PRIMARY KEY (rowid=?)",
                "COVERING INDEX journal_by_execution (execution=?)",
                "COVERING INDEX model_calls_by_execution (execution=?)",
            ],
        ),
        (briefs::KEEP, by_exec_id()),
        (briefs::IS_KNOWN, vec!["COVERING INDEX executions_by_exec_id (exec_id=?)"]),
        (briefs::SAVED, vec!["COVERING INDEX artifacts_by_position (execution=? AND call=? AND attempt>? AND attempt<?)"]),
        (briefs::USAGE_AFTER, vec!["INDEX model_calls_by_execution (execution=? AND rowid>?)"]),
        (cache::CACHED, vec!["cache USING PRIMARY KEY (key=?)"]),
        (kept_values::VALUE, vec!["INDEX kept_values_by_hash (hash=?)"]),
        (kept_values::KEEP, vec!["INDEX kept_values_by_hash (hash=?)"]),
    ]
}

/// What commands about secrets ask, and whoever uses one.
fn of_a_secret() -> Vec<(&'static str, Vec<&'static str>)> {
    let by_name = || vec!["INDEX secrets_by_name (name=?)"];
    let values = "secret_values USING PRIMARY KEY (secret=?)";
    vec![
        (secrets::STORE_ID, vec!["identity USING INTEGER PRIMARY KEY (rowid=?)"]),
        (secrets::VERSION, by_name()),
        (secrets::KEY, by_name()),
        (secrets::BURY, by_name()),
        (secrets::BY_NAME, [by_name(), vec![values]].concat()),
        (secrets::BY_ID, vec!["INDEX secrets_by_secret_id (secret_id=?)", values]),
        (secrets::FORGET, vec![values]),
    ]
}

/// What every model call asks, and what it cost.
fn of_a_model_call() -> Vec<(&'static str, Vec<&'static str>)> {
    let by_id = || vec!["INTEGER PRIMARY KEY (rowid=?)"];
    let by_key = || vec!["INDEX model_answers_by_key (key=?)"];
    let account = "model_spend USING PRIMARY KEY (scope=? AND name=?)";
    let reserved = "model_reserved USING PRIMARY KEY (scope=? AND name=?)";
    vec![
        (model_calls::OF_EXECUTION, vec!["INDEX model_calls_by_call (execution=?)"]),
        (model_calls::USAGE, vec!["INDEX model_calls_by_call (execution=?)"]),
        (spending::SUMS, vec![account]),
        (spending::RESERVED, vec![reserved, "model_reservations USING INTEGER PRIMARY KEY (rowid=?)"]),
        (spending::BY_FLOW, vec!["model_spend USING PRIMARY KEY (scope=?)"]),
        (spending::BY_DAY, vec!["model_spend USING PRIMARY KEY (scope=? AND name>? AND name<?)"]),
        (spending::RESERVATION, by_id()),
        (spending::SETTLE, by_id()),
        (spending::OF_CALL, vec!["INDEX model_reservations_by_event (event=?)"]),
        (spending::END[0], vec!["INDEX model_reserved_by_reservation (reservation=?)"]),
        (spending::END[1], [by_id(), vec!["INDEX model_reserved_by_reservation (reservation=?)"]].concat()),
        (spending::TOP, by_id()),
        (spending::LEFT, vec!["INDEX executions_by_exec_id (exec_id=?)", "INDEX executions_by_root (root=?)"]),
        (spending::FORGET[0], vec![account]),
        (spending::FORGET[1], vec![reserved]),
        (model_answers::ANSWER, by_key()),
        (model_answers::OF_KEY, by_key()),
        (model_answers::USE, by_key()),
        (model_answers::NEXT_USE, by_id()),
        (model_answers::SIZE, by_id()),
        (model_answers::GROW, by_id()),
        (model_answers::REMOVE, by_id()),
        (model_answers::EXPIRED, vec!["INDEX model_answers_by_expiry (expires_at<?)"]),
        (
            kept_values::DROP,
            vec![
                "INDEX kept_values_by_hash (hash=?)",
                "blob_uses USING PRIMARY KEY (hash=?)",
                "INDEX model_answers_by_blob (blob=?)",
            ],
        ),
    ]
}

/// What is asked of published flows, and of keys of starts.
fn of_a_flow() -> Vec<(&'static str, Vec<&'static str>)> {
    let by_name = "INDEX flows_by_name (name=?)";
    let its_tags = "INDEX deployment_tags_by_deployment (deployment=?)";
    let by_version = "INDEX deployments_by_version (flow=? AND version=?)";
    let by_tag = || vec!["deployment_tags USING PRIMARY KEY (flow=? AND tag=?)"];
    vec![
        (flows::ONE, vec![by_name, by_version, its_tags]),
        (flows::OF_FLOW, vec![by_name, "INDEX deployments_by_version (flow=?)", its_tags]),
        (flows::TAGGED, vec![by_name, "tagged USING PRIMARY KEY (flow=? AND tag=?)", its_tags]),
        (flows::KEYS, vec![by_name, by_version]),
        (flows::FLOW, vec![by_name]),
        (flows::IS_EXCLUSIVE, by_tag()),
        (flows::TAKE_OFF, by_tag()),
        (flows::SHARE, by_tag()),
        (flows::UNTAG, vec!["deployment_tags USING PRIMARY KEY (flow=? AND tag=? AND deployment=?)"]),
        (flows::HELD, vec![its_tags]),
        (flows::DELETE[0], vec![its_tags]),
        (flows::DELETE[1], vec!["INTEGER PRIMARY KEY (rowid=?)", its_tags]),
        (flows::DELETE_ALL[0], vec!["deployment_tags USING PRIMARY KEY (flow=?)"]),
        (flows::DELETE_ALL[1], vec!["INDEX deployments_by_version (flow=?)", its_tags]),
        (starts::STARTED, vec!["starts USING PRIMARY KEY (caller=? AND key=?)"]),
        (starts::FORGET, vec!["INDEX starts_by_age (at<?)"]),
    ]
}

/// The pages of usage that reports ask for.
fn by_usage() -> Vec<(UsageQuery, Vec<&'static str>)> {
    let of_flow = |query: UsageQuery| UsageQuery { flow: Some("flow".into()), ..query };
    let page =
        || UsageQuery { since: Some(3), until: Some(9), after: Some((4, 1_000)), limit: Some(10), ..UsageQuery::default() };
    let (by_day, by_flow) = ("INDEX model_calls_by_day (", "INDEX model_calls_by_flow (flow=? AND ");
    let execution = "executions USING INTEGER PRIMARY KEY (rowid=?)";
    vec![
        (UsageQuery::default(), vec![by_day, execution]),
        (page(), vec![by_day, execution]),
        (of_flow(UsageQuery::default()), vec![by_flow, execution]),
        (of_flow(page()), vec![by_flow, execution]),
    ]
}

/// The lists of executions that commands, batches and the scheduler ask for.
fn by_filter() -> Vec<(ExecutionFilter, Vec<&'static str>)> {
    let running = ExecutionFilter { statuses: vec![Status::Running], ..all() };
    let open = vec![Status::Running, Status::Waiting];
    let labelled = |tags: &[&str]| ExecutionFilter { tags: tags.iter().map(ToString::to_string).collect(), ..all() };
    let by_label = || vec!["INTEGER PRIMARY KEY (rowid=?)", "tags USING PRIMARY KEY (tag=?)"];
    vec![
        (running.clone(), vec!["INDEX executions_by_status (status=?)"]),
        (ExecutionFilter { before: Some(9), ..running.clone() }, vec!["INDEX executions_by_status (status=? AND rowid<?)"]),
        (ExecutionFilter { before: Some(9), ..all() }, vec!["INTEGER PRIMARY KEY (rowid<?)"]),
        (ExecutionFilter { flow: Some("flow".into()), ..all() }, vec!["INDEX executions_by_flow (flow=?)"]),
        (ExecutionFilter { original: Some(id()), ..all() }, vec!["INDEX executions_by_original (original=?)"]),
        (ExecutionFilter { parent: Some(id()), ..all() }, vec!["INDEX executions_by_parent (parent=?)"]),
        (ExecutionFilter { parent: Some(id()), statuses: open, ..all() }, vec!["INDEX executions_by_parent (parent=?)"]),
        (labelled(&["a"]), by_label()),
        (labelled(&["a", "b"]), by_label()),
        (ExecutionFilter { statuses: running.statuses, ..labelled(&["a"]) }, vec!["tags USING PRIMARY KEY (tag=?)"]),
    ]
}

/// The lines that are shown, and those that are followed.
fn by_line() -> Vec<(LogFilter, &'static str)> {
    let of_one = LogFilter { checkpoint: Some("draft".into()), source: Some(LogSource::Step), ..LogFilter::default() };
    vec![
        (LogFilter::default(), "INDEX logs_by_execution (execution=?)"),
        (LogFilter { limit: Some(9), ..LogFilter::default() }, "INDEX logs_by_execution (execution=?)"),
        (LogFilter { after: Some(5), ..LogFilter::default() }, "INDEX logs_by_execution (execution=? AND rowid>?)"),
        (LogFilter { after: Some(5), limit: Some(9), ..of_one.clone() }, "INDEX logs_by_execution (execution=? AND rowid>?)"),
        (LogFilter { limit: Some(9), ..of_one }, "INDEX logs_by_execution (execution=?)"),
    ]
}

/// What a deletion does. The last removes the row that all others refer to, which SQLite looks for in every table.
fn of_a_deletion() -> Vec<(&'static str, Vec<&'static str>)> {
    let belongings = [
        "INDEX journal_by_execution (execution=?)",
        "INDEX waits_by_call (execution=?)",
        "INDEX artifacts_by_position (execution=?)",
        "INDEX logs_by_", // Both begin with the execution.
        "INDEX tags_by_execution (execution=?)",
        "INDEX blob_uses_by_execution (execution=?)",
        "INDEX model_calls_by_", // Likewise.
        "INDEX accesses_by_call (execution=?)",
        "briefs USING INTEGER PRIMARY KEY (rowid=?)",
    ];
    let mut steps = vec![
        (removal::FOUND, vec!["INDEX executions_by_exec_id (exec_id=?)"]),
        (removal::NEEDED_BY, vec!["INDEX executions_by_original (original=?)", "INDEX executions_by_exec_id (exec_id=?)"]),
        (removal::CACHED, vec!["INDEX cache_by_execution (execution=?)"]),
        (removal::ITSELF, [vec!["INTEGER PRIMARY KEY (rowid=?)"], belongings.to_vec()].concat()),
    ];
    steps.extend(removal::BELONGINGS.into_iter().zip(belongings.map(|index| vec![index])));
    steps
}

/// The statements of all of these, with what each must use.
fn statements() -> Vec<(Asked, Vec<&'static str>)> {
    let mut statements: Vec<_> = by_key()
        .into_iter()
        .chain(of_a_secret())
        .chain(of_a_model_call())
        .chain(of_access())
        .chain(of_a_flow())
        .chain(of_a_deletion())
        .map(|(sql, uses)| (Asked::of(sql), uses))
        .collect();
    for (filter, uses) in by_filter() {
        for limit in LIMITS {
            statements.push((Asked::list(&filter, limit), uses.clone()));
        }
        statements.push((Asked::count(&filter), uses));
    }
    statements.extend(by_line().into_iter().map(|(filter, index)| (Asked::lines(&filter), vec![index])));
    for count in [1, 3, 500] {
        let of_calls = Asked::of(&model_calls::of_calls(count));
        statements.push((of_calls, vec!["INDEX model_calls_by_call (execution=? AND call=?)"]));
    }
    statements.extend(by_usage().into_iter().map(|(query, uses)| (Asked::usage(&query), uses)));
    statements
}

#[tokio::test]
async fn statements_find_their_rows_by_index_and_in_order() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for (asked, uses) in statements() {
        let plan = plan(&store, &asked).await;
        let Asked { sql, values } = asked;
        let sql = format!("{sql} {values:?}");
        assert!(!plan.is_empty(), "{sql}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{sql}: goes through all of a table: {plan:?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}: sorts: {plan:?}");
        assert!(!plan.iter().any(|step| step.contains("AUTOMATIC")), "{sql}: makes an index first: {plan:?}");
        for index in uses {
            assert!(plan.iter().any(|step| step.contains(index)), "{sql}: does not use {index}: {plan:?}");
        }
    }
}

/// A statement that is planned again because of its values costs ten times itself.
#[tokio::test]
async fn what_every_step_asks_is_planned_once() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for sql in [fence::HOLDER, journal::LAST, journal::APPEND, executions::ONE, leases::RUNNER, columns::KEY] {
        let plans = store.writer.write(Durability::Relaxed, move |db| {
            let mut statement = db.prepare(sql)?;
            let count = statement.parameter_count();
            for value in [1, 2, 3] {
                let mut rows = statement.query(params_from_iter(vec![Value::Integer(value); count]))?;
                // It may fail: no such row may be made.
                let _ = rows.next();
            }
            Ok(statement.get_status(StatementStatus::RePrepare))
        });
        assert_eq!(plans.await.unwrap(), 0, "{sql}");
    }
}

#[tokio::test]
async fn several_statuses_are_found_by_index() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let ended = vec![Status::Completed, Status::Failed, Status::Cancelled];
    let filter = ExecutionFilter { statuses: ended, ..all() };
    for limit in LIMITS {
        // Newest first over several of them needs a sort, of those alone.
        let plan = plan(&store, &Asked::list(&filter, limit)).await;
        assert!(plan[0].starts_with("SEARCH executions USING INDEX executions_by_status (status=?)"), "{plan:?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{plan:?}");
    }
}

#[tokio::test]
async fn a_list_of_all_walks_from_the_newest_and_stops_at_its_limit() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    // The key is the order: no other index, and nothing is sorted before the first row is given.
    for limit in LIMITS {
        assert_eq!(plan(&store, &Asked::list(&all(), limit)).await, ["SCAN executions"]);
    }
}

#[tokio::test]
async fn the_answer_that_makes_room_is_the_first_of_its_index() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let plan = plan(&store, &Asked::of(model_answers::OLDEST)).await;
    assert_eq!(plan, ["SCAN model_answers USING COVERING INDEX model_answers_by_use"]);
}

#[tokio::test]
async fn every_index_is_for_a_statement() {
    let folder = tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let mut plans = Vec::new();
    for (asked, _) in statements() {
        plans.extend(plan(&store, &asked).await);
    }
    plans.extend(plan(&store, &Asked::of(model_answers::OLDEST)).await);
    let names = store.writer.write(Durability::Relaxed, |db| {
        let mut statement =
            db.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(names)
    });
    // No plan tells of the one that recognises a line that is there already (E11).
    let unused: Vec<_> = names.await.unwrap().into_iter().filter(|name| !plans.iter().any(|step| step.contains(name))).collect();
    assert!(unused.is_empty() || unused == ["logs_by_position"], "{unused:?}");
}
