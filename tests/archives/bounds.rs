//! Memory is bounded, whatever an archive says or holds.

use std::time::Duration;

use zip::CompressionMethod;

use crate::common;
use crate::pack::{compressed, end, entry, member, tarred, zip_that_says, zipped, Said};

const MIB: u64 = 1 << 20;

/// The peak of a run over one archive, which ends with this code.
fn peak(name: &str, bytes: &[u8], code: i32) -> u64 {
    let folder = common::temp();
    common::write(folder.path(), name, bytes);
    let mut command = common::sluice();
    command.current_dir(folder.path()).args(["import", name, "--to", "out"]);
    command.args(["--memory", "16MiB", "--max-rejects", "100%", "--threads", "2"]);
    let ran = common::run(&mut command, Duration::from_mins(2));
    assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
    println!("{name}: {} bytes, exit {}, peak {} MiB, {:.1} s", bytes.len(), ran.code(), ran.peak >> 20, ran.took.as_secs_f64());
    assert_eq!(ran.code(), code, "{}", ran.stderr);
    ran.peak
}

#[test]
fn a_bomb_is_a_long_stream_and_no_more() {
    // A thousand to one, or far more.
    let zeros = vec![0; 200 << 20];
    let deflated = zipped(CompressionMethod::DEFLATE, &[member("zeros.csv", zeros.as_slice())]);
    let zstd = zipped(CompressionMethod::ZSTD, &[member("zeros.jsonl", zeros.as_slice())]);
    let tar = compressed("zst", &tarred(&[member("zeros.txt", zeros)]));
    let nested = tarred(&[member("zeros.txt.gz", compressed("gz", &vec![b'\n'; 20 << 20]))]);
    assert!(deflated.len() < 1 << 20 && tar.len() < 1 << 20);
    for (name, bytes, code) in [("a.zip", deflated, 1), ("b.zip", zstd, 3), ("a.tar.zst", tar, 3), ("b.tgz", compressed("gz", &nested), 0)] {
        let peak = peak(name, &bytes, code);
        assert!(peak < 200 * MIB, "{name}: {peak}");
    }
}

#[test]
fn a_hundred_thousand_members_take_little_each() {
    let count = 100_000;
    let mut tar = Vec::new();
    let (mut body, mut said) = (Vec::new(), Vec::new());
    for i in 0..count {
        let name = format!("folder/of/members/{i:06}.txt");
        tar.extend(entry(b'0', name.as_bytes(), 2, b"x\n"));
        if i < 60_000 {
            // As many as the 32-bit form has room for.
            let one = Said::stored(name.as_bytes(), b"x\n", body.len());
            body.extend(one.local());
            body.extend(b"x\n");
            said.push(one);
        }
    }
    tar.extend(end());
    let zip = peak("a.zip", &zip_that_says(&body, &said), 0);
    let tar = peak("a.tgz", &compressed("gz", &tar), 0);
    assert!(zip < 300 * MIB && tar < 300 * MIB, "zip {zip}, tar {tar}");
}

#[test]
fn what_an_archive_says_of_itself_takes_no_memory() {
    // A directory that has more entries, members that are larger, than there is.
    let mut zip = zip_that_says(b"", &[]);
    let count = zip.len() - 14;
    zip[count..count + 4].fill(0xFF);
    let cases = [
        ("a.zip", zip),
        ("a.tar", [entry(b'0', b"a.csv", 1 << 50, b"a,b\n"), end()].concat()),
        ("b.tar", [entry(b'L', b"././@LongLink", 1 << 50, b"a"), end()].concat()),
    ];
    for (name, bytes) in cases {
        let peak = peak(name, &bytes, 1);
        assert!(peak < 100 * MIB, "{name}: {peak}");
    }
}

#[test]
fn members_without_end_are_refused() {
    // Millions of empty members, or of long names, are a small file.
    let many = entry(b'0', b"a.bin", 0, b"").repeat(4_096);
    let tar = compressed("zst", &many.repeat(300));
    let peak = peak("a.tar.zst", &tar, 1);
    assert!(peak < 200 * MIB, "{peak}");
}
