//! Every task once, whatever breaks and whenever the client is killed.
//!
//! `FAKE_SEEDS=10000` tries so many seeds, instead of 1,000; these take a hundred seconds of one core.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails says so"
)]

#[path = "common/fake_label_studio.rs"]
mod fake_label_studio;
#[path = "common/importing.rs"]
mod importing;

#[path = "exactly_once/facts.rs"]
mod facts;
#[path = "exactly_once/kills.rs"]
mod kills;
#[path = "exactly_once/runs.rs"]
mod runs;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use fake_label_studio::{
    Database, Edition, Fake, Faults, Options, Prng, Request, in_paused_time, no_overlap, spaced,
};
use importing::{Ended, Input, Kill, Machine, tasks};
use sluice::journal::{RunState, State};
use tokio::time::{Instant, sleep};

/// Seeds that are tried unless `FAKE_SEEDS` says otherwise.
const SEEDS: u64 = 1_000;

/// Starts of the command for one input, at most.
const MOST_STARTS: u32 = 40;

/// After this nothing of what was sent is under way any more.
const ALL_QUIET: Duration = Duration::from_mins(20);

fn shown(history: &[Request]) -> String {
    let mut text = String::new();
    for request in history {
        let since = request.start - history[0].start;
        writeln!(text, "{:9.3} {request}", since.as_secs_f64()).expect("a string takes all");
    }
    text
}

/// All that has to hold once a run is done.
async fn proved(fake: &Fake, machine: &Machine) -> Result<(), String> {
    sleep(ALL_QUIET).await;
    let rejected = machine.rejects.lock().expect("no one panicked").clone();
    let mut expected = Vec::new();
    let mut met: BTreeMap<_, usize> = BTreeMap::new();
    for (place, ..) in &rejected {
        *met.entry(*place).or_default() += 1;
    }
    for task in &machine.input.tasks {
        match met.remove(&task.place) {
            None => expected.push(task.value.clone()),
            Some(1) => {}
            Some(times) => return Err(format!("{:?} is a reject {times} times", task.place)),
        }
    }
    fake.stored_equals(&expected)?;
    let history = fake.history();
    no_overlap(&history)?;
    if !machine.interval.is_zero() {
        // A request whose access token had ended is sent again at once: nothing was done for it.
        let heard: Vec<_> = history
            .into_iter()
            .filter(|request| request.status != Some(401))
            .collect();
        spaced(&heard, machine.interval)?;
    }
    recorded(fake, machine, expected.len())?;
    no_secret(fake, machine)
}

/// The journal says what the server has.
fn recorded(fake: &Fake, machine: &Machine, expected: usize) -> Result<(), String> {
    let runs = machine.recorded();
    let (run, imports) = runs.last().ok_or("there is no run")?;
    if run.state != RunState::Done {
        return Err(format!("the run is {}", run.state));
    }
    let mut tasks = 0;
    for import in imports {
        match import.state {
            State::Delivered => {}
            State::SetAside => continue,
            state => return Err(format!("import {} is {state}", import.intent.number)),
        }
        let id = import.upload_id.ok_or("an import without its upload")?;
        let project = fake.projects().into_iter().find(|project| {
            let end = format!("/projects/{}", project.id);
            import.intent.target.ends_with(&end)
        });
        let stored = project.ok_or("an import without its project")?;
        let stored = stored.tasks_of(id).len() as u64;
        let counted = import.stored.map(|counts| counts.tasks);
        if stored != import.intent.tasks || counted != Some(stored) {
            return Err(format!(
                "{stored} tasks are stored of {counted:?} in {import:?}"
            ));
        }
        tasks += stored;
    }
    if tasks == expected as u64 {
        Ok(())
    } else {
        Err(format!("the journal has {tasks} tasks of {expected}"))
    }
}

fn no_secret(fake: &Fake, machine: &Machine) -> Result<(), String> {
    let holds =
        |bytes: &[u8], secret: &str| memchr::memmem::find(bytes, secret.as_bytes()).is_some();
    for file in std::fs::read_dir(machine.state.path()).expect("the folder") {
        let path = file.expect("a file").path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        // Every token of the kind that is signed begins so: `{"alg":"` in base64. Less of it comes up by chance, among
        // the digests and check sums of a journal, once in a few hundred thousand files.
        if [machine.token.as_str(), &fake.pat(), "eyJhbGciOi"]
            .iter()
            .any(|secret| holds(&bytes, secret))
        {
            return Err(format!("{} holds a token", path.display()));
        }
    }
    Ok(())
}

