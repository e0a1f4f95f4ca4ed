//! What the README shows of buckets.

use std::process::Stdio;

use crate::common;
use crate::servers::s3;

#[test]
fn the_recipe_of_the_readme_works() {
    let readme = std::fs::read_to_string(crate::root().join("README.md")).unwrap();
    let block = readme
        .split("```sh\n")
        .filter_map(|rest| rest.split("```").next())
        .find(|block| block.contains("scripts/object-stores") && block.contains("/**/*.parquet"))
        .expect("a block that starts a store");
    // The store runs already.
    let (start, rest) = block.split_once('\n').unwrap();
    assert!(start.contains("scripts/object-stores start"), "{start}");
    let store = s3();
    store.put(
        "data/2026/foods.parquet",
        std::fs::read(common::data("foods.parquet")).unwrap(),
    );
    let folder = common::temp();
    let data = folder.path().join("tests/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::copy(common::data("penguins.csv"), data.join("penguins.csv")).unwrap();
    let sluice = store.sluice();
    let mut shell = std::process::Command::new("sh");
    let code = format!(
        "sluice() {{ '{}' \"$@\"; }}\n{rest}",
        env!("CARGO_BIN_EXE_sluice")
    );
    shell
        .args(["-eu", "-c", &code])
        .current_dir(folder.path())
        .stdin(Stdio::null());
    for (name, value) in sluice.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let ran = common::run(&mut shell, common::PATIENCE);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert!(common::names(&folder.path().join("out")).contains(&"manifest.json".to_owned()));
    assert!(
        store
            .keys("imports")
            .contains(&"imports/manifest.json".to_owned())
    );
}
