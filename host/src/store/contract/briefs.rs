//! What lists say of executions.

use super::Place;
use super::scenes::{artifact, claimed, created, ended_with_everything, entries, execution_of, inline, model_call};
use crate::ids::{ExecutionId, Ids as _, SystemIds};
use crate::store::{
    Append, Artifacts, BriefRow, Briefs, Executions, Journal, ModelCalls, NewBrief, NewExecution, SavedBy, StatusChange, Store,
};

fn brief(execution: ExecutionId, [records, model_calls]: [u64; 2]) -> NewBrief {
    NewBrief { execution, records, model_calls, brief: format!("{{\"n\":{records}}}") }
}

async fn one(store: &impl Store, execution: ExecutionId) -> BriefRow {
    store.briefs(&[execution]).await.unwrap().remove(0)
}

pub(crate) async fn a_brief_reads_back_and_a_later_one_takes_its_place<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let lease = claimed(&store).await;
    let (id, empty, nobody) = (lease.execution, created(&store).await, SystemIds.execution());
    store.append(&lease, Append { model_calls: vec![model_call(id, [0, 1, 0], 5)], ..entries([0, 1, 2]) }).await.unwrap();
    let position = store.model_usage(id).await.unwrap()[0].position;
    let mut row = BriefRow { execution: id, records: 3, model_calls: position, kept: None };
    let none = BriefRow { execution: empty, records: 0, model_calls: 0, kept: None };
    assert_eq!(other.briefs(&[empty, nobody, id]).await.unwrap(), [none, row.clone()], "in the order of the question");
    // Of two who counted at once the one that counted more is kept, whoever comes last.
    for (counted, kept) in [([2, 0], 2), ([3, position], 3), ([3, position - 1], 3), ([1, position + 9], 3)] {
        store.keep_briefs(vec![brief(nobody, counted), brief(id, counted)]).await.unwrap();
        row.kept = Some(format!("{{\"n\":{kept}}}"));
        assert_eq!(one(&store, id).await, row, "{counted:?}");
    }
    // The same records come to something else: whoever counts in another way, or knows what became of others, counts anew.
    store.keep_briefs(vec![NewBrief { brief: "{}".into(), ..brief(id, [3, position]) }]).await.unwrap();
    row.kept = Some("{}".into());
    assert_eq!(one(&other, id).await, row);
    store.append(&lease, entries([3])).await.unwrap();
    row.records = 4;
    assert_eq!(one(&other, id).await, row, "it tells that the journal went on");
    store.keep_briefs(vec![brief(id, [4, position])]).await.unwrap();
    row.kept = Some("{\"n\":4}".into());
    assert_eq!(one(&other, id).await, row);
}

pub(crate) async fn a_brief_goes_with_its_execution_and_others_can_tell_that_it_is_gone<P: Place>(place: P) {
    let store = place.open();
    let done = || StatusChange::Completed { result: inline("1") };
    let source = ended_with_everything(&store, execution_of("flow"), done()).await;
    let replay = NewExecution { original: Some(source), ..execution_of("flow") };
    let replay = ended_with_everything(&store, replay, done()).await;
    let another = ended_with_everything(&store, execution_of("flow"), done()).await;
    let all = [another, source, SystemIds.execution(), replay].to_vec();
    assert_eq!(store.known(all.clone()).await.unwrap(), [another, source, replay], "in the order of the question");
    store.keep_briefs([source, replay, another].map(|id| brief(id, [5, 9])).to_vec()).await.unwrap();
    store.delete(source).await.unwrap();
    assert_eq!(store.briefs(&[source]).await.unwrap(), []);
    // What a replay took over from it stands in its brief by whom it is from: whoever reads it looks who is still there.
    assert_eq!(store.known(all).await.unwrap(), [another, replay]);
    for id in [replay, another] {
        assert_eq!(one(&store, id).await.kept.as_deref(), Some("{\"n\":5}"));
    }
    store.delete(another).await.unwrap();
    assert_eq!(one(&store, created(&store).await).await.kept, None, "whoever comes after it inherits nothing");
}

pub(crate) async fn artifacts_are_counted_by_who_saved_them<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    for (call, attempt, ordinal) in [(0, 1, 0), (0, 2, 0), (0, 2, 1), (3, 1, 0)] {
        store.save(&lease, artifact(&lease, call, attempt, ordinal)).await.unwrap();
    }
    let by = |call, attempt| SavedBy { execution: lease.execution, call, attempt };
    let nobody = SavedBy { execution: SystemIds.execution(), ..by(0, None) };
    for (asked, saved) in [
        (vec![], 0),
        (vec![by(0, Some(1))], 1),
        (vec![by(0, Some(2)), by(3, Some(1))], 3),
        (vec![by(0, None)], 3),
        (vec![by(1, None), nobody, by(0, Some(3))], 0),
    ] {
        assert_eq!(store.count_saved(asked.clone()).await.unwrap(), saved, "{asked:?}");
    }
}

pub(crate) async fn usage_is_read_from_a_position_on<P: Place>(place: P) {
    let store = place.open();
    let (lease, beside) = (claimed(&store).await, claimed(&store).await);
    let record = |place, spent| Append { model_calls: vec![model_call(lease.execution, place, spent)], ..entries([]) };
    for (place, spent) in [([4, 1, 0], 1), ([0, 1, 0], 2)] {
        store.append(&lease, record(place, spent)).await.unwrap();
        let another = Append { model_calls: vec![model_call(beside.execution, place, 9)], ..entries([]) };
        store.append(&beside, another).await.unwrap();
    }
    let all = store.model_usage_after(lease.execution, 0).await.unwrap();
    assert_eq!(all.iter().map(|row| row.spent).collect::<Vec<_>>(), [1, 2], "as they came, not by call");
    store.append(&lease, record([0, 1, 1], 3)).await.unwrap();
    let last = all[1].position;
    let later = store.model_usage_after(lease.execution, last).await.unwrap();
    assert_eq!(later.iter().map(|row| row.spent).collect::<Vec<_>>(), [3]);
    assert_eq!(one(&store, lease.execution).await.model_calls, later[0].position, "the newest, which no journal tells of");
}
