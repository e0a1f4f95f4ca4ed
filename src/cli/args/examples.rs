//! The examples of the long help. A test runs every line of them that is indented by four.

/// Of sluice itself.
pub(super) const SLUICE: &str = "\
From a strange file to a finished import:
    sluice inspect data.csv
    sluice plan data.csv --to http://localhost:8080/projects/1
    sluice import data.csv --to http://localhost:8080/projects/1
    sluice runs
    sluice verify 20260102-030405-abcdef

`sluice COMMAND --help` has examples of each command, `sluice explain CODE` says what an error means.";

/// Of `sluice import`.
pub(super) const IMPORT: &str = "\
Examples:
  Into a folder of imports, nothing sent:
    sluice import data.csv --to out
  Into a project, with the token in LABEL_STUDIO_API_KEY; the same command goes on after whatever has ended it:
    sluice import data.csv --to http://localhost:8080/projects/1
  A field by another name, held to a labelling config, every file below a folder:
    sluice import folder --map text=headline --label-config config.xml --overwrite
  From another program, and to another:
    cat tasks.jsonl | sluice import - --to - > out.jsonl
  Addresses of images:
    sluice import photos --media-url https://files.example.com/ --data-key image --to images

";

/// Of `sluice plan`.
pub(super) const PLAN: &str = "\
Examples:
  What an import into a folder would come to:
    sluice plan data.csv
  Into a project: held to its labelling config, with its size afterwards and the earliest finish:
    sluice plan data.csv --to http://localhost:8080/projects/1
  For a script:
    sluice plan data.csv --json --quiet
  An estimate from some 100 records, or from some megabytes, with its error:
    sluice plan tasks.jsonl --sample 100
    sluice plan tasks.jsonl --sample 4MiB

Everything is read and checked as `sluice import` does, and nothing is sent or written.

Exit codes: 0 all records would be in; 3 some would be rejected; 1 failed; 2 usage; 5 the server is away; 6 not \
authorised; 130 or 143 stopped by a signal.";

/// Of `sluice inspect`.
pub(super) const INSPECT: &str = "\
Examples:
  What is this file?
    sluice inspect data.csv
  Do its fields fit the labelling config, or the project?
    sluice inspect data.csv --label-config config.xml
    sluice inspect data.csv --to http://localhost:8080/projects/1
  What another program writes, with the first ten tasks:
    cat tasks.jsonl | sluice inspect - --tasks 10
  For a script:
    sluice inspect data.csv --json

Only the heads of sources are read, so that what is said of columns is said of their first records.";

/// Of `sluice push`.
pub(super) const PUSH: &str = "\
Examples:
  Pack now, send later:
    sluice import data.csv --to packed
    sluice push packed --to http://localhost:8080/projects/1

";

/// Of `sluice commit`.
pub(super) const COMMIT: &str = "\
Examples:
  Two processes pack, and one commits:
    sluice import data.csv --to packed --shard 0/2
    sluice import data.csv --to packed --shard 1/2
    sluice commit packed

";

/// Of `sluice gc`.
pub(super) const GC: &str = "\
Examples:
  Name what a run has left behind, then remove it:
    sluice import data.csv --to packed
    sluice gc packed --dry-run
    sluice gc packed

";

/// Of `sluice bench`.
pub(super) const BENCH: &str = "\
Examples:
  How fast is this machine, and is it slower than before?
    sluice bench --size 1MB --rounds 3 --report before.json
    sluice bench --size 1MB --rounds 3 --compare before.json --report now.html

";

/// Of `sluice config show`.
pub(super) const CONFIG: &str = "\
Examples:
  What are the options of an import, and where are they from?
    sluice config show import --origin

";

/// Of `sluice runs`.
pub(super) const RUNS: &str = "\
Examples:
  All runs, the latest last, and how to go on with those that were cut off:
    sluice runs
  For a script:
    sluice runs --json

";

/// Of `sluice verify`.
pub(super) const VERIFY: &str = "\
Examples:
  Is everything there? The id is what `sluice runs` lists:
    sluice verify 20260102-030405-abcdef
  Is it, to the last value?
    sluice verify 20260102-030405-abcdef --deep

";

/// Of `sluice undo`.
pub(super) const UNDO: &str = "\
Examples:
  Take back what a run brought, by the id that `sluice runs` lists:
    sluice undo 20260102-030405-abcdef --yes

";

/// Of `sluice serve`.
pub(super) const SERVE: &str = "\
Examples:
  Serve a folder until Ctrl-C:
    sluice serve photos --list urls.txt
  Make tasks of its files meanwhile, in another terminal:
    sluice import urls.txt --data-key image --to images";

/// Of `sluice explain`.
pub(super) const EXPLAIN: &str = "\
Examples:
    sluice explain field-missing
    sluice explain 'error[field-missing]: the labelling config needs `text`'
    sluice explain";

/// Of `sluice completions`.
pub(super) const COMPLETIONS: &str = "\
Examples:
    sluice completions bash > sluice.bash
    sluice completions zsh > _sluice
    sluice completions fish > sluice.fish";

/// Of `sluice man`.
pub(super) const MAN: &str = "\
Examples:
    sluice man import > sluice-import.1
    sluice man --to man1";