/// Starts the command until it is done, killed as `kill` says at each start.
async fn to_the_end(
    fake: &Fake,
    machine: &Machine,
    mut kill: impl FnMut(u32) -> (Option<Kill>, Option<Duration>, Duration),
    said: &mut String,
) -> Result<(), String> {
    for start in 0..MOST_STARTS {
        let (kill, stop, pause) = kill(start);
        let asked = fake.history().len();
        let ran = machine.run(kill, stop).await;
        let (before, at) = (fake.history().len(), Instant::now());
        writeln!(said, "start {start}, {kill:?}, {stop:?}, requests {asked} to {before}: {ran:?}, then {pause:?}, {at:?}")
            .expect("a string takes all");
        match ran.ended {
            Ended::Done => return Ok(()),
            Ended::Killed | Ended::Stopped => {}
            // Among them is a token that ends twice in a row.
            Ended::Failed(error) if [1, 5, 6, 7].contains(&error.exit_code()) => {}
            Ended::Failed(error) => return Err(error.to_string()),
        }
        sleep(Duration::from_secs(1)).await;
        if fake.history().len() > before {
            return Err("the dead ask on".to_owned());
        }
        sleep(pause).await;
    }
    Err(format!("not done after {MOST_STARTS} starts"))
}

/// What happened over all seeds: a proof of nothing would be none.
#[derive(Default)]
struct Seen {
    faults: BTreeMap<&'static str, usize>,
    kills: usize,
    kills_on_the_way: usize,
    starts: usize,
    imports: usize,
}

async fn seed(seed: u64, seen: &mut Seen) -> Result<(), String> {
    let mut prng = Prng::new(seed ^ 0x5eed);
    let one_in = |prng: &mut Prng, of: u64| prng.below(of) == 0;
    let largest = 20 + prng.below(130) as usize;
    let count = 40 + prng.below(4 * largest as u64) as usize;
    let first = prng.below(count as u64 + 1) as usize;
    let all = tasks(count);
    let files = match prng.below(2) {
        0 => vec![all],
        _ => vec![all[..first].to_vec(), all[first..].to_vec()],
    };
    let options = Options {
        legacy: one_in(&mut prng, 2),
        database: if one_in(&mut prng, 2) {
            Database::Sqlite
        } else {
            Database::Postgres
        },
        edition: if one_in(&mut prng, 4) {
            Edition::Enterprise
        } else {
            Edition::Community
        },
        max_body: one_in(&mut prng, 4).then(|| 4_000 + prng.below(12_000) as usize),
        request_time: Duration::from_millis(20 + prng.below(10_000)),
        ..Options::default()
    };
    let fake = Fake::start(Faults::from_seed(seed), options);
    let mut machine = Machine::new(&fake, Input::new(&files));
    machine.most_tasks = largest;
    if one_in(&mut prng, 4) {
        machine.interval = Duration::ZERO;
    }
    let kills = 1 + prng.below(5) as u32;
    let mut said = String::new();
    let script = |start: u32| {
        let later = match prng.below(4) {
            0 | 1 => Duration::ZERO,
            2 => Duration::from_millis(1 + prng.below(10_000)),
            _ => Duration::from_millis(1 + prng.below(60_000)),
        };
        let kill = Kill {
            after: 1 + prng.below(25),
            later,
        };
        let stop = (prng.below(8) == 0).then(|| Duration::from_secs(prng.below(300)));
        let pause = match prng.below(4) {
            0 => Duration::ZERO,
            1 => Duration::from_secs(prng.below(10)),
            2 => Duration::from_secs(prng.below(120)),
            _ => Duration::from_secs(prng.below(3_600)),
        };
        (
            (start < kills).then_some(kill),
            stop.filter(|_| start < 2 * kills),
            pause,
        )
    };
    let outcome = match to_the_end(&fake, &machine, script, &mut said).await {
        Ok(()) => proved(&fake, &machine).await,
        Err(why) => Err(why),
    };
    for (name, times) in fake.faults_seen() {
        *seen.faults.entry(name).or_default() += times;
    }
    let history = fake.history();
    let imports = history.iter().filter(|one| one.call.makes_tasks());
    seen.imports += imports.clone().count();
    let gone = |one: &&Request| {
        let went_on = matches!(
            one.fault,
            None | Some("slow" | "lose extras" | "store twice")
        );
        one.status.is_none() && went_on
    };
    seen.kills_on_the_way += imports.filter(gone).count();
    seen.starts += said.matches("start ").count();
    seen.kills += said.matches("ended: Killed").count();
    outcome.map_err(|why| {
        let history = shown(&fake.history());
        format!("seed {seed}: {why}\n{said}{history}")
    })
}

#[test]
fn whatever_breaks_every_task_is_there_once() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let from = number("FAKE_SEED").unwrap_or(0);
    let seeds = number("FAKE_SEEDS").unwrap_or(SEEDS);
    let (mut failed, mut seen) = (Vec::new(), Seen::default());
    for number in from..from + seeds {
        if let Err(why) = in_paused_time(seed(number, &mut seen)) {
            failed.push(why);
        }
    }
    let Seen {
        faults,
        kills,
        kills_on_the_way,
        starts,
        imports,
    } = seen;
    println!(
        "{seeds} seeds: {starts} starts, {kills} kills, {kills_on_the_way} of them during an import, {imports} imports, \
         {faults:?}"
    );
    let enough = |times: usize| times as u64 >= seeds / 50;
    assert!(enough(kills_on_the_way) && faults.len() >= 13.min(seeds as usize / 20));
    assert!(
        failed.is_empty(),
        "{} of {seeds} seeds fail\n{}",
        failed.len(),
        failed.into_iter().take(3).collect::<Vec<_>>().join("\n\n")
    );
}
