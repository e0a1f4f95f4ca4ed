//! Downloads an object by `object_store` alone, or puts a file there: what `scripts/bench-stores` holds `sluice import`
//! against. `cargo bench --bench download -- get KEY`, `... put KEY FILE`; bucket, endpoint and keys are in the environment.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a measure that fails says so"
)]

use std::io::Read;

use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};

/// Bytes of a part that is put.
const PART: usize = 16 << 20;

fn main() {
    // `cargo bench` adds `--bench` of its own.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let (what, key) = match words.as_slice() {
        [what, key, ..] => (what.as_str(), Path::from(key.as_str())),
        _ => return println!("usage: cargo bench --bench download -- get KEY | put KEY FILE"),
    };
    let store = AmazonS3Builder::from_env()
        .with_allow_http(true)
        .build()
        .expect("a bucket");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let bytes = runtime.block_on(async {
        match what {
            "get" => get(&store, &key).await,
            "put" => put(&store, &key, &words[2]).await,
            other => panic!("`{other}` is neither get nor put"),
        }
    });
    println!("{bytes}");
}

async fn get(store: &dyn ObjectStore, key: &Path) -> usize {
    let stream = store.get(key).await.expect("an object").into_stream();
    let count = |sum, bytes: bytes::Bytes| async move { Ok(sum + bytes.len()) };
    stream.try_fold(0, count).await.expect("all of it")
}

async fn put(store: &dyn ObjectStore, key: &Path, file: &str) -> usize {
    let mut file = std::fs::File::open(file).expect("a file");
    let upload = store.put_multipart(key).await.expect("an upload");
    let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
    let (mut part, mut sum) = (vec![0; PART], 0);
    loop {
        let read = file.read(&mut part).expect("bytes");
        if read == 0 {
            parts.finish().await.expect("an object");
            return sum;
        }
        parts.wait_for_capacity(4).await.expect("room");
        parts.write(&part[..read]);
        sum += read;
    }
}
