//! Who leaves, when, and who hears of it.

use super::*;
use crate::ids::{Ids as _, SystemIds};

fn some() -> ExecutionId {
    SystemIds.execution()
}

fn is_told(idler: &Idler) -> bool {
    !lock(&idler.room.0.inner).idle.contains_key(&idler.place)
}

fn enter<const N: usize>(room: &Room) -> [Idler; N] {
    std::array::from_fn(|_| room.idle(some(), room.now_waits()).unwrap())
}

#[test]
fn one_that_is_asked_for_leaves_whenever_its_flow_ran() {
    let room = Room::new(10);
    let _keeper = room.keep(None);
    let [first, last] = enter(&room);
    let wanted = some();
    let asked_for = room.idle(wanted, room.now_waits()).unwrap();
    assert!(!room.ask_for(some()) && room.ask_for(wanted) && !room.ask_for(wanted), "it is told once");
    assert_eq!([&first, &asked_for, &last].map(is_told), [false, true, false]);
    room.make(1);
    assert!(!is_told(&first), "the one that leaves makes the same room");
    drop(asked_for.leaves());
    room.make(1);
    assert!(is_told(&first) && !is_told(&last));
}

#[test]
fn the_one_whose_flow_has_not_run_for_longest_leaves_first() {
    let room = Room::new(10);
    let _keeper = room.keep(None);
    let early = room.now_waits();
    let [first, second, third] = enter(&room);
    // It became idle last, and its flow has not run for longest: a parent whose child has left.
    let parent = room.idle(some(), early).unwrap();
    room.make(1);
    assert_eq!([&parent, &first, &second, &third].map(is_told), [true, false, false, false]);
    room.make(1);
    assert!(!is_told(&first), "the one that leaves makes the same room");
    drop(parent.leaves());
    room.make(2);
    assert_eq!([&first, &second, &third].map(is_told), [true, true, false]);
    assert_eq!(room.occupancy(), Occupancy { flows: 0, idle: 1 });
    room.make(usize::MAX);
    assert!(is_told(&third));
}

#[test]
fn whoever_goes_on_is_idle_no_more_and_leaves_later() {
    let room = Room::new(10);
    let _keeper = room.keep(None);
    let [first, second] = enter(&room);
    drop(first);
    assert_eq!(room.occupancy().idle, 1);
    let [first] = enter(&room);
    room.make(1);
    assert_eq!([&first, &second].map(is_told), [false, true]);
}

#[test]
fn whoever_was_told_and_went_on_makes_no_room_and_others_are_told_of_it() {
    let room = Room::new(10);
    let _keeper = room.keep(None);
    let [first, second] = enter(&room);
    let mut news = room.news();
    room.make(1);
    assert!(is_told(&first) && !news.has_changed().unwrap());
    drop(first);
    assert!(news.has_changed().unwrap());
    news.mark_unchanged();
    room.make(1);
    assert!(is_told(&second));
    drop(second.leaves());
    assert!(!news.has_changed().unwrap(), "it does what it was told");
    let _third = enter::<1>(&room);
    assert!(news.has_changed().unwrap(), "one more could leave");
}

#[test]
fn an_instance_too_many_makes_an_idle_one_leave_as_soon_as_there_is_one() {
    let room = Room::new(2);
    let _keeper = room.keep(None);
    let instances = [room.instance(), room.instance(), room.instance()];
    let [first, second] = enter(&room);
    assert_eq!([&first, &second].map(is_told), [true, false], "one is too many");
    let another = room.instance();
    assert!(is_told(&second));
    drop((another, instances));
    drop((first.leaves(), second.leaves()));
    let [third] = enter(&room);
    let _few = [room.instance(), room.instance()];
    assert!(!is_told(&third));
    let _many = room.instance();
    assert!(is_told(&third));
}

#[test]
fn room_that_is_missing_when_somebody_has_left_is_made_then() {
    let room = Room::new(1);
    let _keeper = room.keep(None);
    let [first, second] = enter(&room);
    let _instances = [room.instance(), room.instance()];
    assert_eq!([&first, &second].map(is_told), [true, false]);
    // Its instance is still there, or another took its place.
    drop(first.leaves());
    assert!(is_told(&second));
}

