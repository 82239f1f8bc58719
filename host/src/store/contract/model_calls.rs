//! Records of model calls, and their sums.

use super::Place;
use super::scenes::{DAY, becomes, claimed, created, entries, execution_of, failed_elsewhere, model_call};
use crate::ids::ExecutionId;
use crate::store::{
    Append, Executions, Imports, Journal, Lease, Leases, ModelCallRow, ModelCalls, SpendScope, Spending, Spent, StatusChange,
    StoreError, UsageQuery,
};

/// A full append of the record at `seq` and of these of model calls.
fn records(seq: u64, model_calls: Vec<ModelCallRow>) -> Append {
    Append { model_calls, ..entries([seq]) }
}

/// What was spent by the execution, the flow `flow` and the day of the records.
async fn totals(store: &impl Spending, execution: ExecutionId) -> [Spent; 3] {
    let [own, flow, day] = [SpendScope::Execution(execution), SpendScope::Flow("flow".into()), SpendScope::Day(DAY)];
    [store.spent(&own).await.unwrap(), store.spent(&flow).await.unwrap(), store.spent(&day).await.unwrap()]
}

fn recorded(amounts: [u64; 3]) -> [Spent; 3] {
    amounts.map(|recorded| Spent { recorded, ..Spent::default() })
}

/// A new execution with a record of what it spent, which has ended.
async fn spent(store: &(impl Executions + Leases + Journal), amount: u64) -> ExecutionId {
    let lease = claimed(store).await;
    store.append(&lease, records(0, vec![model_call(lease.execution, [0, 1, 0], amount)])).await.unwrap();
    store.append(&lease, becomes(StatusChange::Cancelled)).await.unwrap();
    store.release(&lease).await.unwrap();
    lease.execution
}

pub(crate) async fn model_calls_read_back_in_order<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let lease = claimed(&store).await;
    let id = lease.execution;
    let places = [[3, 1, 0], [0, 2, 0], [0, 1, 1], [0, 1, 0]];
    let mut rows: Vec<_> = places.into_iter().map(|place| model_call(id, place, 3)).collect();
    rows[1].event = None;
    rows[2].events = "long ".repeat(50_000);
    store.append(&lease, records(0, rows[..2].to_vec())).await.unwrap();
    store.append(&lease, records(1, rows[2..].to_vec())).await.unwrap();
    // An attempt whose number was given before is another one all the same: what it spent was spent.
    let again = ModelCallRow { name: "again".into(), ..model_call(id, [0, 1, 0], 4) };
    store.append(&lease, records(2, vec![again.clone()])).await.unwrap();
    let expected = [rows[3].clone(), again, rows[2].clone(), rows[1].clone(), rows[0].clone()];
    for store in [&store, &other] {
        assert_eq!(store.model_calls(id).await.unwrap(), expected);
        let usage = store.model_usage(id).await.unwrap();
        let told: Vec<_> = usage.iter().map(|row| (row.call, row.attempt, row.ordinal, &row.usage, row.spent)).collect();
        let wanted: Vec<_> = expected.iter().map(|row| (row.call, row.attempt, row.ordinal, &row.usage, row.spent)).collect();
        assert_eq!(told, wanted);
    }
    let only = async |calls: &[u32]| store.model_calls_of(id, calls).await.unwrap();
    assert_eq!(only(&[0]).await, expected[..4]);
    assert_eq!(only(&[3, 0, 7, 0]).await, expected, "in the same order, and each once");
    assert_eq!((only(&[]).await.len(), only(&(0..2_000).collect::<Vec<_>>()).await), (0, expected.to_vec()));
    assert!(matches!(store.model_calls_of(ExecutionId::from_bytes([9; 16]), &[0]).await, Err(StoreError::NotFound { .. })));
    assert_eq!(store.model_calls(created(&store).await).await.unwrap(), []);
    drop((store, other));
    assert_eq!(place.open().model_calls(id).await.unwrap(), expected, "after a restart");
}

pub(crate) async fn a_refused_append_records_no_model_call<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let id = lease.execution;
    let row = || vec![model_call(id, [0, 1, 0], 9)];
    assert!(matches!(store.append(&lease, records(4, row())).await, Err(StoreError::Conflict { .. })));
    let others = created(&store).await;
    let of_another = records(0, vec![model_call(others, [0, 1, 0], 9)]);
    assert!(matches!(store.append(&lease, of_another).await, Err(StoreError::Conflict { .. })), "a lease is for one execution");
    store.release(&lease).await.unwrap();
    assert!(matches!(store.append(&lease, records(0, row())).await, Err(StoreError::LeaseLost { .. })));
    let stranger = Lease { execution: others, ..lease };
    assert!(matches!(store.append(&stranger, records(0, row())).await, Err(StoreError::LeaseLost { .. })));
    for id in [id, others] {
        assert_eq!(store.model_calls(id).await.unwrap(), []);
        assert_eq!(totals(&store, id).await, recorded([0, 0, 0]));
        assert!(store.entries(id, 0, 10).await.unwrap().is_empty());
    }
}

