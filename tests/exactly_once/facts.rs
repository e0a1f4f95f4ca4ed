//! What a server, or what stands before it, was seen to do, one at a time.

use std::time::Duration;

use crate::fake_label_studio::{Call, Database, Edition, Fake, Fault, Faults, Options, Request};
use crate::importing::{Ended, Input, Machine, Ran, tasks};
use crate::kills::with_bad_ones;
use crate::{proved, shown};
use serde_json::json;
use sluice::error::Code;

const SECOND: Duration = Duration::from_secs(1);

async fn run(machine: &Machine, fake: &Fake) -> Ran {
    let ran = machine.run(None, None).await;
    assert!(
        matches!(ran.ended, Ended::Done),
        "{ran:?}\n{}",
        shown(&fake.history())
    );
    let proof = proved(fake, machine).await;
    proof.unwrap_or_else(|why| panic!("{why}\n{}", shown(&fake.history())));
    ran
}

/// Imports 90 tasks in two imports in one go, with these faults; gives the requests.
async fn imported(faults: Vec<(Call, Fault)>, options: Options) -> Vec<Request> {
    let names: Vec<_> = faults.iter().map(|(_, fault)| fault.name()).collect();
    let fake = Fake::start(Faults::script_on(faults), options);
    let machine = Machine::new(&fake, Input::new(&[tasks(90)]));
    run(&machine, &fake).await;
    let seen = fake.faults_seen();
    assert!(names.iter().all(|name| seen.contains_key(name)), "{seen:?}");
    fake.history()
}

async fn with(call: Call, fault: Fault) -> Vec<Request> {
    imported(vec![(call, fault)], Options::default()).await
}

fn of(history: &[Request], call: Call) -> Vec<&Request> {
    history.iter().filter(|one| one.call == call).collect()
}

fn number_of(history: &[Request], call: Call) -> usize {
    of(history, call).len()
}