#[test]
fn whoever_waits_for_memory_makes_idle_ones_leave_also_those_that_come_later() {
    let room = Room::new(10);
    assert!(!room.make_room(3), "there is nobody");
    let _keeper = room.keep(None);
    let [first, second, third] = enter(&room);
    assert_eq!([&first, &second, &third].map(is_told), [true; 3], "as soon as they are idle");
    assert!(room.make_room(3));
    drop((first.leaves(), second.leaves(), third.leaves()));
    let [first, second] = enter(&room);
    drop((first.leaves(), second.leaves()));
    room.make_room(1);
    let [first, second] = enter(&room);
    assert_eq!([&first, &second].map(is_told), [true, false], "no more than are needed");
    assert!(room.make_room(0) && !is_told(&second), "one is still about to");
    drop(first.leaves());
    assert!(!room.make_room(0));
    let [third] = enter(&room);
    assert!(!is_told(&second) && !is_told(&third), "nobody waits any more");
}

#[test]
fn where_nobody_looks_after_executions_nobody_is_told_to_leave() {
    let room = Room::new(1);
    assert!(room.idle(some(), room.now_waits()).is_none());
    let keeper = room.keep(None);
    assert!(room.idle(some(), room.now_waits()).is_some());
    drop(keeper);
    assert!(room.idle(some(), room.now_waits()).is_none());
    assert_eq!(room.occupancy(), Occupancy::default());
}

#[test]
fn however_many_come_and_go_at_once_the_numbers_are_right() {
    let room = Room::new(3);
    let keeper = room.keep(None);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let room = &room;
            scope.spawn(move || {
                for turn in 0..500 {
                    let instance = room.instance();
                    let idler = room.idle(some(), room.now_waits());
                    if turn % 3 == thread % 3 {
                        room.make(2);
                    }
                    let idler = idler.unwrap();
                    if is_told(&idler) && turn % 2 == 0 {
                        drop(instance);
                        drop(idler.leaves());
                    }
                }
            });
        }
    });
    let inner = lock(&room.0.inner);
    assert_eq!((inner.instances, inner.idle.len(), inner.leaving), (0, 0, 0));
    drop(inner);
    assert_eq!(*room.news().borrow(), 0);
    drop(keeper);
}

#[tokio::test]
async fn everybody_who_is_told_hears_it() {
    let room = Room::new(10);
    let _keeper = room.keep(None);
    let mut idlers = JoinSet::new();
    for idler in enter::<20>(&room) {
        idlers.spawn(async move {
            idler.told().await;
            drop(idler.leaves());
        });
    }
    while !idlers.is_empty() {
        room.make(3);
        idlers.join_next().await.unwrap().unwrap();
    }
    assert_eq!(room.occupancy().idle, 0);
}

#[tokio::test]
async fn a_process_that_is_too_large_is_made_smaller_until_it_is_not() {
    let room = Room::new(100);
    let _keeper = room.keep(None);
    let size = {
        let room = room.clone();
        // Each that is idle has one.
        move || Some(room.occupancy().idle as u64)
    };
    let mut watch = JoinSet::new();
    watch.spawn(watch_size(room.clone(), Duration::from_millis(1), 5, size));
    let mut idlers = JoinSet::new();
    for idler in enter::<20>(&room) {
        idlers.spawn(async move {
            idler.told().await;
            drop(idler.leaves());
        });
    }
    while room.occupancy().idle > 5 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let left = room.occupancy().idle;
    assert!((4..=5).contains(&left), "{left} are left");
}

#[tokio::test]
async fn where_no_size_can_be_told_nobody_looks() {
    let room = Room::new(100);
    let _keeper = room.keep(None);
    let _idlers = enter::<1>(&room);
    watch_size(room.clone(), Duration::from_millis(1), 0, || None).await;
    assert_eq!(room.occupancy().idle, 1);
}
