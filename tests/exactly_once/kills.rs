//! A kill after each record of the journal in turn, so that no step of the protocol is left out.

use std::time::Duration;

use crate::fake_label_studio::in_paused_time;
use crate::fake_label_studio::{Call, Edition, Fake, Fault, Faults, Options};
use crate::importing::{Input, Kill, Machine, task, tasks};
use crate::{proved, shown, to_the_end};
use serde_json::{Value, json};

/// A server and who imports there, both new.
type Setup = (Fake, Machine);

/// Kills the first client after the first record, then after the second, and so on until it is done before that.
fn killed_after_each_record(
    later: Duration,
    setup: impl Fn() -> Setup,
    check: impl Fn(&Fake, &Machine),
) {
    let mut after = 1;
    loop {
        let reached = in_paused_time(async {
            let (fake, machine) = setup();
            let mut said = String::new();
            let kill = |start| {
                let kill = Kill { after, later };
                ((start == 0).then_some(kill), None, Duration::ZERO)
            };
            let outcome = match to_the_end(&fake, &machine, kill, &mut said).await {
                Ok(()) => proved(&fake, &machine).await,
                Err(why) => Err(why),
            };
            outcome.unwrap_or_else(|why| {
                panic!(
                    "killed {later:?} after record {after}: {why}\n{said}{}",
                    shown(&fake.history())
                )
            });
            check(&fake, &machine);
            said.contains("ended: Killed")
        });
        if !reached {
            break;
        }
        after += 1;
    }
    assert!(after > 15, "there are {after} records");
}

fn setup(faults: Faults) -> Setup {
    let fake = Fake::start(faults, Options::default());
    let machine = Machine::new(&fake, Input::new(&[tasks(60), tasks(60)]));
    (fake, machine)
}

fn nothing(_: &Fake, _: &Machine) {}

#[test]
fn a_kill_after_any_record_loses_and_doubles_nothing() {
    killed_after_each_record(Duration::ZERO, || setup(Faults::none()), nothing);
}

#[test]
fn nor_while_a_request_is_on_its_way() {
    let slow = || {
        let slow = Fault::Slow {
            by: Duration::from_secs(20),
        };
        setup(Faults::script(vec![slow; 9]))
    };
    killed_after_each_record(Duration::from_secs(10), slow, nothing);
}

/// No call tells that it is still under way: what it did is seen when everything is counted at the end.
#[test]
fn nor_when_the_request_takes_longer_than_any_should() {
    let slow = || {
        let slow = Fault::Slow {
            by: Duration::from_secs(200),
        };
        setup(Faults::script(vec![slow; 9]))
    };
    killed_after_each_record(Duration::from_secs(1), slow, nothing);
}

/// An import that the server stored twice under one 201 is committed again at the end, when later ones are delivered.
#[test]
fn nor_in_the_middle_of_a_repair() {
    let trouble = || {
        setup(Faults::script_on(vec![
            (Call::Reimport, Fault::StoreTwice),
            (Call::Reimport, Fault::LoseExtras),
            (Call::Reimport, Fault::DropReply),
            (Call::Reimport, Fault::StoreTwice),
            (Call::Reimport, Fault::ErrorAfterStoring),
        ]))
    };
    for later in [Duration::ZERO, Duration::from_millis(15)] {
        killed_after_each_record(later, trouble, nothing);
    }
}

#[test]
fn nor_while_uploads_break() {
    let trouble = || {
        setup(Faults::script_on(vec![
            (Call::Upload, Fault::DropReply),
            (Call::Upload, Fault::CutUpload { at: 700 }),
            (Call::Upload, Fault::CutUpload { at: 900 }),
            (Call::Upload, Fault::StoreTwice),
            (Call::Upload, Fault::TooLarge),
        ]))
    };
    killed_after_each_record(Duration::ZERO, trouble, nothing);
}

/// Records of two sorts, the bad ones at these numbers.
pub fn with_bad_ones(count: usize, is_bad: impl Fn(usize) -> bool) -> Vec<Value> {
    let bad = |number: usize| json!({"data": {"other": number}});
    (0..count)
        .map(|number| {
            if is_bad(number) {
                bad(number)
            } else {
                task(number)
            }
        })
        .collect()
}

#[test]
fn nor_while_the_server_refuses_some_tasks() {
    for edition in [Edition::Community, Edition::Enterprise] {
        let is_bad = |number: usize| number % 17 == 3 || (50..100).contains(&number);
        let bad = || {
            let options = Options {
                edition,
                ..Options::default()
            };
            let fake = Fake::start(Faults::none(), options);
            let machine = Machine::new(&fake, Input::new(&[with_bad_ones(130, is_bad)]));
            (fake, machine)
        };
        killed_after_each_record(Duration::ZERO, bad, |_, machine| {
            let mut rejected: Vec<u64> = machine
                .rejects
                .lock()
                .expect("no one panicked")
                .iter()
                .map(|(place, ..)| place.record - 1)
                .collect();
            rejected.sort_unstable();
            let bad: Vec<u64> = (0..130).filter(|number| is_bad(*number as usize)).collect();
            assert_eq!(rejected, bad);
        });
    }
}

#[test]
fn nor_while_it_fills_one_project_after_the_other() {
    let spread = || {
        let options = Options {
            projects: vec![crate::fake_label_studio::TEXT_CONFIG.to_owned(); 2],
            ..Options::default()
        };
        let faults = Faults::script_on(vec![(Call::Reimport, Fault::StoreTwice)]);
        let fake = Fake::start(faults, options);
        let mut machine = Machine::new(&fake, Input::new(&[tasks(120)]));
        machine.spread = Some(70);
        let second = format!("{}/projects/2", fake.address());
        machine.addresses.push(second);
        (fake, machine)
    };
    killed_after_each_record(Duration::ZERO, spread, |fake, _| {
        let sizes = fake.projects().into_iter().map(|one| one.tasks.len());
        assert_eq!(sizes.collect::<Vec<_>>(), [70, 50]);
    });
}
