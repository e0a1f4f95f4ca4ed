//! Writes made-up input: `cargo bench --bench generate -- KIND OUT MEGABYTES [SEED]`.

use std::fs::File;
use std::io::BufWriter;
use std::process::ExitCode;

use clap::ValueEnum;
use sluice::generate::{self, Kind};

fn main() -> ExitCode {
    // `cargo bench` adds `--bench` of its own.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let kinds: Vec<_> = Kind::value_variants()
        .iter()
        .filter_map(|kind| Some(kind.to_possible_value()?.get_name().to_owned()))
        .collect();
    let kinds = kinds.join(" ");
    let [kind, out, megabytes, seed @ ..] = &words[..] else {
        println!("usage: cargo bench --bench generate -- KIND OUT MEGABYTES [SEED]\nKIND: {kinds}");
        return ExitCode::SUCCESS;
    };
    let (Some(kind), Ok(megabytes), Ok(seed)) = (
        Kind::from_str(kind, false).ok(),
        megabytes.parse::<u64>(),
        seed.first().map_or(Ok(1), |seed| seed.parse()),
    ) else {
        eprintln!("KIND is one of {kinds}; MEGABYTES and SEED are whole numbers");
        return ExitCode::from(2);
    };
    let file = File::create(out).map(|file| BufWriter::with_capacity(1 << 20, file));
    match file.and_then(|file| generate::write(kind, file, megabytes * 1_000_000, seed)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{out}: {error}");
            ExitCode::FAILURE
        }
    }
}