pub(crate) async fn usage_is_found_by_flow_and_day<P: Place>(place: P) {
    let store = place.open();
    let (one, other) = (claimed(&store).await, claimed(&store).await);
    let row = |lease: &Lease, call: u32, flow: &str, day: u64| ModelCallRow {
        flow: flow.into(),
        day,
        ..model_call(lease.execution, [call, 1, 0], 1)
    };
    store.append(&one, records(0, vec![row(&one, 0, "a", 12), row(&one, 1, "a", 10)])).await.unwrap();
    store
        .append(&other, records(0, vec![row(&other, 2, "b", 10), row(&other, 3, "a", 11), row(&other, 4, "a", 12)]))
        .await
        .unwrap();
    let found = async |query: UsageQuery| {
        let rows = store.model_usage_of(&query).await.unwrap();
        rows.iter().map(|row| row.call).collect::<Vec<_>>()
    };
    let all = UsageQuery::default;
    assert_eq!(found(all()).await, [1, 2, 3, 0, 4]);
    assert_eq!(found(UsageQuery { flow: Some("a".into()), ..all() }).await, [1, 3, 0, 4]);
    assert_eq!(found(UsageQuery { flow: Some("c".into()), ..all() }).await, [] as [u32; 0]);
    assert_eq!(found(UsageQuery { since: Some(11), ..all() }).await, [3, 0, 4]);
    assert_eq!(found(UsageQuery { until: Some(11), ..all() }).await, [1, 2]);
    assert_eq!(found(UsageQuery { flow: Some("a".into()), since: Some(11), until: Some(12), ..all() }).await, [3]);
    // In pages of any size.
    for limit in 1..6 {
        for flow in [None, Some("a".to_owned())] {
            let (mut after, mut calls) = (None, Vec::new());
            loop {
                let query = UsageQuery { flow: flow.clone(), after, limit: Some(limit), ..all() };
                let page = store.model_usage_of(&query).await.unwrap();
                let Some(last) = page.last() else { break };
                assert!(page.len() as u64 <= limit);
                after = Some((last.day, last.position));
                calls.extend(page.iter().map(|row| row.call));
            }
            assert_eq!(calls, found(UsageQuery { flow, ..all() }).await);
        }
    }
    let rows = store.model_usage_of(&all()).await.unwrap();
    assert_eq!((rows[1].execution, rows[1].flow.as_str(), rows[1].day), (other.execution, "b", 10));
}

pub(crate) async fn what_was_spent_is_summed_by_execution_flow_and_day<P: Place>(place: P) {
    let (store, reader) = (place.open(), place.open());
    let (one, other) = (claimed(&store).await, claimed(&store).await);
    assert_eq!(totals(&store, one.execution).await, recorded([0, 0, 0]));
    let (first, second) = (model_call(one.execution, [0, 1, 0], 5), model_call(one.execution, [0, 1, 1], 6));
    store.append(&one, records(0, vec![first, second, model_call(one.execution, [0, 1, 2], 0)])).await.unwrap();
    let elsewhere = ModelCallRow { flow: "é".into(), day: DAY + 1, ..model_call(other.execution, [0, 1, 0], 7) };
    store.append(&other, records(0, vec![elsewhere, model_call(other.execution, [1, 1, 0], 8)])).await.unwrap();
    for store in [&store, &reader] {
        assert_eq!(totals(store, one.execution).await, recorded([11, 19, 19]));
        assert_eq!(totals(store, other.execution).await[0].recorded, 15);
        let of = |recorded: u64| Spent { recorded, ..Spent::default() };
        assert_eq!(store.spent_by_flow().await.unwrap(), [("flow".to_owned(), of(19)), ("é".to_owned(), of(7))]);
        assert_eq!(store.spent_by_day(None, None).await.unwrap(), [(DAY, of(19)), (DAY + 1, of(7))]);
        assert_eq!(store.spent_by_day(Some(DAY + 1), None).await.unwrap(), [(DAY + 1, of(7))]);
        assert_eq!(store.spent_by_day(None, Some(DAY + 1)).await.unwrap(), [(DAY, of(19))]);
    }
}

pub(crate) async fn a_deleted_execution_leaves_what_it_spent<P: Place>(place: P) {
    let store = place.open();
    let gone = spent(&store, 5).await;
    let stays = spent(&store, 6).await;
    store.delete(gone).await.unwrap();
    assert_eq!(totals(&store, gone).await, recorded([0, 11, 11]));
    assert_eq!(totals(&store, stays).await, recorded([6, 11, 11]));
    assert_eq!(store.model_usage_of(&UsageQuery::default()).await.unwrap().len(), 1);
    drop(store);
    let store = place.open();
    spent(&store, 1).await;
    assert_eq!(totals(&store, gone).await, recorded([0, 12, 12]), "nobody spends it twice");
}

pub(crate) async fn an_imported_execution_spends_nothing_here<P: Place>(place: P) {
    let store = place.open();
    let new = execution_of("flow");
    let id = new.id;
    let rows = vec![model_call(id, [0, 1, 0], 5), model_call(id, [1, 1, 0], 6)];
    store.import(vec![failed_elsewhere(new.clone(), rows.clone())]).await.unwrap();
    assert_eq!(store.model_calls(id).await.unwrap(), rows);
    assert_eq!(totals(&store, id).await, recorded([11, 0, 0]));
    // What it spends when it goes on here is spent here.
    let lease = store.claim(id).await.unwrap();
    store.append(&lease, records(0, vec![model_call(id, [2, 1, 0], 1)])).await.unwrap();
    assert_eq!(totals(&store, id).await, recorded([12, 1, 1]));
    let other = execution_of("flow");
    let wrong = failed_elsewhere(other.clone(), vec![model_call(id, [0, 1, 0], 5)]);
    assert!(matches!(store.import(vec![wrong]).await, Err(StoreError::Conflict { .. })), "a record of another execution");
    assert!(matches!(store.execution(other.id).await, Err(StoreError::NotFound { .. })));
}
