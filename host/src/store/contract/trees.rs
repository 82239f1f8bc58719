//! Trees of executions: one account of what model calls cost, for whoever stands in it.

use std::sync::Arc;

use uuid::Uuid;

use super::Place;
use super::scenes::{DAY, at, becomes, claimed, entries, execution_of, failed_elsewhere, model_call};
use crate::ids::{CallId, ExecutionId, Ids as _, SystemIds};
use crate::store::{
    Append, Executions, Imports, Lease, ModelCallRow, NewExecution, NewReservation, Reserved, SpendAccount, SpendScope, Spending,
    Spent, StatusChange, Store,
};

fn sums(recorded: u64, unrecorded: u64, reserved: u64) -> Spent {
    Spent { recorded, unrecorded, reserved }
}

fn event() -> Uuid {
    Uuid::from_bytes(*SystemIds.execution().as_bytes())
}

/// A call of `member` that can cost so much, of a tree that may spend `limit`.
fn asked(member: ExecutionId, root: ExecutionId, event: Uuid, amount: u64, limit: Option<u64>) -> NewReservation {
    let scopes = [SpendScope::Execution(member), SpendScope::Tree(root), SpendScope::Day(DAY)];
    let limits = [limit, limit, None];
    let accounts = scopes.into_iter().zip(limits).map(|(scope, limit)| SpendAccount { scope, limit }).collect();
    NewReservation { event: Some(event), accounts, amount, at: at(1) }
}

/// Creates an execution that `above` started, and waits for or not, and claims it.
async fn started(store: &impl Store, above: &Lease, seq: u64, root: ExecutionId, is_waited_for: bool) -> Lease {
    let parent = is_waited_for.then_some(CallId { execution: above.execution, index: 0 });
    let new = NewExecution { parent, root: Some(root), depth: 1, ..execution_of("flow") };
    let id = new.id;
    store.append(above, Append { child: Some(Box::new(new)), ..entries([seq]) }).await.unwrap();
    store.claim(id).await.unwrap()
}

/// A top, its child, that one's child, and one that the top let go of.
async fn tree(store: &impl Store) -> [Lease; 4] {
    let top = claimed(store).await;
    let root = top.execution;
    let child = started(store, &top, 0, root, true).await;
    let grandchild = started(store, &child, 0, root, true).await;
    let free = started(store, &top, 1, root, false).await;
    [top, child, grandchild, free]
}

async fn record(store: &impl Store, lease: &Lease, seq: u64, event: Uuid, amount: u64) {
    let row = ModelCallRow { event: Some(event), ..model_call(lease.execution, [0, 1, 0], amount) };
    store.append(lease, Append { model_calls: vec![row], ..entries([seq]) }).await.unwrap();
}

async fn of_tree(store: &impl Spending, root: ExecutionId) -> Spent {
    store.spent(&SpendScope::Tree(root)).await.unwrap()
}

async fn ends(store: &impl Store, lease: &Lease) {
    store.append(lease, becomes(StatusChange::Cancelled)).await.unwrap();
    store.release(lease).await.unwrap();
}

