//! What a command line does that was there before.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use crate::fake_label_studio::{
    Call, Fake, Faults, Options, Request, TEXT_CONFIG, no_overlap, spaced,
};
use crate::importing::{Ended, Input, Kill, Machine, Ran, tasks};
use crate::{proved, shown};
use sluice::deliver::Begin;
use sluice::error::Code;

/// After the second import is intended, whatever the records before that.
const SOON: Kill = Kill {
    after: 10,
    later: Duration::ZERO,
};

fn setup(projects: usize, count: usize) -> (Fake, Machine) {
    let options = Options {
        projects: vec![TEXT_CONFIG.to_owned(); projects],
        ..Options::default()
    };
    let fake = Fake::start(Faults::none(), options);
    let machine = Machine::new(&fake, Input::new(&[tasks(count)]));
    (fake, machine)
}

fn done(ran: &Ran) -> bool {
    matches!(ran.ended, Ended::Done)
}

fn refusal(ran: Ran) -> Code {
    match ran.ended {
        Ended::Failed(error) => error.code(),
        other => panic!("{other:?}"),
    }
}

fn sent(fake: &Fake) -> usize {
    let sends = |one: &&Request| matches!(one.call, Call::Upload | Call::Reimport | Call::Write);
    fake.history().iter().filter(sends).count()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_done_sends_nothing() {
    let (fake, machine) = setup(1, 90);
    let first = machine.run(None, None).await;
    assert!(done(&first), "{first:?}");
    let before = sent(&fake);
    let second = machine.run(None, None).await;
    assert!(
        done(&second) && second.begin == Some(Begin::Nothing),
        "{second:?}"
    );
    assert_eq!((second.run, sent(&fake)), (first.run, before));
    proved(&fake, &machine).await.expect("all is there once");
}

#[tokio::test(start_paused = true)]
async fn again_brings_everything_again() {
    let (fake, mut machine) = setup(1, 90);
    let first = machine.run(None, None).await;
    machine.again = true;
    let second = machine.run(None, None).await;
    assert!(done(&first) && done(&second) && first.run != second.run);
    let twice = [machine.input.values(), machine.input.values()].concat();
    fake.stored_equals(&twice).expect("everything twice");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_changed_is_refused_unless_that_is_accepted() {
    let (fake, mut machine) = setup(1, 120);
    let killed = machine.run(Some(SOON), None).await;
    assert!(matches!(killed.ended, Ended::Killed));
    let mut file = OpenOptions::new()
        .append(true)
        .open(machine.input.path(0))
        .expect("the file");
    file.write_all(b" \n").expect("more of it");
    let before = sent(&fake);
    assert_eq!(refusal(machine.run(None, None).await), Code::Journal);
    assert_eq!(sent(&fake), before);
    machine.accept_changed_sources = true;
    let ran = machine.run(None, None).await;
    assert!(done(&ran) && ran.run == killed.run, "{ran:?}");
    proved(&fake, &machine).await.expect("all is there once");
}

#[tokio::test(start_paused = true)]
async fn other_options_do_not_go_on_with_a_run() {
    let (fake, mut machine) = setup(1, 120);
    machine.run(Some(SOON), None).await;
    let before = sent(&fake);
    machine.plan = "another plan".to_owned();
    assert_eq!(refusal(machine.run(None, None).await), Code::Usage);
    assert_eq!(sent(&fake), before);
    machine.plan = "plan".to_owned();
    assert!(done(&machine.run(None, None).await));
    proved(&fake, &machine).await.expect("all is there once");
}

#[tokio::test(start_paused = true)]
async fn spread_fills_one_project_and_then_the_next() {
    let (fake, mut machine) = setup(2, 120);
    let second = format!("{}/projects/2", fake.address());
    machine.addresses.push(second);
    machine.spread = Some(65);
    assert!(done(&machine.run(None, None).await));
    let sizes = fake.projects().into_iter().map(|one| one.tasks.len());
    assert_eq!(sizes.collect::<Vec<_>>(), [65, 55]);
    proved(&fake, &machine).await.expect("all is there once");
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_while_waiting() {
    let (fake, machine) = setup(1, 120);
    for seconds in [10, 0, 45] {
        let ran = machine.run(None, Some(Duration::from_secs(seconds))).await;
        assert!(
            matches!(ran.ended, Ended::Stopped),
            "{ran:?}\n{}",
            shown(&fake.history())
        );
    }
    assert!(done(&machine.run(None, None).await));
    proved(&fake, &machine).await.expect("all is there once");
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_the_slots_of_a_server() {
    let (fake, first) = setup(2, 200);
    let address = format!("{}/projects/2", fake.address());
    let second = first.beside(Input::new(&[tasks(150)]), address);
    let (one, other) = tokio::join!(first.run(None, None), second.run(None, None));
    assert!(done(&one) && done(&other), "{one:?} {other:?}");
    let history = fake.history();
    no_overlap(&history).expect("one at a time");
    spaced(&history, first.interval).expect("one in each interval");
    let all = [first.input.values(), second.input.values()].concat();
    fake.stored_equals(&all).expect("each once");
    let sizes = fake.projects().into_iter().map(|one| one.tasks.len());
    assert_eq!(sizes.collect::<Vec<_>>(), [200, 150]);
}

#[tokio::test(start_paused = true)]
async fn two_processes_do_not_take_one_run() {
    let (fake, first) = setup(1, 120);
    let mut second = first.beside(Input::new(&[tasks(1)]), first.addresses[0].clone());
    second.plan.clone_from(&first.plan);
    let (one, other) = tokio::join!(first.run(None, None), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        second.run(None, None).await
    });
    assert!(done(&one), "{one:?}");
    match other.ended {
        Ended::Failed(error) => assert_eq!((error.code(), error.exit_code()), (Code::Journal, 5)),
        ended => panic!("{ended:?}"),
    }
    proved(&fake, &first).await.expect("all is there once");
}