#[tokio::test(start_paused = true)]
async fn an_honest_server_is_asked_twice_for_each_import() {
    let history = imported(Vec::new(), Options::default()).await;
    assert_eq!(number_of(&history, Call::Upload), 2);
    assert_eq!(number_of(&history, Call::Reimport), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_for_and_nothing_is_sent_again() {
    let history = with(Call::Reimport, Fault::DropReply).await;
    assert_eq!(number_of(&history, Call::Reimport), 2);
    let history = with(Call::Upload, Fault::DropReply).await;
    assert_eq!(number_of(&history, Call::Upload), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_late_is_waited_for() {
    let late = |after| Fault::StoreLate { after };
    let history = with(Call::Reimport, late(20 * SECOND)).await;
    assert_eq!(number_of(&history, Call::Reimport), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_after_everyone_stopped_waiting_is_found_at_the_end() {
    for after in [60, 200] {
        let late = Fault::StoreLate {
            after: after * SECOND,
        };
        let history = with(Call::Reimport, late).await;
        // The late one, the same again, the second import, and the repair.
        assert_eq!(number_of(&history, Call::Reimport), 4, "{after}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_twice_under_one_201_is_found_at_the_end() {
    let history = with(Call::Reimport, Fault::StoreTwice).await;
    assert_eq!(number_of(&history, Call::Reimport), 3);
    let history = with(Call::Upload, Fault::StoreTwice).await;
    assert_eq!(number_of(&history, Call::Reimport), 2);
    // The upload without tasks is removed.
    assert_eq!(number_of(&history, Call::Write), 1);
}

#[tokio::test(start_paused = true)]
async fn a_500_may_have_stored_everything() {
    let history = with(Call::Reimport, Fault::ErrorAfterStoring).await;
    assert_eq!(number_of(&history, Call::Reimport), 2);
}

#[tokio::test(start_paused = true)]
async fn a_500_may_have_stored_nothing() {
    let history = with(Call::Reimport, Fault::ErrorBeforeStoring).await;
    assert_eq!(number_of(&history, Call::Reimport), 3);
}

#[tokio::test(start_paused = true)]
async fn annotations_lost_under_a_201_are_brought_again_at_once() {
    let history = with(Call::Reimport, Fault::LoseExtras).await;
    let commits = of(&history, Call::Reimport);
    assert_eq!(commits.len(), 3);
    assert_eq!(commits[0].uploads, commits[1].uploads);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_proxy_says_nothing() {
    for status in [502, 504] {
        for stores in [None, Some(Duration::ZERO), Some(15 * SECOND)] {
            for call in [Call::Upload, Call::Reimport] {
                let history = with(call, Fault::Html { status, stores }).await;
                let again = usize::from(stores.is_none() && call == Call::Reimport);
                assert_eq!(
                    number_of(&history, Call::Reimport),
                    2 + again,
                    "{status} {stores:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_413_divides_the_import_and_is_learned() {
    let options = Options {
        max_body: Some(20_000),
        ..Options::default()
    };
    let fake = Fake::start(Faults::none(), options);
    let mut machine = Machine::new(&fake, Input::new(&[tasks(400)]));
    machine.most_tasks = 400;
    run(&machine, &fake).await;
    let before = fake.history();
    let uploads = of(&before, Call::Upload);
    assert_eq!(uploads[0].status, Some(413));
    assert!(machine.rejects.lock().expect("no one panicked").is_empty());

    machine.again = true;
    machine.run(None, None).await;
    let history = fake.history();
    let next = of(&history, Call::Upload)[uploads.len()];
    assert!(3 * next.body_bytes < 2 * uploads[0].body_bytes, "{next}");
}

#[tokio::test(start_paused = true)]
async fn a_small_request_that_is_too_large_is_sent_again() {
    let history = with(Call::Reimport, Fault::TooLarge).await;
    assert_eq!(number_of(&history, Call::Reimport), 3);
}

#[tokio::test(start_paused = true)]
async fn a_429_is_given_the_time_it_asks_for() {
    for call in [Call::Upload, Call::Reimport] {
        let history = with(call, Fault::TooMany { retry_after: 600 }).await;
        let refused = history.iter().position(|one| one.status == Some(429));
        let (before, after) = history.split_at(refused.expect("a 429") + 1);
        let next = after
            .iter()
            .find(|one| matches!(one.call, Call::Upload | Call::Reimport));
        let gap = next.expect("it goes on").start - before[before.len() - 1].start;
        assert!(gap >= 599 * SECOND && gap < 630 * SECOND, "{gap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_cut_off_is_sent_again() {
    let history = with(Call::Upload, Fault::CutUpload { at: 500 }).await;
    assert_eq!(number_of(&history, Call::Upload), 3);
    // Cut off twice, it is taken for too large.
    let cut = (Call::Upload, Fault::CutUpload { at: 500 });
    let history = imported(vec![cut.clone(), cut], Options::default()).await;
    assert_eq!(number_of(&history, Call::Upload), 5);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_during_an_upload_is_renewed() {
    for call in [Call::Upload, Call::Reimport] {
        let history = with(call, Fault::TokenExpires).await;
        assert_eq!(number_of(&history, call), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_anew_is_waited_for() {
    for stores in [true, false] {
        for call in [Call::Upload, Call::Reimport] {
            let down = 25 * SECOND;
            let history = with(call, Fault::Restart { stores, down }).await;
            let again = usize::from(!stores && call == Call::Reimport);
            let answered = of(&history, Call::Reimport);
            assert!(answered.len() >= 2 + again, "{stores} {call:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_the_server_names_are_rejects_and_the_rest_is_there() {
    let some: fn(usize) -> bool = |number| number % 10 == 4;
    let many: fn(usize) -> bool = |number| number % 2 == 0;
    let all: fn(usize) -> bool = |_| true;
    let first: fn(usize) -> bool = |number| number < 150;
    for edition in [Edition::Community, Edition::Enterprise] {
        for (count, is_bad) in [(90, some), (500, many), (90, all), (320, first)] {
            let options = Options {
                edition,
                database: Database::Postgres,
                ..Options::default()
            };
            let fake = Fake::start(Faults::none(), options);
            let mut machine = Machine::new(&fake, Input::new(&[with_bad_ones(count, is_bad)]));
            machine.most_tasks = if count > 100 { 300 } else { 30 };
            run(&machine, &fake).await;
            let rejects = machine.rejects.lock().expect("no one panicked").clone();
            let numbers = rejects.iter().map(|(place, ..)| place.record as usize - 1);
            let bad = (0..count).filter(|number| is_bad(*number));
            assert_eq!(numbers.collect::<Vec<_>>(), bad.collect::<Vec<_>>());
            for (place, code, raw) in rejects {
                assert_eq!(code, Code::TaskRefused);
                let given = &machine.input.tasks[place.record as usize - 1];
                assert_eq!(raw, given.json.as_bytes());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_400_that_names_no_task_ends_the_run_and_loses_nothing() {
    for edition in [Edition::Community, Edition::Enterprise] {
        let mut all = tasks(90);
        all[70]["annotations"] = json!([{"result": [], "completed_by": 7}]);
        let options = Options {
            edition,
            ..Options::default()
        };
        let fake = Fake::start(Faults::none(), options);
        let mut machine = Machine::new(&fake, Input::new(&[all.clone()]));
        for _ in 0..2 {
            let Ended::Failed(error) = machine.run(None, None).await.ended else {
                panic!("it is refused");
            };
            assert_eq!(error.code(), Code::ServerRefused, "{error}");
            assert!(error.message().contains("completed_by=7"), "{error}");
            assert_eq!(fake.project(1).tasks.len(), 50);
        }
        assert!(machine.rejects.lock().expect("no one panicked").is_empty());

        all[70]["annotations"] = json!([{"result": [], "completed_by": 1}]);
        machine.input = Input::new(&[all]);
        machine.accept_changed_sources = true;
        run(&machine, &fake).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_is_looked_at() {
    let options = || Options {
        edition: Edition::Enterprise,
        ..Options::default()
    };
    for (fault, commits) in [
        (Fault::ErrorAfterStoring, 2),
        (Fault::ErrorBeforeStoring, 3),
        (Fault::DropReply, 2),
        (Fault::LoseExtras, 3),
        (Fault::StoreTwice, 3),
    ] {
        let history = imported(vec![(Call::Reimport, fault.clone())], options()).await;
        assert_eq!(number_of(&history, Call::Reimport), commits, "{fault:?}");
    }
    let history = imported(vec![(Call::Upload, Fault::ErrorBeforeStoring)], options()).await;
    assert!(number_of(&history, Call::Upload) <= 3);
}