pub(crate) async fn a8_all_of_a_tree_spend_from_one_account<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let members = tree(&store).await;
    let root = members[0].execution;
    for (member, expected) in members.iter().zip([None, Some(root), Some(root), Some(root)]) {
        assert_eq!(other.execution(member.execution).await.unwrap().new.root, expected);
    }
    // Each sets ten aside, and spends what its number says.
    let seqs = [2, 1, 0, 0];
    for (number, (member, seq)) in (1..).zip(members.iter().zip(seqs)) {
        let call = event();
        let kept = store.reserve(asked(member.execution, root, call, 10, Some(100))).await.unwrap();
        assert!(matches!(kept, Reserved::Kept(_)), "{kept:?}");
        assert_eq!(of_tree(&other, root).await.reserved, 10);
        record(&store, member, seq, call, number).await;
    }
    for store in [&store, &other] {
        assert_eq!(of_tree(store, root).await, sums(10, 30, 0), "what was set aside beyond the records may have been charged");
        for (number, member) in (1..).zip(&members) {
            let own = store.spent(&SpendScope::Execution(member.execution)).await.unwrap();
            assert_eq!(own, sums(number, 10 - number, 0));
        }
        for member in &members[1..] {
            assert_eq!(of_tree(store, member.execution).await, sums(0, 0, 0), "a tree has one top");
        }
        assert_eq!(store.spent(&SpendScope::Day(DAY)).await.unwrap(), sums(10, 30, 0), "and each amount counts once");
    }
    // Each has much left of its own, and the tree has not.
    for member in &members {
        let refused = other.reserve(asked(member.execution, root, event(), 61, Some(100))).await.unwrap();
        let account = SpendAccount { scope: SpendScope::Tree(root), limit: Some(100) };
        assert_eq!(refused, Reserved::Exceeded { account, used: 40 });
    }
    let whole = other.reserve(asked(members[2].execution, root, event(), 60, Some(100))).await.unwrap();
    assert!(matches!(whole, Reserved::Kept(_)), "{whole:?}");
}

pub(crate) async fn a8_the_last_cent_of_a_tree_is_given_once<P: Place>(place: P) {
    let stores: Vec<_> = (0..3).map(|_| Arc::new(place.open())).collect();
    let root = SystemIds.execution();
    let mut tasks = Vec::new();
    for number in 0..48 {
        let store = Arc::clone(&stores[number % stores.len()]);
        // Each is another member, which has spent nothing itself.
        let new = asked(SystemIds.execution(), root, event(), 3, Some(32));
        tasks.push(tokio::spawn(async move { store.reserve(new).await.unwrap() }));
    }
    let mut kept = 0;
    for task in tasks {
        match task.await.unwrap() {
            Reserved::Kept(_) => kept += 1,
            Reserved::Exceeded { account, used } => assert_eq!((account.scope, used), (SpendScope::Tree(root), 30)),
        }
    }
    assert_eq!((kept, of_tree(&*stores[0], root).await), (10, sums(0, 0, 30)));
}

pub(crate) async fn a_trees_account_goes_with_the_last_of_it<P: Place>(place: P) {
    let store = place.open();
    let members = tree(&store).await;
    let root = members[0].execution;
    for (member, seq) in members.iter().zip([2, 1, 0, 0]) {
        record(&store, member, seq, event(), 5).await;
    }
    // From below, for whoever waits keeps what it waits for.
    let [top, child, grandchild, free] = &members;
    for member in [grandchild, child, top] {
        ends(&store, member).await;
    }
    store.reserve(asked(free.execution, root, event(), 7, None)).await.unwrap();
    for gone in [top, child, grandchild] {
        store.delete(gone.execution).await.unwrap();
        assert_eq!(store.spent(&SpendScope::Execution(gone.execution)).await.unwrap(), sums(0, 0, 0));
        assert_eq!(of_tree(&store, root).await, sums(20, 0, 7), "nobody has more to spend because others are gone");
    }
    ends(&store, free).await;
    store.delete(free.execution).await.unwrap();
    assert_eq!(of_tree(&store, root).await, sums(0, 0, 0));
    assert_eq!(store.spent(&SpendScope::Day(DAY)).await.unwrap(), sums(20, 0, 7), "the day keeps it");
}

pub(crate) async fn what_is_imported_is_a_tree_of_its_own<P: Place>(place: P) {
    let store = place.open();
    let here = claimed(&store).await;
    let new = NewExecution { parent: Some(CallId { execution: here.execution, index: 0 }), ..execution_of("flow") };
    let id = new.id;
    store.import(vec![failed_elsewhere(new, vec![model_call(id, [0, 1, 0], 5)])]).await.unwrap();
    assert_eq!((of_tree(&store, id).await, of_tree(&store, here.execution).await), (sums(5, 0, 0), sums(0, 0, 0)));
    store.delete(id).await.unwrap_err();
    ends(&store, &here).await;
    store.delete(id).await.unwrap();
    assert_eq!(of_tree(&store, id).await, sums(0, 0, 0));
}
