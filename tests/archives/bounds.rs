//! Memory is bounded, whatever an archive says or holds.

use std::io::{BufWriter, Cursor, Write};
use std::time::Duration;

use flate2::write::GzEncoder;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::common;
use crate::pack::{Said, compressed, end, entry, member, tarred, zip_that_says};

const MIB: u64 = 1 << 20;

/// The peak of a run over one archive, which ends with this code. A child's peak is at least what its parent has when it
/// is made, so nothing large is held meanwhile.
fn peak(name: &str, bytes: &[u8], code: i32) -> u64 {
    peak_with("16MiB", name, bytes, code)
}

fn peak_with(memory: &str, name: &str, bytes: &[u8], code: i32) -> u64 {
    let folder = common::temp();
    common::write(folder.path(), name, bytes);
    let mut command = common::sluice();
    command
        .current_dir(folder.path())
        .args(["import", name, "--to", "out"]);
    command.args([
        "--memory",
        memory,
        "--max-rejects",
        "100%",
        "--threads",
        "2",
    ]);
    let ran = common::run(&mut command, Duration::from_mins(3));
    assert_eq!(ran.misbehaviour(), None, "{}", ran.stderr);
    println!(
        "{name}: {} bytes, exit {}, peak {} MiB, {:.1} s",
        bytes.len(),
        ran.code(),
        ran.peak >> 20,
        ran.took.as_secs_f64()
    );
    assert_eq!(ran.code(), code, "{}", ran.stderr);
    ran.peak
}

/// Writes so many megabytes of zeros.
fn zeros(out: &mut impl Write, megabytes: usize) {
    let block = vec![0; 1 << 20];
    for _ in 0..megabytes {
        out.write_all(&block).unwrap();
    }
}

#[test]
fn a_bomb_is_a_long_stream_and_no_more() {
    // A thousand to one, or far more.
    let zipped = |method, name| {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(name, options).unwrap();
        zeros(&mut zip, 200);
        zip.finish().unwrap().into_inner()
    };
    let tar = {
        let mut zst = zstd::Encoder::new(Vec::new(), 1).unwrap();
        zst.write_all(&entry(b'0', b"zeros.txt", 200 << 20, b""))
            .unwrap();
        zeros(&mut zst, 200);
        zst.write_all(&end()).unwrap();
        zst.finish().unwrap()
    };
    let nested = tarred(&[member("zeros.txt.gz", compressed("gz", &[b'\n'; 4 << 20]))]);
    for (name, bytes, code) in [
        ("a.zip", zipped(CompressionMethod::DEFLATE, "zeros.csv"), 1),
        ("b.zip", zipped(CompressionMethod::ZSTD, "zeros.jsonl"), 3),
        ("a.tar.zst", tar, 3),
        ("b.tgz", compressed("gz", &nested), 0),
    ] {
        assert!(bytes.len() < 1 << 20);
        let peak = peak(name, &bytes, code);
        assert!(peak < 200 * MIB, "{name}: {peak}");
    }
}

#[test]
fn a_hundred_thousand_members_take_little_each() {
    let mut tar = BufWriter::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let (mut body, mut said) = (Vec::new(), Vec::new());
    for i in 0..100_000 {
        let name = format!("folder/of/members/{i:06}.txt");
        tar.write_all(&entry(b'0', name.as_bytes(), 2, b"x\n"))
            .unwrap();
        if i < 20_000 {
            let one = Said::stored(name.as_bytes(), b"x\n", body.len());
            body.extend(one.local());
            body.extend(b"x\n");
            said.push(one);
        }
    }
    tar.write_all(&end()).unwrap();
    let tar = tar.into_inner().unwrap().finish().unwrap();
    let zip = peak_with("64MiB", "a.zip", &zip_that_says(&body, &said), 0);
    let tar = peak_with("64MiB", "a.tgz", &tar, 0);
    assert!(zip < 200 * MIB && tar < 200 * MIB, "zip {zip}, tar {tar}");
}

#[test]
fn what_an_archive_says_of_itself_takes_no_memory() {
    // A directory that has more entries, members that are larger, than there is.
    let mut zip = zip_that_says(b"", &[]);
    let count = zip.len() - 14;
    zip[count..count + 4].fill(0xFF);
    let cases = [
        ("a.zip", zip),
        (
            "a.tar",
            [entry(b'0', b"a.csv", 1 << 50, b"a,b\n"), end()].concat(),
        ),
        (
            "b.tar",
            [entry(b'L', b"././@LongLink", 1 << 50, b"a"), end()].concat(),
        ),
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
    let mut zst = zstd::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..300 {
        zst.write_all(&many).unwrap();
    }
    let peak = peak("a.tar.zst", &zst.finish().unwrap(), 1);
    assert!(peak < 200 * MIB, "{peak}");
}
