//! Cells in real stores: whoever asks at the same time, a swap is done by one alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sluice::deliver::cell::bucket::BucketCell;
use sluice::deliver::cell::folder::FolderCell;
use sluice::deliver::cell::redis::RedisCell;
use sluice::deliver::cell::{Cell, Swap};
use sluice::deliver::lease::{Clocks, Holder, Lease, Terms};
use sluice::source::redis::Address;

use crate::common;
use crate::redis_server::Server;
use crate::servers::{self, now};

/// A swap from what was seen, to be done once; everything else is refused and changes nothing.
async fn keeps_to_the_rules(cell: &dyn Cell) {
    let shown = cell.shown();
    let body = |text: &str| Bytes::from(text.to_owned());
    assert_eq!(cell.read().await.expect("it answers"), None, "{shown}");
    let Swap::Done(first) = cell.swap(None, body("one")).await.expect("it answers") else {
        panic!("{shown} was empty");
    };
    assert_eq!(
        cell.swap(None, body("other")).await.unwrap(),
        Swap::Other,
        "{shown}"
    );
    let held = cell.read().await.unwrap().expect("something is there");
    assert_eq!(
        (&held.bytes[..], &held.version),
        (&b"one"[..], &first),
        "{shown}"
    );
    let Swap::Done(second) = cell.swap(Some(&first), body("two")).await.unwrap() else {
        panic!("{shown} had this version");
    };
    assert_ne!(first, second, "{shown}");
    assert_eq!(
        cell.swap(Some(&first), body("three")).await.unwrap(),
        Swap::Other,
        "{shown}"
    );
    let held = cell.read().await.unwrap().expect("something is there");
    assert_eq!(
        (&held.bytes[..], &held.version),
        (&b"two"[..], &second),
        "{shown}"
    );
    let large = "x".repeat(300);
    let Swap::Done(_) = cell.swap(Some(&second), body(&large)).await.unwrap() else {
        panic!("{shown} had this version");
    };
    let error = cell.read().await.expect_err("it is too large");
    assert!(
        error.message().contains("more than the 200 bytes"),
        "{error}"
    );
}

/// Several count in one cell at the same time; every count is one swap.
async fn counts_right(cell: &Arc<dyn Cell>) {
    let done = Arc::new(AtomicU64::new(0));
    let each = (0..4).map(|by| {
        let (cell, done) = (Arc::clone(cell), Arc::clone(&done));
        tokio::spawn(async move {
            for _ in 0..8 {
                let there = cell.read().await.expect("it answers");
                let count = there.as_ref().map_or(0, |held| {
                    let text = std::str::from_utf8(&held.bytes).unwrap();
                    text.split(' ').next().unwrap().parse::<u64>().unwrap()
                });
                let next = Bytes::from(format!("{} by {by}", count + 1));
                let version = there.as_ref().map(|held| &held.version);
                if let Swap::Done(_) = cell.swap(version, next).await.expect("it answers") {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    });
    for one in each.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    let held = cell.read().await.unwrap().expect("something is there");
    let told = String::from_utf8(held.bytes.to_vec()).unwrap();
    let done = done.load(Ordering::Relaxed);
    assert!(
        told.starts_with(&format!("{done} by ")),
        "{told}, not {done}"
    );
    assert!(done >= 8, "{done}");
}

/// Taken, kept, refused to another, given back, taken again.
async fn is_a_lease(cell: &Arc<dyn Cell>) {
    let terms = |wait| Terms {
        holder: Holder::this(),
        // Long enough for a machine that does much else to renew it in time.
        length: Duration::from_secs(4),
        interval: Duration::from_millis(50),
        wait,
    };
    let take = |wait| {
        let (cell, terms) = (Arc::clone(cell), terms(wait));
        async move {
            Lease::take(
                cell,
                "http://ls/",
                &terms,
                Arc::new(Clocks::default()),
                |_| {},
            )
            .await
        }
    };
    let first = take(false).await.expect("nobody has it");
    let keeper = first.clone();
    let keeping = tokio::spawn(async move { keeper.keep().await });
    let refused = take(false).await.expect_err("it is held");
    assert_eq!(refused.exit_code(), 5, "{refused}");
    first.announce().await.expect("it is held");
    first.answered(None);
    let waiting = tokio::spawn(take(true));
    first.give_back().await;
    let second = waiting.await.unwrap().expect("it was given back");
    assert_eq!(second.fence().await, 2);
    assert!(keeping.await.unwrap().is_none(), "it was given back");
    assert!(first.check().is_err());
    // Nobody keeps the second: it expires.
    let third = take(false).await.expect("the second is gone");
    assert_eq!(third.fence().await, 3);
    assert!(second.announce().await.is_err());
    third.give_back().await;
}

async fn all(mut cell: impl FnMut(&str) -> Arc<dyn Cell>) {
    keeps_to_the_rules(&*cell("rules")).await;
    counts_right(&cell("count")).await;
    is_a_lease(&cell("lease")).await;
}

#[test]
fn in_a_bucket() {
    for store in servers::all() {
        let cell = |name: &str| -> Arc<dyn Cell> {
            let root = format!("{}/", store.root);
            let cell = BucketCell::new(&store.client, &root, "cells", name, most(name));
            Arc::new(cell.expect("a good name"))
        };
        now(all(cell));
        let shown = BucketCell::new(&store.client, "s3://b/", "", "a.json", 1)
            .unwrap()
            .shown();
        assert_eq!(shown, "s3://b/a.json");
    }
}

#[test]
fn in_a_redis() {
    let server = Server::start(None);
    let address = server
        .address("cells/")
        .parse::<Address>()
        .expect("an address");
    let cell = |name: &str| -> Arc<dyn Cell> {
        Arc::new(RedisCell::new(address.clone(), name, most(name)))
    };
    now(all(cell));
}

#[test]
fn in_a_folder() {
    let folder = common::temp();
    let cell = |name: &str| -> Arc<dyn Cell> {
        Arc::new(FolderCell::new(folder.path(), name, most(name)))
    };
    now(all(cell));
}

/// Bytes of a cell, at most.
fn most(name: &str) -> u64 {
    if name == "rules" { 200 } else { 10_000 }
}
